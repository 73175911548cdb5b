"""Where rows come from: anything that can hand them out in blocks.

Every pass over the data is a map over fixed blocks of rows and a reduction in block order: first
within spans of neighbouring blocks, then over the spans. Neither depends on the threads, so the
result holds the same bits however many ran it. Sources differ in how they produce a block;
execution differs only in :func:`ordered_map_reduce`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from fastinfluence.fingerprints import Digest, of_json
from fastinfluence.rows.features import Features
from fastinfluence.types import FloatArray, IntArray

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


THREAD_ROOM = 1 << 28
"""Bytes of addresses that a thread takes at first: its stack, and two heaps of the C library."""


class Values(NamedTuple):
    """What belongs to the rows of one block beside X, each (b,), as the loss wants it."""

    y: FloatArray
    w: FloatArray
    offset: FloatArray | None = None
    ids: Any = None
    """What the caller names the rows by."""

    def part(self, rows: slice | IntArray) -> Values:
        """Those of some of the rows."""
        offset, ids = (None if a is None else a[rows] for a in (self.offset, self.ids))
        return Values(self.y[rows], self.w[rows], offset, ids)


class Block(NamedTuple):
    """Rows ``start`` to ``stop`` of the table.

    ``values`` are there where the table is read as it streams past: nobody else keeps them then.
    """

    start: int
    stop: int
    X: Features
    values: Values | None = None

    @property
    def rows(self) -> slice:
        """The block's place in arrays that hold one entry per row."""
        return slice(self.start, self.stop)

    def contents(self) -> Iterator[Any]:
        """What it holds, as buffers that put one after the other give those of the whole."""
        stored = list(self.X.stored().values())
        yield from map(np.ascontiguousarray, stored)
        yield from [b""] * (3 - len(stored))
        if self.values is not None:
            for values in (self.values.y, self.values.w, self.values.offset):
                yield b"" if values is None else np.ascontiguousarray(values)

    def parts(self, numbers: int, at_least: int = 1) -> Iterator[Block]:
        """Parts of the block small enough for so many float64 numbers a row to be written out."""
        for at in self.X.pieces(numbers, at_least=at_least):
            values = None if self.values is None else self.values.part(at)
            yield Block(self.start + at.start, self.start + at.stop, self.X[at], values)


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

    def fingerprint(self) -> str:
        """SHA-256 of the table, whatever its layout in memory; a pass over the rows."""


def fingerprint_of(rows: Rows) -> str:
    """:meth:`Rows.fingerprint` from the rows themselves, block by block."""
    table = f"{rows.n_rows} {rows.n_features}"
    digests: dict[str, Digest] = {}

    def task(block: Block) -> int:
        for name, numbers in block.X.stored().items():
            about = f"{name} of {table}: {numbers.dtype.str} {numbers.shape[1:]}"
            digests.setdefault(name, Digest(about)).add(numbers)
        return block.stop

    rows.map_reduce(task, max, 1)  # one thread: in the order of the rows
    return of_json({name: digest.hexdigest() for name, digest in digests.items()})


def available_threads() -> int:
    """Number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def startable(n_threads: int) -> int:
    """So many threads, or none where there is no memory for their stacks and first objects.

    Python waits for ever for a thread that had no memory to begin with.
    """
    try:
        np.empty(n_threads * THREAD_ROOM, dtype=np.uint8)  # not touched: costs no memory
    except MemoryError:
        return 0
    return n_threads


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
        return fold((task(block(cuts[i], cuts[i + 1])) for i in at), combine)

    return ordered(span, len(ends) - 1, combine, n_threads)


def ordered(
    span: Callable[[int], T], count: int, combine: Callable[[T, T], T], n_threads: int
) -> T:
    """``span(0)`` to ``span(count - 1)``, made on so many threads and folded in order."""
    if n_threads <= 1 or count == 1:
        return fold(map(span, range(count)), combine)
    return _Shared(span, count, combine, n_threads).result()


class _Shared(Generic[T]):
    """Spans taken by several threads, of which the caller's is one; folded in order."""

    def __init__(
        self, span: Callable[[int], T], count: int, combine: Callable[[T, T], T], n_threads: int
    ) -> None:
        self._span, self._count, self._combine = span, count, combine
        self._n_threads = min(n_threads, count)
        # Entered by itself: Ctrl-C inside a condition's own Python code would leave it held.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._taken = self._folded = 0
        self._waiting: dict[int, T] = {}
        self._total: list[T] = []
        self._error: BaseException | None = None

    def result(self) -> T:
        """Work until every span is folded; raise the first error of any thread."""
        helpers = [
            threading.Thread(target=self._work, name=f"fastinfluence-{k + 1}", daemon=True)
            for k in range(startable(self._n_threads - 1))
        ]
        try:
            for helper in helpers:
                helper.start()
            self._work()
            for helper in helpers:
                helper.join()
        except BaseException as error:  # Ctrl-C while the threads start or end: none may go on
            self._stop(error)
            for helper in helpers:
                if helper.ident is not None:
                    helper.join()
            raise
        if self._error is not None:
            raise self._error
        return self._total[0]

    def _work(self) -> None:
        try:
            while (k := self._take()) is not None:
                self._add(k, self._span(k))
        except BaseException as error:  # of any kind: it is raised in the caller's thread
            self._stop(error)

    def _stop(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
            self._changed.notify_all()

    def _take(self) -> int | None:
        """The next span, once few enough results wait; None where nothing is left to do."""
        with self._lock:
            while self._error is None and self._taken - self._folded >= 2 * self._n_threads:
                self._changed.wait()
            if self._error is not None or self._taken == self._count:
                return None
            self._taken += 1
            return self._taken - 1

    def _add(self, k: int, result: T) -> None:
        with self._lock:
            self._waiting[k] = result
            while self._folded in self._waiting:
                ready = self._waiting.pop(self._folded)
                self._total = [self._combine(self._total[0], ready) if self._total else ready]
                self._folded += 1
            self._changed.notify_all()


def fold(results: Iterator[T], combine: Callable[[T, T], T]) -> T:
    """All results combined, in order."""
    total = next(results)
    for result in results:
        total = combine(total, result)
    return total
