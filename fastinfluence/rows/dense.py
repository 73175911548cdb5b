"""Rows of a dense array in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from fastinfluence.rows.base import (
    BLOCK_BYTES,
    MIN_BLOCK_ROWS,
    THREAD_BYTES,
    Block,
    ordered_map_reduce,
)
from fastinfluence.types import FloatArray, IntArray

T = TypeVar("T")


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
        self.dtype = X.dtype.newbyteorder("=")
        row_bytes = max(1, self.n_features * self.dtype.itemsize)
        self.block_rows = max(MIN_BLOCK_ROWS, BLOCK_BYTES // row_bytes)

    def blocks(self) -> Iterator[Block]:
        """The table as consecutive blocks of ``block_rows`` rows."""
        for start in range(0, self.n_rows, self.block_rows):
            stop = min(start + self.block_rows, self.n_rows)
            yield Block(start, stop, np.ascontiguousarray(self.X[start:stop], dtype=self.dtype))

    def map_reduce(
        self, task: Callable[[Block], T], combine: Callable[[T, T], T], n_threads: int = 1
    ) -> T:
        """Apply ``task`` to every block; combine the results in block order."""
        small = self.n_rows * self.n_features * self.dtype.itemsize < THREAD_BYTES
        return ordered_map_reduce(self.blocks(), task, combine, 1 if small else n_threads)

    def take(self, rows: IntArray) -> FloatArray:
        """The chosen rows as a dense float64 array, shape (len(rows), d)."""
        return np.ascontiguousarray(self.X[rows], dtype=np.float64)
