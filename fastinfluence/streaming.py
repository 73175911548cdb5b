"""Problems whose rows are streamed: as a whole, and as the small one of each block."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.inputs import check_spec, one_of, positive_count
from fastinfluence.labels import LabelCodec
from fastinfluence.placement import DEVICES
from fastinfluence.problem import Problem, Spec
from fastinfluence.progress import Progress, silent
from fastinfluence.rows.base import Block, Rows, available_threads
from fastinfluence.rows.columnar import HeldRows
from fastinfluence.rows.columns import PerRow
from fastinfluence.rows.dense import DenseFeatures
from fastinfluence.rows.features import Features
from fastinfluence.rows.gathered import column
from fastinfluence.rows.stream import StreamRows
from fastinfluence.rows.stream_tables import StreamTable
from fastinfluence.spec.oracle import Oracle
from fastinfluence.surveys import read_table, refuse_extras, refuse_kind
from fastinfluence.types import FloatArray, IntArray


def build(
    spec: Spec,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    device: str = "cpu",
    n_threads: int | None = None,
    progress: Progress = silent,
    codec: LabelCodec | None = None,
) -> Problem:
    """The problem of arrays, or of a table that is streamed; one clear InputError otherwise."""
    if not isinstance(X, StreamTable):
        if y is None and not isinstance(spec, Oracle):
            raise InputError("y is needed: one target for each row of X")
        return Problem.build(spec, X, y, sample_weight, offset, device, n_threads, codec)
    check_spec(spec)
    if one_of(device, DEVICES, "device") != "cpu":
        refuse_kind(f'device="{device}"')
    if isinstance(spec, Oracle):
        refuse_kind("an oracle")
    refuse_extras(y=y, sample_weight=sample_weight, offset=offset)
    threads = available_threads() if n_threads is None else positive_count(n_threads, "n_threads")
    rows, codec = read_table(X, spec.loss, threads, progress, codec)
    return Problem(
        spec=spec,
        rows=cast("Rows", rows),
        codec=codec,
        feature_names=rows.source.feature_names,
        labels=None,
        named=True,
        library="numpy",
        n_threads=threads,
        transform=rows.source.transform,
        **_columns(rows),
    )


def _columns(rows: StreamRows) -> dict[str, Any]:
    """Targets, weights and offsets as arrays that are nowhere in memory."""

    def of(name: str, what: str, total: float | None = None) -> PerRow:
        return PerRow(rows, partial(column, name=name), what, total=total)

    return {
        "y": of("y", "targets"),
        "w": of("w", "weights", rows.total_weight),
        "offset": of("offset", "offsets") if rows.source.has_offset else None,
    }


def stream_of(problem: Problem) -> StreamRows | None:
    """The problem's rows where they are streamed."""
    return problem.rows if isinstance(problem.rows, StreamRows) else None


def template(problem: Problem) -> Problem:
    """What the problems of all blocks have in common: no penalty, and the weight of the whole."""
    spec: Any = problem.spec
    rows, nobody = problem.rows, np.zeros(0)
    none = DenseFeatures(np.zeros((0, rows.n_features), dtype=rows.dtype))
    return replace(
        problem,
        spec=replace(spec, l2=0.0),
        rows=cast("Rows", HeldRows(none, rows.dtype, rows.density)),
        y=nobody,
        w=nobody,
        offset=None,
        n_threads=1,
        transform=None,
        total_weight=problem.W,
    )


def of_block(common: Problem, block: Block) -> Problem:
    """One block's rows as a problem of their own; sums over blocks are those of the whole."""
    values = block.values
    assert values is not None, "a block of a streamed table brings its values"
    rows = cast("Rows", HeldRows(block.X, common.rows.dtype, common.rows.density))
    return replace(
        common, rows=rows, y=values.y, w=values.w, offset=values.offset, first_row=block.start
    )


def sampled(problem: Problem, most: int) -> Problem:
    """A streamed problem's first rows, as far as max_memory has room, as one in memory."""
    stream = stream_of(problem)
    if stream is None:
        return problem
    block = stream.gather(np.arange(min(most, stream.n_rows, max(1, stream.most_rows))))
    return of_block(problem, block)


def block_weights(problem: Problem, block: Block) -> FloatArray:
    """Weights of a block's rows, shape (b,)."""
    return problem.w[block.rows] if block.values is None else block.values.w


def with_replaced(problem: Problem, rows: IntArray, X: Features, y: FloatArray | None) -> Problem:
    """A streamed problem with others in the place of some distinct rows."""
    return _on(problem, cast("StreamRows", problem.rows).replaced(rows, X, y))


def _on(problem: Problem, rows: StreamRows) -> Problem:
    """The same problem on rows that differ."""
    return replace(problem, rows=cast("Rows", rows), **_columns(rows))


def reserve(problem: Problem, n_bytes: int, what: str) -> None:
    """UnsupportedError where a streamed problem's max_memory has no room for so much."""
    stream = stream_of(problem)
    if stream is not None:
        stream.reserve(n_bytes, what)


def without_weight(problem: Problem, rows: IntArray) -> Problem:
    """The same problem with the rows' weights set to zero."""
    stream = stream_of(problem)
    if stream is not None:
        return _on(problem, stream.silence(rows))
    w = problem.w.copy()
    w[rows] = 0.0
    return replace(problem, w=w)
