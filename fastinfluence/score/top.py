"""The strongest rows of each kind, as a table; and what the training rows are named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fastinfluence.progress import Progress
from fastinfluence.rows.stream_tables import ArrowTable
from fastinfluence.score.options import HARMFUL, HELPFUL, MEANING
from fastinfluence.sinks import ParquetScores, Ranking, TopK, TopKResult
from fastinfluence.types import IntArray


def from_scores(scores: ParquetScores, k: int, sign: float, progress: Progress) -> TopKResult:
    """The extremes of a complete dataset of scores, read part by part."""
    names = [name for name in scores.columns if name not in ("row", "id")]
    collector = TopK(k).open(len(names), scores.n_rows, sign)
    start, nothing = 0, np.zeros(len(names))
    for part in scores.parts:
        with pq.ParquetFile(part) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=names, use_threads=False)
                block = np.stack([table.column(name).to_numpy() for name in names])
                collector.add(start, block, nothing, np.ones(table.num_rows))
                start += table.num_rows
                progress("ranking", start, scores.n_rows)
    return collector.result()


def ids_from_scores(scores: ParquetScores, rows: IntArray) -> pa.Array:
    """Names of training rows at increasing positions, from a dataset of scores."""
    cuts, found = scores.manifest["cuts"], []
    ends = np.searchsorted(rows, cuts)
    for k, part in enumerate(scores.parts):
        mine = rows[ends[k] : ends[k + 1]] - cuts[k]
        if len(mine):
            with pq.ParquetFile(part) as file:
                column = file.read(columns=["id"], use_threads=False).column("id")
            found.append(column.take(pa.array(mine)).combine_chunks())
    return pa.concat_arrays(found)


def ids_from_table(table: ArrowTable, rows: IntArray) -> pa.Array:
    """Names of training rows at increasing positions, from the table itself."""
    names, found, start = [n for n in [table.roles.id] if n is not None], [], 0
    for part in table.reader.parts:
        last = np.searchsorted(rows, start + part.n_rows) if part.n_rows else len(rows)
        if np.searchsorted(rows, start) == last and part.n_rows:  # a part that has none of them
            start += part.n_rows
            continue
        for batch in table.reader.batches(part, names, 1 << 16):
            first, last = np.searchsorted(rows, (start, start + batch.num_rows))
            mine = batch.column(0).take(pa.array(rows[first:last] - start))
            found.append(mine.dictionary_decode() if hasattr(mine, "dictionary") else mine)
            start += batch.num_rows
    return pa.concat_arrays(found)


def kinds(top: TopKResult, of_self: bool) -> Iterator[tuple[str, Ranking]]:
    """The lists of a result by kind; of self-influence only one, of the strongest."""
    yield HELPFUL, top.helpful
    if not of_self:
        yield HARMFUL, top.harmful


def as_table(
    top: TopKResult, of_self: bool, names: dict[int, Any], test_ids: list[Any] | None
) -> pa.Table:
    """One row for each test row, kind and rank; fields carry what they mean.

    ``names`` holds the ids of the training rows listed, where they have any.
    """
    lists = list(kinds(top, of_self))
    t, k = lists[0][1].rows.shape
    rows = np.stack([ranking.rows for _, ranking in lists], axis=1).ravel()  # (t, kinds, k)
    columns: dict[str, Any] = {}
    if not of_self:
        tests = np.repeat(np.arange(t), 2 * k)
        columns["test_row"] = pa.array(tests, pa.int64())
        if test_ids is not None:
            columns["test_id"] = pa.array(test_ids).take(pa.array(tests))
        columns["kind"] = pa.array(np.tile(np.repeat([kind for kind, _ in lists], k), t))
    columns["rank"] = pa.array(np.tile(np.arange(1, k + 1), len(rows) // k), pa.int64())
    columns["row"] = pa.array(rows, pa.int64())
    if names:
        columns["id"] = pa.array([names[int(row)] for row in rows])
    values = np.stack([ranking.values for _, ranking in lists], axis=1).ravel()
    columns["score"] = pa.array(values, pa.float64())
    fields = [
        pa.field(name, column.type, metadata={"meaning": MEANING[name]})
        for name, column in columns.items()
    ]
    return pa.table(list(columns.values()), schema=pa.schema(fields))
