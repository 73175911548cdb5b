"""Rows whose columns are arrays of their own, as columnar files hand them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from fastinfluence.kernels.cpu import columns as kernels
from fastinfluence.kernels.cpu import scores
from fastinfluence.rows.base import Block, fingerprint_of
from fastinfluence.rows.dense import DenseFeatures
from fastinfluence.rows.features import Features
from fastinfluence.types import FloatArray, IntArray

T = TypeVar("T")

TILE_BYTES, LEAST_TILE = 1 << 19, 128
"""Bytes of the rows that are multiplied at a time, and fewest rows."""


class ColumnFeatures(Features):
    """Rows of a table whose columns are arrays of their own.

    Parameters
    ----------
    columns : sequence of ndarray, each (b,)
        Contiguous, all float32 or all float64. They are not written to.
    n_rows : int
        Number of rows b.
    """

    def __init__(self, columns: Sequence[FloatArray], n_rows: int) -> None:
        self.columns = [_read_only(column) for column in columns]
        self.n_features, self._n_rows = len(columns), n_rows

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, rows: slice | IntArray) -> Features:
        """Some of the rows; a range of them is a view, chosen ones stand row after row."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self._n_rows)
            if step == 1:
                parts = [column[start:stop] for column in self.columns]
                return ColumnFeatures(parts, max(0, stop - start))
        chosen = [column[rows] for column in self.columns]
        return DenseFeatures(np.ascontiguousarray(np.stack(chosen, axis=1)))

    def native(self) -> FloatArray:
        """The rows as an array (b, d), row after row."""
        return np.stack(self.columns, axis=1)

    def stored(self) -> dict[str, FloatArray]:
        """The rows, one after the other."""
        return {"dense": self.native()}

    def mapped(self, function: Callable[[FloatArray], FloatArray]) -> ColumnFeatures:
        """The same rows with ``function`` applied to each number."""
        return ColumnFeatures([function(column) for column in self.columns], self._n_rows)

    def toarray(self) -> FloatArray:
        """The rows as a float64 array, shape (b, d), row after row."""
        return np.asarray(self.native(), dtype=np.float64)

    def first_not_finite(self) -> tuple[int, int, float] | None:
        """Row, column and value of the first NaN or infinity."""
        return DenseFeatures(self.native()).first_not_finite()

    # -- products ----------------------------------------------------------------------

    def linear(self, V: FloatArray) -> FloatArray:
        """x̃_i·v for every column v of V (p, t), shape (b, t); (b,) for V of shape (p,)."""
        if V.ndim != 1:
            return super().linear(V)
        v, d = np.ascontiguousarray(V, dtype=np.float64), self.n_features
        out = np.full(self._n_rows, v[d] if len(v) > d else 0.0)
        for at in self._fours():
            add: Callable[..., None] = kernels.add_four if len(at) == 4 else kernels.add_one
            add(*self.columns[at.start : at.stop], v[at.start : at.stop], out)
        return out

    def transposed(self, C: FloatArray, p: int) -> FloatArray:
        """Σ_i c_i x̃_i for every column c of C (b, t), shape (p, t); (p,) for C of shape (b,)."""
        if C.ndim != 1:
            return super().transposed(C, p)
        c, out = np.ascontiguousarray(C, dtype=np.float64), np.empty(p)
        for at in self._fours():
            add: Callable[..., None] = kernels.sum_four if len(at) == 4 else kernels.sum_one
            add(*self.columns[at.start : at.stop], c, out[at.start : at.stop])
        out[self.n_features :] = c.sum()
        return out

    def _fours(self) -> Iterator[range]:
        """The columns, four at a time; what is left over one by one."""
        whole = self.n_features - self.n_features % 4
        yield from (range(j, j + 4) for j in range(0, whole, 4))
        yield from (range(j, j + 1) for j in range(whole, self.n_features))

    def hvp(self, scale: FloatArray, V: FloatArray) -> FloatArray:
        """Σ_i scale_i x̃_i (x̃_i·v) for every column of V (p, t)."""
        if V.shape[1] == 1:
            along = self.linear(V[:, 0])
            along *= scale
            return self.transposed(along, len(V))[:, None]
        d, sides = self.n_features, np.ascontiguousarray(V.T, dtype=np.float64)
        out = np.zeros_like(sides)
        for at, X in self._tiles():
            along = sides[:, :d] @ X
            along += sides[:, d:].sum(axis=1, keepdims=True)
            along *= scale[at]
            out[:, :d] += along @ X.T
            out[:, d:] += along.sum(axis=1, keepdims=True)
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
            X = np.empty((self.n_features, at.stop - at.start))
            for row, column in zip(X, self.columns, strict=True):
                row[:] = column[at]
            yield at, X

    def _linear(self, V: FloatArray) -> FloatArray:
        out = np.empty((len(self), V.shape[1]))
        for at, X in self._tiles():
            np.matmul(X.T, V, out=out[at])
        return out

    def _transposed(self, C: FloatArray, p: int) -> FloatArray:
        out = np.zeros((p, C.shape[1]))
        for at, X in self._tiles():
            out[: self.n_features] += X @ C[at]
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
        return np.asarray(np.einsum("ij,ij->i", self.native(), T[owner, : self.n_features]))


def _read_only(column: FloatArray) -> FloatArray:
    """A view that cannot be written to: kernels then see one type, whoever owns the numbers."""
    view = column.view()
    view.flags.writeable = False
    return view


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
