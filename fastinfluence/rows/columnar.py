"""Rows stored column after column, as columnar files hand them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from fastinfluence.kernels.cpu import columns as kernels
from fastinfluence.kernels.cpu import scores
from fastinfluence.rows.base import FEW, Block, Rows, fingerprint_of
from fastinfluence.rows.dense import DenseFeatures
from fastinfluence.rows.features import Features
from fastinfluence.types import FloatArray, IntArray

T = TypeVar("T")

TILE_BYTES, LEAST_TILE = 1 << 19, 128
"""Bytes of the rows that are multiplied at a time, and fewest rows."""


class ColumnFeatures(Features):
    """Rows of a table of which each column is contiguous.

    Parameters
    ----------
    columns : ndarray, shape (d, b)
        C-contiguous, float32 or float64: one column in each of its rows.
    """

    def __init__(self, columns: FloatArray) -> None:
        self.columns = columns
        self.n_features = len(columns)

    def __len__(self) -> int:
        return int(self.columns.shape[1])

    def __getitem__(self, rows: slice | IntArray) -> Features:
        """Some of the rows; a range of them stays as it is stored, chosen ones become rows."""
        if isinstance(rows, slice):
            return ColumnFeatures(np.ascontiguousarray(self.columns[:, rows]))
        return DenseFeatures(np.ascontiguousarray(self.columns[:, rows].T))

    def native(self) -> FloatArray:
        """The rows as an array (b, d), a view."""
        return self.columns.T

    def stored(self) -> dict[str, FloatArray]:
        """The rows, one after the other."""
        return {"dense": np.ascontiguousarray(self.columns.T)}

    def mapped(self, function: Callable[[FloatArray], FloatArray]) -> ColumnFeatures:
        """The same rows with ``function`` applied to each number."""
        return ColumnFeatures(function(self.columns))

    def toarray(self) -> FloatArray:
        """The rows as a float64 array, shape (b, d), rows contiguous."""
        return np.ascontiguousarray(self.columns.T, dtype=np.float64)

    def first_not_finite(self) -> tuple[int, int, float] | None:
        """Row, column and value of the first NaN or infinity."""
        return DenseFeatures(self.columns.T).first_not_finite()

    # -- products ----------------------------------------------------------------------

    def linear(self, V: FloatArray) -> FloatArray:
        """x̃_i·v for every column v of V (p, t), shape (b, t); (b,) for V of shape (p,)."""
        if V.ndim != 1:
            return super().linear(V)
        out = np.empty(len(self))
        kernels.linear_columns(self.columns, np.ascontiguousarray(V, dtype=np.float64), out)
        return out

    def transposed(self, C: FloatArray, p: int) -> FloatArray:
        """Σ_i c_i x̃_i for every column c of C (b, t), shape (p, t); (p,) for C of shape (b,)."""
        if C.ndim != 1:
            return super().transposed(C, p)
        out = np.zeros(p)
        kernels.add_columns(self.columns, np.ascontiguousarray(C), out)
        return out

    def gradient(self, slope: FloatArray, p: int) -> tuple[FloatArray, FloatArray]:
        """Σ_i slope_i x̃_i and Σ_i |slope_i x̃_i| for slope (b,), in one pass over the rows."""
        out, size = np.zeros(p), np.zeros(p)
        kernels.gradient_columns(self.columns, np.ascontiguousarray(slope), out, size)
        return out, size

    def hvp(self, scale: FloatArray, V: FloatArray) -> FloatArray:
        """Σ_i scale_i x̃_i (x̃_i·v) for every column of V (p, t); few columns in one pass."""
        if V.shape[1] > FEW:
            return super().hvp(scale, V)
        sides = np.ascontiguousarray(V.T, dtype=np.float64)
        out = np.zeros_like(sides)
        kernels.hvp_columns(self.columns, np.ascontiguousarray(scale), sides, out)
        return np.ascontiguousarray(out.T)

    def row_dot(self, S: FloatArray, scale: FloatArray) -> FloatArray:
        """scale_i x̃_i·s for every column s of S (p, t), shape (t, b), row-major."""
        d, t = self.n_features, S.shape[1]
        sides, shift = np.ascontiguousarray(S[:d].T), S[d] if len(S) > d else np.zeros(t)
        out = np.empty((t, len(self)))
        for at, X in self._tiles():
            part = sides @ X
            scores.finish(part, shift, scale[at])
            out[:, at] = part
        return out

    def _tiles(self) -> Iterator[tuple[slice, FloatArray]]:
        """Ranges of rows whose columns in double precision stay in the cache, (d, rows)."""
        rows = max(LEAST_TILE, TILE_BYTES // (8 * max(1, self.n_features)))
        for start in range(0, len(self), rows):
            at = slice(start, min(start + rows, len(self)))
            yield at, np.asarray(self.columns[:, at], dtype=np.float64)

    def _linear(self, V: FloatArray) -> FloatArray:
        return np.ascontiguousarray(self.columns.T @ V)

    def _transposed(self, C: FloatArray, p: int) -> FloatArray:
        out = np.empty((p, C.shape[1]))
        np.matmul(self.columns, C, out=out[: self.n_features])
        return out

    def _add_gram(self, scale: FloatArray, out: FloatArray) -> None:
        d = self.n_features
        convex = bool((scale >= 0).all())
        for at, X in self._tiles():
            c = scale[at]
            if convex:  # one array times its own transpose: half the operations
                root = X * np.sqrt(c)
                out[:d, :d] += root @ root.T
            else:
                out[:d, :d] += (X * c) @ X.T

    def _paired(self, T: FloatArray, owner: IntArray) -> FloatArray:
        return np.asarray(np.einsum("ji,ij->i", self.columns, T[owner, : self.n_features]))


class HeldRows:
    """One block's rows as a table of their own, whatever stores them."""

    def __init__(self, X: Features, dtype: np.dtype[np.floating], density: float) -> None:
        self._X, self.dtype, self.density = X, dtype, density
        self.n_rows, self.n_features = len(X), X.n_features
        self.block_rows = max(1, len(X))

    def threads(self, n_columns: int, n_threads: int) -> int:
        """One: other threads have blocks of their own."""
        return 1

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """The task's result for the one block there is."""
        return task(Block(0, self.n_rows, self._X))

    def fingerprint(self) -> str:
        """SHA-256 of the rows."""
        return fingerprint_of(self)

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows."""
        if isinstance(rows, slice) and rows == slice(None):
            return self._X
        return self._X[rows]


def held(X: Features, dtype: np.dtype[np.floating], density: float) -> Rows:
    """A block's rows as a table of their own."""
    return HeldRows(X, dtype, density)
