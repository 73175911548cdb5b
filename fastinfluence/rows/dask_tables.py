"""Tables on a cluster, as users describe them: ``fi.rows.dask(...)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.progress import Progress
from fastinfluence.rows.cluster import Partitions, dask_library, partitions_of
from fastinfluence.rows.dask_rows import DaskRows
from fastinfluence.rows.encode import is_category
from fastinfluence.rows.memory import DEFAULT, Plan, as_bytes
from fastinfluence.rows.partitions import (
    Chunks,
    Frames,
    Held,
    Layout,
    PartitionSource,
    arrow_table,
)
from fastinfluence.rows.roles import Roles
from fastinfluence.rows.stream import StreamRows
from fastinfluence.rows.stream_tables import StreamTable
from fastinfluence.rows.survey import Found, Question
from fastinfluence.rows.surveyed import Surveyed

UNKNOWN_ROW = 8 * 128
"""Bytes that a row is taken to have where nobody knows before it is read."""


@dataclass(frozen=True)
class DaskTable(StreamTable):
    """Partitions of a Dask collection.

    Attributes
    ----------
    partitions : Partitions
    layout : Layout
    """

    partitions: Partitions
    layout: Layout

    @property
    def names(self) -> dict[str, str]:
        """What the columns of the target and the weight are called in messages."""
        return self.layout.names

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, about."""
        return self.layout.row_bytes

    @property
    def unit_bytes(self) -> int:
        """Nothing is read ahead: a worker holds its partitions."""
        return 0

    def survey(self, question: Question, plan: Plan) -> tuple[PartitionSource, Found]:
        """The rows, and what one pass over them finds."""
        survey = partial(_survey, self.layout, question, plan.block_rows)
        every = [(k, k) for k in range(len(self.partitions.keys))]
        surveyed = self.partitions.reduce(survey, Surveyed.and_then, every, "survey")
        return self.layout.source(surveyed), surveyed.found

    def rows(
        self,
        source: Any,
        encode: Callable[[Any, int], Any],
        total_weight: float,
        plan: Plan,
        progress: Progress,
    ) -> StreamRows:
        """The rows as engines see them."""
        return DaskRows(source, encode, total_weight, plan, progress, partitions=self.partitions)


def _survey(layout: Layout, question: Question, block_rows: int, k: int, held: Held) -> Surveyed:
    return layout.survey(k, held, question, block_rows)


def dask(
    table: Any,
    y: Any = None,
    *,
    target: str | None = None,
    features: Sequence[str] | None = None,
    weight: Any = None,
    offset: Any = None,
    id: str | None = None,
    max_memory: int | str = DEFAULT,
    client: Any = None,
) -> StreamTable:
    """Rows of a Dask collection, which stay on the workers of a cluster.

    Each pass is one task for each partition, which runs where the partition is, and a tree of
    tasks that combine what these found. The client gets what the root of the tree holds: sums of
    the size of theta, rankings, the rows that were asked for by number; and something with an
    entry per row where an array of all rows is asked for. A partition that was lost with its
    worker is made again, and no number changes for it.

    A collection that is not persisted is computed anew in every pass: ``table.persist()`` first
    where the memory of the workers has room for it, always for one made from data in the client's
    memory (``from_pandas``, ``from_array``), which would else be sent in every pass.

    Parameters
    ----------
    table : dask.dataframe.DataFrame, dask.array.Array, or list
        A data frame; X (n, d) as an array, whose chunks of rows are the partitions (chunks of
        columns are joined, lazily); or a list of delayed objects or futures, one for each
        partition: of data frames or Arrow tables where ``target`` is given, and otherwise of
        tuples (X, y), (X, y, weight) or (X, y, weight, offset).
    y : dask.array.Array, shape (n,), optional
        Targets, where the table is an array. It is rechunked, lazily, like X.
    target : str, optional
        Column of y, where the table is a data frame.
    features : list of str, optional
        Columns of X in their order, by default all that have no other role; of arrays, the names
        of the columns. Columns of text and categories become one for each category, as in
        :func:`fastinfluence.rows.parquet`.
    weight, offset : str, or dask.array.Array, shape (n,), optional
        Sample weights and offsets: columns, or arrays beside an array.
    id : str, optional
        Column of what names a row in a result.
    max_memory : int or str, default 2 GB
        What the client may take for results, and a task beside its partition.
    client : distributed.Client, optional
        By default the one in use when a pass begins; without any, Dask's threads do the work.

    Returns
    -------
    StreamTable
        Goes in the place of X; y, weights and offset are left out there.

    Raises
    ------
    InputError
        If the table is no such collection, or a column is missing.
    UnsupportedError
        If Dask is not installed.
    """
    dask_library()
    memory, asked = as_bytes(max_memory), _Columns(target, features, weight, offset, id)
    if isinstance(table, list | tuple):
        tasks = _blocks(list(table), y, asked, client)
    elif hasattr(table, "to_delayed") and hasattr(table, "columns"):
        tasks = _frame(table, y, asked, client)
    elif hasattr(table, "to_delayed") and hasattr(table, "rechunk"):
        tasks = _arrays(table, y, asked, client)
    else:
        raise InputError(
            f"the table is a {type(table).__name__}: give a Dask data frame, a Dask array or a "
            "list of delayed blocks"
        )
    return DaskTable(memory, *tasks)


