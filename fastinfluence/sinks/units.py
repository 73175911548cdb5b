"""Scores of a streamed table: each unit's into a collector of its own, merged in their order."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from fastinfluence.rows.base import Block
from fastinfluence.rows.source import Unit
from fastinfluence.rows.stream import StreamRows
from fastinfluence.sinks.base import Collector

Fill = Callable[[Collector[Any], Block], None]


def collect_units(
    stream: StreamRows, collector: Collector[Any], fill: Fill, n_threads: int, phase: str
) -> None:
    """Fill the collector with the scores of all rows that it does not have yet."""
    units = [unit for unit in stream.source.units if collector.wanted(unit.start, unit.stop)]
    if not units:
        return
    task = partial(_of_unit, pickle.dumps(collector), fill)
    collector.merge(stream.map_units(task, _merged, n_threads, units, phase))


def _of_unit(blank: bytes, fill: Fill, unit: Unit, blocks: Iterator[Block]) -> Collector[Any]:
    own: Collector[Any] = pickle.loads(blank)  # made a moment ago, by this library
    for block in blocks:
        if block.values is not None and block.values.ids is not None:
            own.name_rows(block.start, block.values.ids)
        fill(own, block)
    return own


def _merged(a: Collector[Any], b: Collector[Any]) -> Collector[Any]:
    a.merge(b)
    return a
