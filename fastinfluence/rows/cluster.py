"""Passes over the partitions of a Dask collection, on whatever scheduler runs its tasks.

A pass is one graph: a task for each partition, which runs where the partition is, and above them
a tree of tasks that combine the results of neighbours, in order. Only the root comes back. The
shape of the tree is fixed by the number of partitions, so the bits of a result depend on neither
the workers nor their speed, and what a lost worker held is made again from the partitions.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any, TypeVar
from uuid import uuid4

from fastinfluence.errors import InputError, UnsupportedError

T = TypeVar("T")

BRANCHES = 8
"""Results combined by one task: few enough to be held at once, enough to keep trees flat."""
SCATTERED_BYTES = 1 << 20
"""A pass's work from this size on is sent to the workers by itself, not through the scheduler."""
ATTEMPTS = 3
"""How often a pass is begun, where all workers that had been sent its work are lost."""


def dask_library() -> Any:
    """Dask; UnsupportedError where it is not installed."""
    try:
        import dask
        import dask.base
        import dask.highlevelgraph
        import dask.optimization
        import dask.threaded
    except ImportError as error:
        raise UnsupportedError(
            "rows of a cluster need dask: pip install 'fastinfluence[dask]'"
        ) from error
    return dask


class Work:
    """What a pass does with each partition, and with two results; pickled once, sent once.

    Functions made inside other functions travel too.

    Parameters
    ----------
    task : callable
        From what a partition was asked about and what it holds to a result.
    combine : callable
        From two results to one, in the first or anew.
    """

    def __init__(self, task: Callable[..., Any], combine: Callable[[Any, Any], Any]) -> None:
        self.task, self.combine = task, combine
        self._packed: bytes | None = None

    @property
    def packed(self) -> bytes:
        """Both functions as bytes."""
        if self._packed is None:
            import cloudpickle

            self._packed = cloudpickle.dumps((self.task, self.combine))
        return self._packed

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (self.packed,)


def _unpacked(packed: bytes) -> Work:
    return Work(*pickle.loads(packed))


def _worked(asked: Any, work: Work, *held: Any) -> Any:
    return work.task(asked, held)


def _combined(work: Work, first: Any, *others: Any) -> Any:
    # Combining may write to its first argument, which a task that is run again needs as it was.
    return reduce(work.combine, others, copy.deepcopy(first))


@dataclass(frozen=True)
class Partitions:
    """Partitions in the order of their rows, and the tasks that make them.

    Attributes
    ----------
    graph : mapping
        Dask's tasks, by key.
    keys : sequence of tuple
        Of what each partition holds, one key or several.
    client : distributed.Client or None
        Where passes run; by default what Dask uses when they begin: a client that was made, or
        threads.
    """

    graph: Mapping[Any, Any] = field(repr=False)
    keys: Sequence[tuple[Any, ...]] = field(repr=False)
    client: Any = None

    def reduce(
        self,
        task: Callable[[Any, tuple[Any, ...]], T],
        combine: Callable[[T, T], T],
        asked: Sequence[tuple[int, Any]],
        phase: str,
    ) -> T:
        """``task(what, held)`` of each (partition, what), combined in a tree, in order."""
        work = Work(task, combine)
        for last in range(ATTEMPTS, 0, -1):
            try:
                return self._run(work, asked, phase)  # type: ignore[no-any-return]
            except _lost():
                if last == 1:
                    raise
        raise AssertionError("unreachable")

    def _run(self, work: Work, asked: Sequence[tuple[int, Any]], phase: str) -> Any:
        get = self._scheduler()
        name = f"fastinfluence-{phase.replace(' ', '-')}-{uuid4().hex}"
        shared = f"{name}-work"
        graph: dict[Any, Any] = {**self.graph, shared: _sent(work, get)}
        level: list[Any] = [(name, 0, at) for at in range(len(asked))]
        for key, (k, what) in zip(level, asked, strict=True):
            graph[key] = (partial(_worked, what), shared, *self.keys[k])
        while len(level) > 1:
            cuts = range(0, len(level), BRANCHES)
            above = [(name, level[0][1] + 1, at) for at in range(len(cuts))]
            for key, start in zip(above, cuts, strict=True):
                graph[key] = (_combined, shared, *level[start : start + BRANCHES])
            level = above
        if len(asked) < len(self.keys):
            graph, _ = dask_library().optimization.cull(graph, level)
        # A plain mapping would be hashed first, data and all, to find equal ones.
        layers = dask_library().highlevelgraph.HighLevelGraph
        return get(layers.from_collections(name, graph, dependencies=()), level[0])

    def _scheduler(self) -> Callable[..., Any]:
        """The function that computes keys of a graph."""
        found = dask_library()
        get: Any = found.base.get_scheduler(scheduler=self.client) or found.threaded.get
        if getattr(getattr(get, "__self__", None), "asynchronous", False):
            raise InputError("the client is asynchronous: give client= one that waits for results")
        return get  # type: ignore[no-any-return]


def _sent(work: Work, get: Any) -> Any:
    """The work itself, or its copies on all workers where it is large."""
    client: Any = getattr(get, "__self__", None)
    if hasattr(client, "scatter") and len(work.packed) > SCATTERED_BYTES:
        return client.scatter(work, broadcast=True, hash=False)
    return work


def _lost() -> tuple[type[BaseException], ...]:
    """What Dask raises where data that no task can make again is lost."""
    from concurrent.futures import CancelledError

    return (CancelledError,)


def partitions_of(blocks: Sequence[Sequence[Any]], client: Any) -> Partitions:
    """Partitions that hold a block of each sequence: delayed objects, or futures."""
    graphs = {}
    for block in (block for sequence in blocks for block in sequence):
        found = block.__dask_graph__() if hasattr(block, "__dask_graph__") else {block.key: block}
        graphs[id(found)] = found  # often one for all
    merged = dask_library().highlevelgraph.HighLevelGraph.merge(*graphs.values())
    keys = [tuple(block.key for block in held) for held in zip(*blocks, strict=True)]
    return Partitions(dict(merged), keys, client)
