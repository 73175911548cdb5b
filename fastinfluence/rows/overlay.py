"""Another source with some of its rows replaced, without a copy of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy.sparse import csr_array, issparse, vstack

from fastinfluence.rows.base import Block, Rows, fingerprint_of
from fastinfluence.rows.features import Features
from fastinfluence.rows.sources import as_rows
from fastinfluence.rows.view import Derived
from fastinfluence.types import FloatArray, IntArray

T = TypeVar("T")


class OverlayRows(Derived):
    """The rows of any source, a few of them replaced.

    A pass hands the source's blocks on as they are; a block with a replaced row is handed on in
    parts, between which the new rows stand.

    Parameters
    ----------
    source : Rows
    at : ndarray of int, shape (k,)
        Distinct positions.
    new : Features
        The k rows that stand there.
    """

    def __init__(self, source: Rows, at: IntArray, new: Features) -> None:
        order = np.argsort(at)
        super().__init__(source, source.n_rows)
        self.at = at[order]
        self.new = as_storage(new, source)[order]

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """Apply ``task`` to every block, in parts where rows were replaced; combine in order."""
        return self.source.map_reduce(
            lambda block: reduce(combine, map(task, self._parts(block))), combine, n_threads, once
        )

    def _parts(self, block: Block) -> Iterator[Block]:
        first, last = (int(j) for j in np.searchsorted(self.at, (block.start, block.stop)))
        before = block.start
        for j in range(first, last):
            row = int(self.at[j])
            if row > before:
                yield Block(before, row, block.X[before - block.start : row - block.start])
            yield Block(row, row + 1, self.new[j : j + 1])
            before = row + 1
        if before == block.start:
            yield block
        elif before < block.stop:
            yield Block(before, block.stop, block.X[before - block.start :])

    def fingerprint(self) -> str:
        """SHA-256 of the rows that are seen, as of a table of them alone."""
        return fingerprint_of(self)

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows."""
        wanted = np.arange(self.n_rows)[rows]
        place = np.minimum(np.searchsorted(self.at, wanted), len(self.at) - 1)
        changed = self.at[place] == wanted
        base = self.source.take(rows)
        if not changed.any():
            return base
        order = np.where(changed, len(wanted) + place, np.arange(len(wanted)))
        return stacked(base, self.new)[order]


class Replaced(NamedTuple):
    """Rows that stand in the place of some of a table's, by increasing position."""

    at: IntArray
    X: Features
    y: FloatArray | None
    """Their targets as the loss has them; None where those of the table stay."""

    @classmethod
    def of(cls, rows: IntArray, X: Features, y: FloatArray | None) -> Replaced:
        """New rows at distinct positions in any order."""
        order = np.argsort(rows)
        return cls(rows[order], X[order], None if y is None else y[order])

    def into(self, start: int, X: Features, y: FloatArray) -> tuple[Features, FloatArray]:
        """A block's rows, from ``start`` on, with those among them that were replaced."""
        first, last = (int(j) for j in np.searchsorted(self.at, (start, start + len(X))))
        if first == last:
            return X, y
        place = self.at[first:last] - start
        order = np.arange(len(X))
        order[place] = len(X) + np.arange(last - first)
        if self.y is not None:
            y = y.copy()
            y[place] = self.y[first:last]
        return stacked(X, stored_as(X.native(), self.X[first:last]))[order], y


def stacked(above: Features, below: Features) -> Features:
    """The rows of two tables of the same storage, one after the other."""
    a, b = above.native(), below.native()
    both = vstack([a, b], format="csr") if issparse(a) else np.concatenate([a, b])
    return as_rows(both).take(slice(None))


def as_storage(X: Features, rows: Rows) -> Features:
    """The same numbers stored as ``rows`` stores its own: sparse or dense; never rounded."""
    return stored_as(rows.take(slice(0, 1)).native(), X)


def stored_as(native: Any, X: Features) -> Features:
    """The same numbers sparse where an array is, dense where it is; never rounded."""
    sparse = issparse(native)
    if sparse == issparse(X.native()):
        return X
    return as_rows(csr_array(X.native()) if sparse else X.toarray()).take(slice(None))
