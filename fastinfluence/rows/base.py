"""Where rows come from: anything that can hand them out in blocks.

Every pass over the data is a map over fixed blocks of rows and a reduction in block order: first
within spans of neighbouring blocks, then over the spans. Neither depends on the threads, so the
result holds the same bits however many ran it. Sources differ in how they produce a block;
execution differs only in :func:`ordered_map_reduce`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from fastinfluence.rows.features import Features
from fastinfluence.types import IntArray

T = TypeVar("T")

BLOCK_BYTES = 1 << 21
"""Bytes of X in one block: fits the second-level cache of current processors."""
MIN_BLOCK_ROWS = 64
SPANS = 16
"""Spans of a pass. A thread takes one at a time: handing out single blocks costs as much as half
a block's work where they are read at the speed of memory."""
FEW = 64
"""Right-hand sides up to which a product with dense rows is a compiled kernel; BLAS takes more."""
THREAD_BYTES = 1 << 23
"""Below this many bytes a pass costs less than starting threads."""


class Block(NamedTuple):
    """Rows ``start`` to ``stop`` of the table."""

    start: int
    stop: int
    X: Features

    @property
    def rows(self) -> slice:
        """The block's place in arrays that hold one entry per row."""
        return slice(self.start, self.stop)

    def parts(self, numbers: int, at_least: int = 1) -> Iterator[Block]:
        """Parts of the block small enough for so many float64 numbers a row to be written out."""
        for at in self.X.pieces(numbers, at_least=at_least):
            yield Block(self.start + at.start, self.start + at.stop, self.X[at])


class Rows(Protocol):
    """A table of n rows and d features."""

    @property
    def n_rows(self) -> int:
        """Number of rows n."""

    @property
    def n_features(self) -> int:
        """Number of columns d."""

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Storage type of X, float32 or float64."""

    @property
    def density(self) -> float:
        """Share of the n·d numbers that are stored."""

    def threads(self, n_columns: int, n_threads: int) -> int:
        """How many of ``n_threads`` help a pass that multiplies by so many columns."""

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """Apply ``task`` to every block; combine the results in block order.

        ``once`` says that the task reads each number once, so that blocks may outgrow the cache.
        """

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows."""


def available_threads() -> int:
    """Number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spans(n_blocks: int) -> Sequence[int]:
    """First blocks of the spans, and n_blocks."""
    k = min(SPANS, n_blocks)
    return [i * n_blocks // k for i in range(k + 1)]


def ordered_map_reduce(
    cuts: Sequence[int],
    block: Callable[[int, int], Block],
    task: Callable[[Block], T],
    combine: Callable[[T, T], T],
    n_threads: int,
) -> T:
    """Map ``task`` over the blocks between ``cuts`` on ``n_threads`` threads; fold in order.

    ``block(start, stop)`` hands out rows. At most ``2 * n_threads`` results wait at any time, so
    memory does not grow with the number of blocks. The threads end with the call.
    """
    ends = spans(len(cuts) - 1)

    def span(k: int) -> T:
        at = range(ends[k], ends[k + 1])
        return _fold((task(block(cuts[i], cuts[i + 1])) for i in at), combine)

    every = range(len(ends) - 1)
    if n_threads <= 1:
        return _fold(map(span, every), combine)
    with ThreadPoolExecutor(n_threads, thread_name_prefix="fastinfluence") as pool:
        return _fold(_in_order(pool, span, every, 2 * n_threads), combine)


def _in_order(
    pool: ThreadPoolExecutor, task: Callable[[int], T], items: Sequence[int], window: int
) -> Iterator[T]:
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(task, item))
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _fold(results: Iterator[T], combine: Callable[[T, T], T]) -> T:
    total = next(results)
    for result in results:
        total = combine(total, result)
    return total
