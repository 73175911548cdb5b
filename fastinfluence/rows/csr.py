"""Rows of a sparse matrix in memory, in compressed-sparse-row form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fastinfluence.backend import contiguous
from fastinfluence.rows.base import (
    BLOCK_BYTES,
    THREAD_BYTES,
    Block,
    fingerprint_of,
    ordered_map_reduce,
    spans,
)
from fastinfluence.rows.features import Features
from fastinfluence.types import FloatArray, IntArray

T = TypeVar("T")

MAX_BLOCK_ROWS = 1 << 16
"""Most rows in a block, however short they are: what holds a number for each stays small."""
RESULT_SHARE = 16
"""A block holds this many times d numbers where the table does, so that zeroing and adding its
result of size d costs little beside reading it."""
DENSE_GRAM = 0.125
"""Share of stored numbers above which a matrix product is faster than scattering."""


class CSRFeatures(Features):
    """Rows in CSR form: distinct column indices in each row, explicit zeros allowed.

    Parameters
    ----------
    data, indices : ndarray, shape (stored,)
        Float32 or float64 values, and their columns.
    indptr : ndarray, shape (b + 1,)
        Where each row starts in ``data``.
    n_features : int
    """

    def __init__(
        self,
        data: FloatArray,
        indices: NDArray[np.signedinteger[Any]],
        indptr: NDArray[np.signedinteger[Any]],
        n_features: int,
    ) -> None:
        self.data, self.indices, self.indptr = data, indices, indptr
        self.n_features = n_features

    @property
    def _parts(self) -> tuple[FloatArray, Any, Any]:
        return self.data, self.indices, self.indptr

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, rows: slice | IntArray) -> CSRFeatures:
        """Some of the rows; a contiguous slice is a view."""
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(len(self))
            ends = self.indptr[start : max(stop, start) + 1]
            at = slice(int(ends[0]), int(ends[-1]))
            return CSRFeatures(self.data[at], self.indices[at], ends - ends[0], self.n_features)
        return _features(self.native()[rows])

    def native(self) -> Any:
        """A SciPy CSR array on the same memory."""
        return csr_array(self._parts, shape=(len(self), self.n_features), copy=False)

    def stored(self) -> dict[str, NDArray[Any]]:
        """Numbers, columns, and how many each row has; integers in one width."""
        counts = np.diff(self.indptr).astype(np.int64)
        return {"values": self.data, "columns": self.indices.astype(np.int64), "counts": counts}

    def mapped(self, function: Callable[[FloatArray], FloatArray]) -> CSRFeatures:
        """The same pattern with ``function`` applied to the stored numbers."""
        return CSRFeatures(function(self.data), self.indices, self.indptr, self.n_features)

    def toarray(self) -> FloatArray:
        """The rows as a dense float64 array, shape (b, d)."""
        return np.asarray(self.native().toarray(), dtype=np.float64)

    def first_not_finite(self) -> tuple[int, int, float] | None:
        """Row, column and value of the first NaN or infinity."""
        bad = np.flatnonzero(~np.isfinite(self.data))
        if not len(bad):
            return None
        row = int(np.searchsorted(self.indptr, bad[0], side="right")) - 1
        return row, int(self.indices[bad[0]]), float(self.data[bad[0]])

    # -- products ----------------------------------------------------------------------

    def _linear(self, V: FloatArray) -> FloatArray:
        out: FloatArray = self.backend.xp.empty((len(self), V.shape[1]))
        self.backend.kernels.csr.linear_block(*self._parts, contiguous(V), out)
        return out

    def _transposed(self, C: FloatArray, p: int) -> FloatArray:
        out: FloatArray = self.backend.xp.zeros((p, C.shape[1]))
        self.backend.kernels.csr.transposed_block(*self._parts, contiguous(C), out)
        return out

    def gradient(self, slope: FloatArray, p: int) -> tuple[FloatArray, FloatArray]:
        """Σ_i slope_i x̃_i and Σ_i |slope_i x̃_i| for slope (b,), in one pass over the rows."""
        out, size = self.backend.xp.zeros(p), self.backend.xp.zeros(p)
        self.backend.kernels.csr.gradient_block(*self._parts, slope, out, size)
        if p > self.n_features:
            out[-1], size[-1] = slope.sum(), np.abs(slope).sum()
        return out, size

    def hvp(self, scale: FloatArray, V: FloatArray) -> FloatArray:
        """Σ_i scale_i x̃_i (x̃_i·v) for every column of V (p, t), in one pass over the rows."""
        out, V, kernels = self.backend.xp.zeros(V.shape), contiguous(V), self.backend.kernels.csr
        if V.shape[1] == 1:
            kernels.hvp_block(*self._parts, scale, V.reshape(-1), out.reshape(-1), self.n_features)
        else:
            kernels.hvp_columns(*self._parts, scale, V, out, self.n_features)
        result: FloatArray = out
        return result

    def _add_gram(self, scale: FloatArray, out: FloatArray) -> None:
        if len(self.data) <= DENSE_GRAM * len(self) * self.n_features:
            self.backend.kernels.csr.gram_block(*self._parts, scale, out)
            return
        d = self.n_features
        for at in self.pieces(d):
            X = self[at].toarray()
            out[:d, :d] += X.T @ (scale[at, None] * X)

    def _paired(self, T: FloatArray, owner: IntArray) -> FloatArray:
        out: FloatArray = self.backend.xp.empty(len(self))
        self.backend.kernels.csr.paired_block(*self._parts, contiguous(T), owner, out)
        return out


class CSRRows:
    """A SciPy sparse array in canonical CSR form.

    Parameters
    ----------
    X : scipy.sparse.csr_array, shape (n, d)
        Float32 or float64, without duplicates, as :func:`fastinfluence.tables.as_table` makes
        it. Not copied and not written to.
    """

    def __init__(self, X: Any) -> None:
        self._all = _features(X)
        self.n_rows, self.n_features = X.shape
        self.dtype = self._all.data.dtype
        self.n_stored = len(self._all.data)
        self.density = self.n_stored / (self.n_rows * self.n_features)
        self._entry_bytes = self.dtype.itemsize + self._all.indices.itemsize
        self._cuts = self._block_cuts()
        self.block_rows = int(np.diff(self._cuts).max())

    def _block_cuts(self) -> list[int]:
        """First rows of the blocks, and n: about the same number of stored entries in each."""
        entries = max(BLOCK_BYTES // self._entry_bytes, RESULT_SHARE * self.n_features)
        by_size = np.searchsorted(self._all.indptr, np.arange(0, self.n_stored, entries))
        by_count = np.arange(0, self.n_rows, MAX_BLOCK_ROWS)
        cuts = np.unique(np.concatenate([[0, self.n_rows], by_size, by_count]))
        return [int(cut) for cut in cuts]

    @property
    def in_place(self) -> CSRFeatures:
        """The table itself, for kernels that read rows in any order."""
        return self._all

    def threads(self, n_columns: int, n_threads: int) -> int:
        """Threads for products with so many columns: the kernels are serial, so all of them."""
        return n_threads

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """Apply ``task`` to every block, or to whole spans of blocks."""
        small = self.n_stored * self._entry_bytes < THREAD_BYTES
        cuts = self._cuts
        if once:
            cuts = [cuts[k] for k in spans(len(cuts) - 1)]
        return ordered_map_reduce(cuts, self._block, task, combine, 1 if small else n_threads)

    def _block(self, start: int, stop: int) -> Block:
        return Block(start, stop, self._all[start:stop])

    def fingerprint(self) -> str:
        """SHA-256 of the table; a pass over the rows."""
        return fingerprint_of(self)

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows."""
        return self._all[rows]


def _features(X: Any) -> CSRFeatures:
    return CSRFeatures(X.data, X.indices, X.indptr, X.shape[1])
