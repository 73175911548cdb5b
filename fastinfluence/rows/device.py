"""Rows in a device's memory.

The products are those of the host's storages with the device's kernels: what is overridden here
is how rows are named without asking the device for numbers, and what a device does another way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.backend import CUDA, contiguous, to_host
from fastinfluence.lazy import cached_property
from fastinfluence.rows.base import FEW
from fastinfluence.rows.csr import CSRFeatures
from fastinfluence.rows.dense import DenseFeatures
from fastinfluence.rows.features import Features
from fastinfluence.rows.serial import SerialRows
from fastinfluence.types import FloatArray, IntArray

BLOCK_BYTES = 1 << 23
"""Bytes of X in one block, in a processor's measure: a device takes more (Backend.budget)."""
LEAST_ROWS = 64
SECTOR = 8
"""Rows that cuBLAS multiplies hold a multiple of so many numbers."""
FUSED = 8
"""Columns up to which passes of four read less than two matrix products write and read."""


class DeviceDense(DenseFeatures):
    """Rows of a C-contiguous float32 or float64 array of CuPy (b, d)."""

    backend = CUDA

    def __getitem__(self, rows: slice | IntArray) -> DeviceDense:
        """Some of the rows; a contiguous slice is a view."""
        at = rows if isinstance(rows, slice) else CUDA.array(rows)
        return DeviceDense(CUDA.xp.ascontiguousarray(self.X[at]))

    def mapped(self, function: Callable[[FloatArray], FloatArray]) -> DeviceDense:
        """The same rows with ``function`` applied to each number."""
        return DeviceDense(function(self.X))

    def widened(self) -> DeviceDense:
        """The same rows in double precision; themselves where they are."""
        return DeviceDense(self.toarray())

    def on_host(self) -> DenseFeatures:
        """The same rows in the host's memory."""
        return DenseFeatures(to_host(self.X))

    def first_not_finite(self) -> tuple[int, int, float] | None:
        """Row, column and value of the first NaN or infinity."""
        if np.isfinite(float(self.X.sum(dtype=np.float64))):
            return None
        bad = np.flatnonzero(~np.isfinite(self.X))
        if not len(bad):
            return None
        row, column = divmod(int(bad[0]), self.n_features)
        return row, column, float(self.X[row, column])

    def row_dot(self, S: FloatArray, scale: FloatArray) -> FloatArray:
        """scale_i x̃_i·s for every column s of S (p, t), shape (t, b), in X's precision.

        The rows are scaled before the product, not its result: it is the larger one. Zeros fill
        them up to whole sectors of memory: a column of ones alone costs cuBLAS a third of its
        rate in double precision.
        """
        d, (p, t) = self.n_features, S.shape
        width = -(-p // SECTOR) * SECTOR
        scaled = CUDA.xp.empty((len(self), width), dtype=self.X.dtype)
        np.multiply(self.X, scale[:, None], out=scaled[:, :d])
        scaled[:, d:] = 0
        sides = CUDA.xp.zeros((t, width), dtype=self.X.dtype)
        sides[:, :p] = S.T
        if p > d:
            scaled[:, d] = scale
        out: FloatArray = sides @ scaled.T
        return out

    def hvp(self, scale: FloatArray, V: FloatArray) -> FloatArray:
        """Σ_i scale_i x̃_i (x̃_i·v) for every column of V (p, t): four in one pass over the rows."""
        p, t = V.shape
        if t == 1:
            return super().hvp(scale, V)
        if t > FUSED:
            return _hvp_in_pieces(self, scale, V)
        sides = CUDA.xp.zeros((-(-t // 4) * 4, p))
        sides[:t] = V.T
        sums = np.zeros_like(sides)
        for k in range(0, len(sides), 4):
            CUDA.kernels.glm.hvp_four(self.X, scale, sides[k : k + 4], sums[k : k + 4])
        return contiguous(sums[:t].T)


class DeviceCSR(CSRFeatures):
    """Rows in CSR form of CuPy's arrays.

    Parameters
    ----------
    data, indices, indptr : cupy.ndarray
    n_features : int
    ends : ndarray, shape (b + 1,)
        ``indptr`` in the host's memory: slices of rows ask the device for nothing.
    """

    backend = CUDA

    def __init__(
        self, data: Any, indices: Any, indptr: Any, n_features: int, ends: NDArray[Any]
    ) -> None:
        super().__init__(data, indices, indptr, n_features)
        self._ends = ends

    def __getitem__(self, rows: slice | IntArray) -> DeviceCSR:
        """Some of the rows; a contiguous slice is a view."""
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(len(self))
            stop = max(start, stop)
            ends = self._ends[start : stop + 1]
            at = slice(int(ends[0]), int(ends[-1]))
            own = self.indptr[start : stop + 1] - self.indptr[start]
            n = self.n_features
            return DeviceCSR(self.data[at], self.indices[at], own, n, ends - ends[0])
        return self._gathered(np.arange(len(self))[rows] if isinstance(rows, slice) else rows)

    def _gathered(self, rows: IntArray) -> DeviceCSR:
        at, xp = CUDA.array(rows), CUDA.xp
        indptr = xp.zeros(len(at) + 1, dtype=self.indptr.dtype)
        indptr[1:] = np.cumsum(self.indptr[at + 1] - self.indptr[at])
        ends = to_host(indptr)
        place = xp.arange(int(ends[-1]))
        row = np.searchsorted(indptr, place, side="right") - 1
        source = place - indptr[row] + self.indptr[at[row]]
        return DeviceCSR(self.data[source], self.indices[source], indptr, self.n_features, ends)

    def native(self) -> Any:
        """The arrays of the CSR form."""
        return self._parts

    def mapped(self, function: Callable[[FloatArray], FloatArray]) -> DeviceCSR:
        """The same pattern with ``function`` applied to the stored numbers."""
        data, n = function(self.data), self.n_features
        return DeviceCSR(data, self.indices, self.indptr, n, self._ends)

    def toarray(self) -> FloatArray:
        """The rows as a dense float64 array, shape (b, d)."""
        out: FloatArray = CUDA.xp.zeros((len(self), self.n_features))
        place = CUDA.xp.arange(len(self.data))
        row = np.searchsorted(self.indptr, place, side="right") - 1
        out[row, self.indices] = self.data
        return out

    def on_host(self) -> CSRFeatures:
        """The same rows in the host's memory."""
        parts = to_host(self.data), to_host(self.indices), np.asarray(self._ends)
        return CSRFeatures(*parts, self.n_features)

    def first_not_finite(self) -> tuple[int, int, float] | None:
        """Row, column and value of the first NaN or infinity."""
        bad = np.flatnonzero(~np.isfinite(self.data))
        if not len(bad):
            return None
        first = int(bad[0])
        row = int(np.searchsorted(self._ends, first, side="right")) - 1
        return row, int(self.indices[first]), float(self.data[first])

    def hvp(self, scale: FloatArray, V: FloatArray) -> FloatArray:
        """Σ_i scale_i x̃_i (x̃_i·v) for every column of V (p, t); few columns in one pass."""
        return super().hvp(scale, V) if V.shape[1] <= FEW else _hvp_in_pieces(self, scale, V)


DeviceFeatures = DeviceDense | DeviceCSR


def _hvp_in_pieces(X: Features, scale: FloatArray, V: FloatArray) -> FloatArray:
    """The product in two steps, of parts whose (b, t) numbers between them fit the memory."""
    out: FloatArray = CUDA.xp.zeros(V.shape)
    for at in X.pieces(V.shape[1] + X.n_features):
        part = X[at]
        out += part.transposed(scale[at, None] * part.linear(V), len(V))
    return out


class DeviceRows(SerialRows):
    """A table in the device's memory.

    Parameters
    ----------
    whole : DeviceDense or DeviceCSR
        All n rows.
    """

    def __init__(self, whole: DeviceFeatures) -> None:
        self.whole = whole
        stored = whole.X if isinstance(whole, DeviceDense) else whole.data
        self.n_rows, self.n_features = len(whole), whole.n_features
        self.dtype: np.dtype[np.floating[Any]] = np.dtype(stored.dtype)
        self.density = stored.size / max(1, self.n_rows * self.n_features)
        self._row_bytes = max(1, stored.nbytes // max(1, self.n_rows))

    @property
    def block_rows(self) -> int:
        """Rows of one block, by what is free now."""
        return max(LEAST_ROWS, CUDA.budget(BLOCK_BYTES) // self._row_bytes)

    @cached_property
    def in_place(self) -> Any:
        """The table itself, for kernels that read rows in any order."""
        return self.whole.X if isinstance(self.whole, DeviceDense) else self.whole

    def _cuts(self, once: bool) -> list[int]:
        step = self.n_rows if once else self.block_rows
        return [*range(0, self.n_rows, max(1, step)), self.n_rows]

    def fingerprint(self) -> str:
        """SHA-256 of the table, as of the same one on the host; every block is copied there."""
        return FetchedRows(self).fingerprint()

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows."""
        return self.whole[rows]


class FetchedRows(SerialRows):
    """A table in the device's memory as the host sees it: what is asked for is copied each time.

    Parameters
    ----------
    device : DeviceRows
    """

    def __init__(self, device: DeviceRows) -> None:
        self.device = device
        self.n_rows, self.n_features = device.n_rows, device.n_features
        self.dtype, self.density = device.dtype, device.density
        row_bytes = max(1, int(self.n_features * self.density * self.dtype.itemsize))
        self.block_rows = max(LEAST_ROWS, BLOCK_BYTES // row_bytes)

    def _cuts(self, once: bool) -> list[int]:
        return [*range(0, self.n_rows, self.block_rows), self.n_rows]

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows."""
        return self.device.whole[rows].on_host()