class _Columns(NamedTuple):
    """What the caller says of the columns."""

    target: str | None
    features: Sequence[str] | None
    weight: Any
    offset: Any
    id: str | None

    def roles(self, names: Sequence[str]) -> Roles:
        """Checked against the names of a data frame's columns."""
        for role in ("weight", "offset"):
            given = getattr(self, role)
            if not isinstance(given, str | None):
                kind = type(given).__name__
                raise InputError(f"{role} is a {kind}: of a data frame name the column, {role}=…")
        if self.target is None:
            raise InputError("target is needed: the name of the column of y")
        return Roles.of(names, self.target, self.features, self.weight, self.offset, self.id)


def _frame(table: Any, y: Any, asked: _Columns, client: Any) -> tuple[Partitions, Layout]:
    if y is not None:
        raise InputError("y is a column of a data frame: name it, target=…")
    names = {str(name): name for name in table.columns}
    if list(names) != list(table.columns):
        raise InputError("the columns of a data frame must be named by distinct strings")
    roles = asked.roles(list(names))
    used = table[roles.used]
    sparse = any(used.dtypes[name].kind not in "biuf" for name in roles.features)
    return partitions_of([_delayed(used)], client), Frames(roles, sparse)


def _delayed(collection: Any) -> list[Any]:
    """The partitions of a collection one by one."""
    blocks = list(np.ravel(collection.to_delayed()))
    if blocks[0].key not in blocks[0].__dask_graph__():  # an array's futures are optimised away
        blocks = list(np.ravel(collection.to_delayed(optimize_graph=False)))
    return blocks


def _arrays(X: Any, y: Any, asked: _Columns, client: Any) -> tuple[Partitions, Layout]:
    if asked.target is not None or asked.id is not None:
        raise InputError("an array has no columns to name: give y=, and leave target and id out")
    if X.ndim != 2:
        raise InputError(f"X must have two dimensions (rows, columns), not {X.ndim}")
    if y is None:
        raise InputError("y is needed: a Dask array with one target for each row of X")
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    beside = {"y": y, "weight": asked.weight, "offset": asked.offset}
    given = {name: _like(X, values, name) for name, values in beside.items() if values is not None}
    blocks = [_delayed(values) for values in (X, *given.values())]
    names = None if asked.features is None else tuple(map(str, asked.features))
    row_bytes = X.shape[1] * X.dtype.itemsize + 24
    return partitions_of(blocks, client), Chunks(("X", *given), row_bytes, names)


def _like(X: Any, values: Any, what: str) -> Any:
    """An array beside X in the same chunks of rows."""
    if not hasattr(values, "rechunk"):
        raise InputError(
            f"{what} is a {type(values).__name__}: give a Dask array, such as "
            f"dask.array.from_array({what}, chunks=X.chunks[0])"
        )
    if values.ndim != 1:
        raise InputError(f"{what} must have one dimension, not {values.ndim}")
    known = not any(n != n for n in (*X.chunks[0], *values.chunks[0]))  # NaN where unknown
    if known and len(values) != len(X):
        raise InputError(f"{what} has {len(values)} entries but X has {len(X)} rows")
    if known:
        return values.rechunk((X.chunks[0],))
    if values.numblocks[0] != X.numblocks[0]:
        raise InputError(
            f"{what} has {values.numblocks[0]} chunks and X has {X.numblocks[0]}, of unknown "
            "sizes: call compute_chunk_sizes() on both"
        )
    return values


def _blocks(blocks: list[Any], y: Any, asked: _Columns, client: Any) -> tuple[Partitions, Layout]:
    if y is not None:
        raise InputError("blocks bring their own targets: leave y out")
    if not blocks or not all(hasattr(block, "key") for block in blocks):
        raise InputError("a list must hold Dask's delayed objects or futures, one or more")
    partitions = partitions_of([blocks], client)
    if asked.target is None:
        if asked.weight is not None or asked.offset is not None or asked.id is not None:
            raise InputError(
                "without target=… blocks bring their weights and offsets: (X, y, w, o)"
            )
        names = None if asked.features is None else tuple(map(str, asked.features))
        return partitions, Chunks((), UNKNOWN_ROW if names is None else 8 * len(names) + 24, names)
    first = partitions.reduce(_kinds, _first, [(0, "the first block")], "columns")
    roles = asked.roles(list(first))
    return partitions, Frames(roles, any(first[name] for name in roles.features))


def _kinds(what: str, held: Held) -> dict[str, bool]:
    """Names of a frame's columns, and whether they are categories."""
    return {
        field.name: is_category(field.type) for field in arrow_table(held[0], None, what).schema
    }


def _first(a: Any, _: Any) -> Any:
    return a
