"""The few products that the layers above take with some rows of X, whatever stores them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from fastinfluence.backend import CPU, Backend
from fastinfluence.types import FloatArray, IntArray

PIECE_BYTES = 1 << 22
"""Bytes of rows that are written out as a dense array at a time, where that cannot be avoided."""

GRAM_BYTES, LEAST_GRAM_BYTES = 1 << 25, 1 << 21
"""Bytes of scaled rows in one product of a Gram matrix: most and least."""
GRAM_ROWS = 4
"""Rows of one product per column, so that adding its p×p result costs little beside making it."""


def squared(values: FloatArray) -> FloatArray:
    """Squares in double precision, for :meth:`Features.mapped`."""
    return np.square(values, dtype=np.float64)


class Features(ABC):
    """b rows of d features, x̃_i: the features, then a one where the model has an intercept.

    The column of ones is implied, never stored: an argument with d + 1 rows, or p = d + 1,
    asks for it. Results are float64.

    A storage is a subclass: the abstract methods are products with the d stored columns alone,
    and the others may be overridden where the storage knows a faster way.
    """

    n_features: int
    backend: Backend = CPU
    """Where the rows lie, and so whose arrays go in and come out."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows b."""

    @abstractmethod
    def __getitem__(self, rows: slice | IntArray) -> Features:
        """Some of the rows."""

    @abstractmethod
    def native(self) -> Any:
        """The stored columns as a NumPy array or a SciPy CSR array, for other libraries."""

    @abstractmethod
    def stored(self) -> dict[str, Any]:
        """What tells these rows from others, as arrays by name: rows after rows of each."""

    @abstractmethod
    def mapped(self, function: Callable[[FloatArray], FloatArray]) -> Features:
        """The same rows with ``function`` applied to each number; it must keep zero at zero."""

    @abstractmethod
    def first_not_finite(self) -> tuple[int, int, float] | None:
        """Row, column and value of the first NaN or infinity."""

    @abstractmethod
    def _linear(self, V: FloatArray) -> FloatArray:
        """X V for V (d, t), shape (b, t)."""

    @abstractmethod
    def _transposed(self, C: FloatArray, p: int) -> FloatArray:
        """Xᵀ C for C (b, t), shape (p, t); the last of p = d + 1 rows holds anything."""

    @abstractmethod
    def _add_gram(self, scale: FloatArray, out: FloatArray) -> None:
        """Add Σ_i scale_i x_i x_iᵀ to ``out[:d, :d]``."""

    @abstractmethod
    def _paired(self, T: FloatArray, owner: IntArray) -> FloatArray:
        """x_i·T[owner_i, :d], shape (b,)."""

    @abstractmethod
    def toarray(self) -> FloatArray:
        """The stored columns as a dense float64 array, shape (b, d)."""

    def __array__(self, *_: Any, **__: Any) -> FloatArray:
        """Refused: writing rows out is asked for by name, with :meth:`toarray` or ``design``."""
        raise TypeError(f"{type(self).__name__} is no array: use toarray() where that is meant")

    # -- with the implied column of ones -----------------------------------------------

    def widened(self) -> Features:
        """The same rows, cast to double precision where each product would cast them again."""
        return self

    def linear_into(self, V: FloatArray, out: FloatArray) -> FloatArray:
        """:meth:`linear` for V (p, t), written to C-contiguous ``out`` (b, t), which is given."""
        out[...] = self.linear(V)
        return out

    def linear(self, V: FloatArray) -> FloatArray:
        """x̃_i·v for every column v of V (p, t), shape (b, t); (b,) for V of shape (p,)."""
        if V.ndim == 1:
            return self.linear(V[:, None])[:, 0]
        out = self._linear(V[: self.n_features])
        if len(V) > self.n_features:
            out += V[self.n_features]
        return out

    def row_dot(self, S: FloatArray, scale: FloatArray) -> FloatArray:
        """scale_i x̃_i·s for every column s of S (p, t), shape (t, b), row-major."""
        out: FloatArray = self.backend.xp.ascontiguousarray((self.linear(S) * scale[:, None]).T)
        return out

    def transposed(self, C: FloatArray, p: int) -> FloatArray:
        """Σ_i c_i x̃_i for every column c of C (b, t), shape (p, t); (p,) for C of shape (b,)."""
        if C.ndim == 1:
            return self.transposed(C[:, None], p)[:, 0]
        out = self._transposed(C, p)
        if p > self.n_features:
            out[self.n_features] = C.sum(axis=0)
        return out

    def gradient(self, slope: FloatArray, p: int) -> tuple[FloatArray, FloatArray]:
        """Σ_i slope_i x̃_i and Σ_i |slope_i x̃_i| for slope (b,), each of shape (p,)."""
        return self.transposed(slope, p), self.mapped(np.abs).transposed(np.abs(slope), p)

    def hvp(self, scale: FloatArray, V: FloatArray) -> FloatArray:
        """Σ_i scale_i x̃_i (x̃_i·v) for every column v of V (p, t), shape (p, t)."""
        return self.transposed(scale[:, None] * self.linear(V), len(V))

    def add_gram(self, scale: FloatArray, out: FloatArray) -> None:
        """Add Σ_i scale_i x̃_i x̃_iᵀ to ``out`` (p, p), as few matrix products as memory allows."""
        d = self.n_features
        wanted = max(LEAST_GRAM_BYTES, GRAM_ROWS * 8 * d * d)
        for at in self.pieces(d, min(wanted, GRAM_BYTES)):
            part, c = self[at], scale[at]
            part._add_gram(c, out)
            if len(out) > d:
                border = part.transposed(c, d)
                out[:d, d] += border
                out[d, :d] += border
                out[d, d] += c.sum()

    def paired(self, T: FloatArray, owner: IntArray) -> FloatArray:
        """x̃_i·T[owner_i] for T (k, p), shape (b,)."""
        out = self._paired(T, owner)
        return out + T[owner, self.n_features] if T.shape[1] > self.n_features else out

    def grouped(self, c: FloatArray, owner: IntArray, k: int, p: int) -> FloatArray:
        """Σ of c_i x̃_i over the rows of each owner, shape (k, p)."""
        members = csr_array((c, (owner, np.arange(len(self)))), shape=(k, len(self)))
        sums = members @ self.native()
        out = np.empty((k, p))
        out[:, : self.n_features] = sums.toarray() if issparse(sums) else sums
        if p > self.n_features:
            out[:, -1] = np.bincount(owner, weights=c, minlength=k)
        return out

    def design(self, p: int) -> FloatArray:
        """Every x̃_i as a row of a dense array (b, p): for rows whose p numbers each are wanted."""
        X = self.toarray()
        ones = self.backend.xp.ones((len(X), 1))
        return X if p == X.shape[1] else np.concatenate([X, ones], axis=1)

    def pieces(self, p: int, budget: int = PIECE_BYTES, at_least: int = 1) -> Iterator[slice]:
        """Consecutive parts small enough that p numbers for each row fit the budget in bytes."""
        step = max(at_least, self.backend.budget(budget) // (8 * max(p, 1)))
        for start in range(0, len(self), step):
            yield slice(start, min(start + step, len(self)))
