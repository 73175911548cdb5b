"""Chosen rows of a streamed table, kept while they are asked for again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import issparse, vstack

from fastinfluence.rows.base import Block, Values
from fastinfluence.rows.sources import as_rows
from fastinfluence.types import FloatArray, IntArray

KEPT = 4
"""Sets of rows that are kept."""


class Gathered:
    """The rows last asked for, a few times over; those asked next are mostly some of them.

    Parameters
    ----------
    read : callable
        Reads the rows at increasing positions.
    most : int
        Rows that may be kept beside those last asked for.
    """

    def __init__(self, read: Callable[[IntArray], Block], most: int) -> None:
        self._read, self._most = read, most
        # Replaced as a whole, without a lock: threads that read at once may lose each other's set.
        self._kept: tuple[tuple[IntArray, Block], ...] = ()

    def block(self, rows: IntArray) -> Block:
        """The rows in the order asked for, as a block of their own from 0 on."""
        distinct = np.unique(rows)
        for known, block in reversed(self._kept):
            if np.isin(distinct, known, assume_unique=True).all():
                return part(block, np.searchsorted(known, rows))
        self._forget(len(distinct))
        block = self._read(distinct)
        self._kept = (*self._kept, (distinct, block))[-KEPT:]
        return part(block, np.searchsorted(distinct, rows))

    def _forget(self, coming: int) -> None:
        """The sets longest kept, until there is room for so many rows more."""
        kept = self._kept
        while kept and sum(len(rows) for rows, _ in kept) + coming > self._most:
            kept = kept[1:]
        self._kept = kept

    @staticmethod
    def joined(blocks: Sequence[Block]) -> Block:
        """Blocks one after the other, as one."""
        held = [block for block in blocks if len(block.X)] or list(blocks[:1])
        natives = [block.X.native() for block in held]
        whole = vstack(natives, format="csr") if issparse(natives[0]) else np.concatenate(natives)
        X = as_rows(whole).take(slice(None))
        values = [block.values for block in held if block.values is not None]
        offset = None
        if values[0].offset is not None:
            offset = np.concatenate([v.offset for v in values if v.offset is not None])
        y, w = (np.concatenate([v[k] for v in values]) for k in (0, 1))
        return Block(0, len(X), X, Values(y, w, offset))


def gathered(block: Block, rows: IntArray) -> Block:
    """Those of a block's rows that are among the increasing positions."""
    first, last = np.searchsorted(rows, (block.start, block.stop))
    return part(block, rows[first:last] - block.start)


def part(block: Block, at: IntArray) -> Block:
    """Some rows of a block, as a block of their own from 0 on."""
    values = None if block.values is None else block.values.part(at)
    return Block(0, len(at), block.X[at], values)


def column(block: Block, name: str) -> FloatArray:
    """One of a block's values, by name."""
    out: FloatArray = getattr(block.values, name)
    return out
