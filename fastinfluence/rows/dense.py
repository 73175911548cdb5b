"""Rows of a dense array in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from fastinfluence.backend import contiguous
from fastinfluence.rows.base import (
    BLOCK_BYTES,
    FEW,
    MIN_BLOCK_ROWS,
    THREAD_BYTES,
    Block,
    fingerprint_of,
    ordered_map_reduce,
    spans,
)
from fastinfluence.rows.features import Features
from fastinfluence.types import FloatArray, IntArray

T = TypeVar("T")

CACHED_BYTES = 1 << 19
"""Bytes of rows that several passes of one product find in the second-level cache."""


class DenseFeatures(Features):
    """Rows of a C-contiguous float32 or float64 array X (b, d)."""

    def __init__(self, X: FloatArray) -> None:
        self.X = X
        self.n_features = X.shape[1]

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: slice | IntArray) -> DenseFeatures:
        """Some of the rows; a contiguous slice is a view."""
        return DenseFeatures(np.ascontiguousarray(self.X[rows]))

    def native(self) -> FloatArray:
        """The array itself."""
        return self.X

    def stored(self) -> dict[str, FloatArray]:
        """The array itself."""
        return {"dense": self.X}

    def mapped(self, function: Callable[[FloatArray], FloatArray]) -> DenseFeatures:
        """The same rows with ``function`` applied to each number."""
        return DenseFeatures(function(self.X))

    def toarray(self) -> FloatArray:
        """The rows as float64, shape (b, d); the array itself where it is float64 already."""
        return self.X.astype(np.float64, copy=False)

    def first_not_finite(self) -> tuple[int, int, float] | None:
        """Row, column and value of the first NaN or infinity.

        Rows whose sum is finite hold neither, so a clean table costs one addition a number.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(self.X.sum(dtype=np.float64)):
                return None
        bad = np.argwhere(~np.isfinite(self.X))
        if not len(bad):
            return None
        row, column = (int(k) for k in bad[0])
        return row, column, float(self.X[row, column])

    # -- products ----------------------------------------------------------------------

    def widened(self) -> DenseFeatures:
        """The same rows in double precision; themselves where they are."""
        return DenseFeatures(self.toarray())

    def linear_into(self, V: FloatArray, out: FloatArray) -> FloatArray:
        """:meth:`linear` for V (p, t), written to C-contiguous ``out`` (b, t), which is given."""
        d = self.n_features
        np.matmul(self.X, V[:d], out=out)
        if len(V) > d:
            out += V[d]
        return out

    def linear(self, V: FloatArray) -> FloatArray:
        """x̃_i·v for every column v of V (p, t), shape (b, t); (b,) for V of shape (p,)."""
        if V.ndim != 1:
            return super().linear(V)
        out: FloatArray = self.backend.xp.empty(len(self))
        self.backend.kernels.glm.linear_block(self.X, contiguous(V), out)
        return out

    def gradient(self, slope: FloatArray, p: int) -> tuple[FloatArray, FloatArray]:
        """Σ_i slope_i x̃_i and Σ_i |slope_i x̃_i| for slope (b,), in one pass over the rows."""
        out, size = self.backend.xp.zeros(p), self.backend.xp.zeros(p)
        self.backend.kernels.glm.gradient_block(self.X, slope, out, size)
        return out, size

    def _linear(self, V: FloatArray) -> FloatArray:
        out: FloatArray = self.X @ V
        return out

    def row_dot(self, S: FloatArray, scale: FloatArray) -> FloatArray:
        """scale_i x̃_i·s for every column s of S (p, t), shape (t, b), row-major."""
        d = self.n_features
        out: FloatArray = S[:d].T @ self.toarray().T  # cast as it lies, not transposed
        shift = S[d] if len(S) > d else np.zeros(S.shape[1])
        self.backend.kernels.scores.finish(out, shift, scale)
        return out

    def _transposed(self, C: FloatArray, p: int) -> FloatArray:
        out: FloatArray = self.backend.xp.empty((p, C.shape[1]))
        np.matmul(self.X.T, C, out=out[: self.n_features])
        return out

    def hvp(self, scale: FloatArray, V: FloatArray) -> FloatArray:
        """Σ_i scale_i x̃_i (x̃_i·v) for every column of V (p, t); few columns in one pass."""
        (p, t), xp, kernels = V.shape, self.backend.xp, self.backend.kernels.glm
        if t > FEW:
            return super().hvp(scale, V)
        if t == 1:
            out: FloatArray = xp.zeros(p)
            kernels.hvp_block(self.X, scale, contiguous(V[:, 0]), out)
            return out[:, None]
        sides = xp.zeros((-(-t // 4) * 4, p))
        sides[:t] = V.T
        sums = np.zeros_like(sides)
        for at in self.pieces(self.n_features, CACHED_BYTES):  # stays there for all the sides
            for k in range(0, len(sides), 4):
                kernels.hvp_four(self.X[at], scale[at], sides[k : k + 4], sums[k : k + 4])
        return contiguous(sums[:t].T)

    def _add_gram(self, scale: FloatArray, out: FloatArray) -> None:
        d = self.n_features
        if (scale >= 0).all():  # one array times its own transpose: half the operations
            X = np.multiply(self.X, np.sqrt(scale)[:, None], dtype=np.float64)
            out[:d, :d] += X.T @ X
        else:
            out[:d, :d] += self.X.T @ (scale[:, None] * self.X)

    def _paired(self, T: FloatArray, owner: IntArray) -> FloatArray:
        out = np.empty(len(self))
        for at in self.pieces(self.n_features):
            out[at] = np.einsum("ij,ij->i", self.X[at], T[owner[at], : self.n_features])
        return out


class DenseRows:
    """A float32 or float64 array of any layout.

    Blocks are made contiguous and native-endian one at a time, so a Fortran-ordered,
    strided or byte-swapped table is never copied whole.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Float32 or float64. The array is not copied and not written to.
    """

    def __init__(self, X: FloatArray) -> None:
        self.X = X
        self.n_rows, self.n_features = X.shape
        self.density = 1.0
        self.dtype = X.dtype.newbyteorder("=")
        row_bytes = max(1, self.n_features * self.dtype.itemsize)
        self.block_rows = max(MIN_BLOCK_ROWS, BLOCK_BYTES // row_bytes)
        self._cuts = [*range(0, self.n_rows, self.block_rows), self.n_rows]
        self._copied = not X.flags.c_contiguous or X.dtype != self.dtype

    @property
    def in_place(self) -> FloatArray | None:
        """The table itself where a kernel can read it."""
        return None if self._copied else self.X

    def threads(self, n_columns: int, n_threads: int) -> int:
        """Threads for products with so many columns: several columns are left to BLAS."""
        return n_threads if n_columns <= FEW else 1

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """Apply ``task`` to every block, or to whole spans of a table that need not be copied."""
        small = self.n_rows * self.n_features * self.dtype.itemsize < THREAD_BYTES
        cuts = self._cuts
        if once and not self._copied:
            cuts = [cuts[k] for k in spans(len(cuts) - 1)]
        return ordered_map_reduce(cuts, self._block, task, combine, 1 if small else n_threads)

    def _block(self, start: int, stop: int) -> Block:
        return Block(start, stop, self.take(slice(start, stop)))

    def fingerprint(self) -> str:
        """SHA-256 of the table; a pass over the rows."""
        return fingerprint_of(self)

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows."""
        return DenseFeatures(np.ascontiguousarray(self.X[rows], dtype=self.dtype))
