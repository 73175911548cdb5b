"""Rows that are the partitions of a Dask collection: work goes to them, they go nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn, TypeVar

import numpy as np

from fastinfluence.errors import UnsupportedError
from fastinfluence.rows.base import Block
from fastinfluence.rows.cluster import Partitions
from fastinfluence.rows.partitions import Held, PartitionSource
from fastinfluence.rows.source import Unit
from fastinfluence.rows.stream import Array, StreamRows

T = TypeVar("T")
ALL_IN_ONE = (
    "what is asked works with all rows in one process, and those of a cluster stay where they are: "
    "ask about chosen rows, or read the table with fi.rows.parquet"
)


@dataclass(frozen=True)
class DaskRows(StreamRows):
    """A table whose units are partitions, each read by a worker of a cluster.

    Parameters are those of :class:`~fastinfluence.rows.stream.StreamRows`, and

    partitions : Partitions
    """

    source: PartitionSource
    partitions: Partitions | None = None

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """Apply ``task`` to every block; combine the results in block order.

        Raises
        ------
        UnsupportedError
            Where nothing comes back but how far the pass went: what the tasks made was written
            to memory of the process that ran them, and is lost.
        """
        out = super().map_reduce(task, combine, n_threads, once)
        if type(out) is int and out == self.n_rows:
            raise UnsupportedError(ALL_IN_ONE)
        return out

    def map_units(
        self,
        task: Callable[[Unit, Iterator[Block]], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        units: Sequence[Unit] | None = None,
        phase: str = "reading",
    ) -> T:
        """Apply ``task`` to every unit and its blocks, on the workers; combine in a tree there."""
        assert self.partitions is not None, "rows on the client know their partitions"
        chosen = self.source.units if units is None else units
        out = self.partitions.reduce(
            partial(_on_partition, self._without_units(), task),
            combine,
            [(unit.key.key, unit) for unit in chosen],
            phase,
        )
        total = sum(unit.stop - unit.start for unit in chosen)
        self.progress(phase, total, total)
        return out

    def _without_units(self) -> StreamRows:
        """What a worker must know of the table."""
        return StreamRows(
            source=replace(self.source, units=()),
            encode=self.encode,
            total_weight=self.total_weight,
            plan=self.plan,
            silenced=self.silenced,
            changed=self.changed,
        )

    def collected(
        self, of: Callable[[Block], Array], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> Array:
        """What ``of`` makes of every block, all of it on the client."""

        def task(unit: Unit, blocks: Iterator[Block]) -> list[Array]:
            return [np.concatenate([of(block) for block in blocks])]

        found = self.map_units(task, lambda a, b: a + b)
        return np.concatenate(found).astype(dtype, copy=False).reshape(shape)

    def __reduce__(self) -> NoReturn:
        raise UnsupportedError(ALL_IN_ONE)


def _on_partition(
    table: StreamRows, task: Callable[[Unit, Iterator[Block]], T], unit: Unit, held: Held
) -> T:
    source = table.source
    assert isinstance(source, PartitionSource)
    rows = replace(table, source=source.holding(unit, held))
    return task(unit, rows.blocks(unit))
