"""Some of the rows of another source, without a copy of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from fastinfluence.rows.base import Block, Rows, fingerprint_of
from fastinfluence.rows.features import Features
from fastinfluence.types import IntArray

T = TypeVar("T")


class Derived:
    """What a table made of another one's rows has in common with it.

    Parameters
    ----------
    source : Rows
    n_rows : int
    """

    def __init__(self, source: Rows, n_rows: int) -> None:
        self.source: Rows = source
        self.n_rows, self.n_features = n_rows, source.n_features
        self.dtype, self.density = source.dtype, source.density
        self.block_rows = int(getattr(source, "block_rows", source.n_rows))

    def threads(self, n_columns: int, n_threads: int) -> int:
        """As the source's."""
        return self.source.threads(n_columns, n_threads)


class RowView(Derived):
    """The chosen rows of any source, in their own order.

    Nothing is copied when the view is made. A pass reads the source's blocks: one whose rows
    all stay is handed on as it is, of any other the rows that stay are copied for the moment
    of the pass. A view of a view is a view of the source.

    Parameters
    ----------
    source : Rows
    kept : ndarray of int, shape (m,)
        Strictly increasing positions in the source.
    """

    def __init__(self, source: Rows, kept: IntArray) -> None:
        view = source if isinstance(source, RowView) else None
        super().__init__(source if view is None else view.source, len(kept))
        self.kept: IntArray = kept if view is None else view.kept[kept]

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """Apply ``task`` to every block of the source; combine the results in block order.

        A block of which no row stays reaches the task with no rows.
        """

        def on_kept(block: Block) -> T:
            first, last = (int(k) for k in np.searchsorted(self.kept, (block.start, block.stop)))
            if last - first == block.stop - block.start:
                return task(Block(first, last, block.X))
            return task(Block(first, last, block.X[self.kept[first:last] - block.start]))

        return self.source.map_reduce(on_kept, combine, n_threads, once)

    def fingerprint(self) -> str:
        """SHA-256 of the rows that are seen, as of a table of them alone."""
        return fingerprint_of(self)

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows."""
        return self.source.take(self.kept[rows])
