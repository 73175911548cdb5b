"""Rows read again in every pass: tables that need not fit in memory.

A source is cut into units (a row group of a Parquet file, a range of a memory map), which are read
side by side in other threads, each a block at a time. What a pass makes of a unit's blocks is
folded in their order, and units in theirs, so the bits of a result depend on neither the threads
nor their speed. Nothing with one entry per row is kept, unless a caller asks for it by name.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.lazy import cached_property
from fastinfluence.progress import Progress, silent
from fastinfluence.rows.ahead import Counter, ahead
from fastinfluence.rows.base import Block, Values, fold, ordered
from fastinfluence.rows.features import Features
from fastinfluence.rows.gathered import Gathered, gathered
from fastinfluence.rows.memory import Plan, shown
from fastinfluence.rows.overlay import Replaced
from fastinfluence.rows.source import Raw, Source, Unit
from fastinfluence.types import FloatArray, IntArray

T = TypeVar("T")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class StreamRows:
    """A table of n rows and d features that is read anew in every pass.

    Parameters
    ----------
    source : Source
    encode : callable
        From a block's targets to the numbers that the loss is given.
    total_weight : float
        W, known from a pass over the rows.
    plan : Plan
        How many rows are read at a time, and how much may be kept.
    progress : callable
        Told of every block: (phase, rows done, n).
    silenced : ndarray of int
        Rows that weigh nothing, increasing.
    changed : tuple of Replaced
        Rows that others stand for, later ones last.
    """

    source: Source
    encode: Callable[[np.ndarray[Any, Any], int], FloatArray]
    total_weight: float
    plan: Plan
    progress: Progress = silent
    silenced: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    changed: tuple[Replaced, ...] = ()

    # -- what every source of rows tells -----------------------------------------------

    @property
    def n_rows(self) -> int:
        """Number of rows n."""
        return self.source.units[-1].stop

    @property
    def cuts(self) -> tuple[int, ...]:
        """First rows of the units, and n."""
        return (0, *(unit.stop for unit in self.source.units))

    @property
    def n_features(self) -> int:
        """Number of columns d."""
        return len(self.source.feature_names)

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """Storage type of X."""
        return self.source.dtype

    @property
    def density(self) -> float:
        """Share of the n·d numbers that are stored."""
        return self.source.density

    @property
    def block_rows(self) -> int:
        """Rows read at a time."""
        return self.plan.block_rows

    def threads(self, n_columns: int, n_threads: int) -> int:
        """All of them: each reads rows of its own."""
        return n_threads

    def fingerprint(self) -> str:
        """Of everything that the model is given, from one pass; block sizes leave no trace."""

        def task(unit: Unit, blocks: Iterator[Block]) -> list[int]:
            sums = [0] * 6
            for block in blocks:
                for k, part in enumerate(block.contents()):
                    sums[k] = zlib.crc32(part, sums[k])
            return [unit.stop, *sums]

        found = self.map_units(task, lambda a, b: a + b, self.plan.threads)
        head = repr((self.source.feature_names, str(self.dtype), found))
        return hashlib.sha256(head.encode()).hexdigest()

    # -- passes ------------------------------------------------------------------------

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """Apply ``task`` to every block; combine the results in block order."""
        return self.map_units(partial(_folded, task, combine), combine, n_threads)

    def map_units(
        self,
        task: Callable[[Unit, Iterator[Block]], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        units: Sequence[Unit] | None = None,
        phase: str = "reading",
    ) -> T:
        """Apply ``task`` to every unit and its blocks; combine the results in their order."""
        chosen = self.source.units if units is None else units
        count = Counter(self.progress, phase, sum(unit.stop - unit.start for unit in chosen))
        workers = min(n_threads, self.plan.threads, len(chosen))

        def run(k: int) -> T:
            blocks = self.blocks(chosen[k])
            if workers < self.plan.threads:  # a thread is left that may read ahead
                blocks = ahead(blocks)
            return task(chosen[k], count.counted(blocks))

        return ordered(run, len(chosen), combine, workers)

    def blocks(self, unit: Unit) -> Iterator[Block]:
        """The unit's blocks, in order."""
        start = unit.start
        for raw in self.source.read(unit, self.plan.block_rows):
            yield self._block(start, raw)
            start += len(raw.X)
        if start != unit.stop:
            raise InputError(
                f"{self.source.where(unit.start)}: {start - unit.start} rows were read where "
                f"there were {unit.stop - unit.start} before: the table changed while it was used"
            )

    def _block(self, start: int, raw: Raw) -> Block:
        stop = start + len(raw.X)
        w = np.broadcast_to(1.0, len(raw.X)) if raw.w is None else raw.w
        first, last = np.searchsorted(self.silenced, (start, stop))
        if last > first:
            w = w.copy()
            w[self.silenced[first:last] - start] = 0.0
        X, y = raw.X, self.encode(raw.y, len(raw.X))
        for new in self.changed:
            X, y = new.into(start, X, y)
        return Block(start, stop, X, Values(y, w, raw.offset, raw.ids))

    def collected(
        self, of: Callable[[Block], Array], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> Array:
        """What ``of`` makes of every block, one after the other in one array of this shape."""
        out = np.empty(shape, dtype)

        def task(block: Block) -> int:
            out[block.rows] = of(block)
            return block.stop

        self.map_reduce(task, max, self.plan.threads)
        return out

    # -- chosen rows -------------------------------------------------------------------

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows."""
        return self.gather(rows).X

    def gather(self, rows: IntArray | slice) -> Block:
        """The chosen rows with their targets, weights and offsets; kept until others are asked.

        Units that hold none of them are not read.
        """
        if isinstance(rows, slice):
            return self._gathered.block(np.arange(*rows.indices(self.n_rows)))
        wanted = np.where(rows < 0, rows + self.n_rows, rows)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < self.n_rows:
            raise IndexError(f"rows must lie between 0 and {self.n_rows - 1}")
        return self._gathered.block(wanted)

    @cached_property
    def _gathered(self) -> Gathered:
        return Gathered(self._read_rows, self.most_rows)

    @property
    def most_rows(self) -> int:
        """How many rows may be kept at a time."""
        return self.plan.spare // (2 * self._row_bytes)

    @property
    def _row_bytes(self) -> int:
        """Bytes of one row that is kept, about: 12 for an entry where it is sparse."""
        return 32 + int(12 * self.n_features * self.density)

    def _read_rows(self, rows: IntArray) -> Block:
        """Rows at increasing positions."""
        self.reserve(2 * len(rows) * self._row_bytes, f"{len(rows)} rows")
        ends = np.searchsorted(rows, [(unit.start, unit.stop) for unit in self.source.units])
        holding = [
            unit for unit, at in zip(self.source.units, ends, strict=True) if at[1] > at[0]
        ] or self.source.units[:1]

        def task(unit: Unit, blocks: Iterator[Block]) -> list[Block]:
            last, out = rows[np.searchsorted(rows, unit.stop) - 1] if len(rows) else -1, []
            for block in blocks:
                out.append(gathered(block, rows))
                if block.stop > last:
                    break  # what follows is not read
            return [Gathered.joined(out)]

        def both(a: list[Block], b: list[Block]) -> list[Block]:
            return a + b

        found = self.map_units(task, both, self.plan.threads, holding, "gathering")
        return Gathered.joined(found)

    # -- what may be kept --------------------------------------------------------------

    def reserve(self, n_bytes: int, what: str) -> None:
        """UnsupportedError where something as large may not be held in memory."""
        if n_bytes > self.plan.spare:
            raise UnsupportedError(
                f"{what} would take {shown(n_bytes)}, more than max_memory leaves "
                f"({shown(self.plan.spare)}): stream the result with out=fi.ParquetSink(path) or "
                "fi.TopK(k), ask about fewer rows, or raise max_memory"
            )

    def workers(self, n_bytes: int, n_threads: int, what: str) -> int:
        """Threads of a pass whose results take so many bytes each, within what may be kept."""
        self.reserve(4 * n_bytes, what)
        return max(1, min(n_threads, (self.plan.spare // n_bytes - 2) // 2))

    def replaced(self, rows: IntArray, X: Features, y: FloatArray | None) -> StreamRows:
        """The same table with others in the place of some distinct rows; y as the loss has it."""
        return replace(self, changed=(*self.changed, Replaced.of(rows, X, y)))

    def silence(self, rows: IntArray) -> StreamRows:
        """The same table with some rows weighing nothing."""
        gone = np.setdiff1d(rows, self.silenced)
        lost = float(self.gather(gone).values.w.sum()) if len(gone) else 0.0  # type: ignore[union-attr]
        return replace(
            self,
            silenced=np.union1d(self.silenced, gone).astype(np.intp),
            total_weight=self.total_weight - lost,
        )


def _folded(
    task: Callable[[Block], T], combine: Callable[[T, T], T], unit: Unit, blocks: Iterator[Block]
) -> T:
    return fold(map(task, blocks), combine)
