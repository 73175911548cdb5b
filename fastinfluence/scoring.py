"""From solutions s = H⁻¹∇f to scores of all rows, block by block into a sink."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from fastinfluence.backend import backend_of, contiguous, namespace, to_host
from fastinfluence.curvature import Curvature
from fastinfluence.engines.base import Engine
from fastinfluence.engines.streamed import of_blocks
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.problem import Problem
from fastinfluence.progress import Progress
from fastinfluence.rows.base import Block
from fastinfluence.sinks import Sink, result_bytes
from fastinfluence.sinks.base import Collector, opened
from fastinfluence.sinks.units import collect_units
from fastinfluence.solvers.base import Prepared, Solver
from fastinfluence.solvers.cg import CG
from fastinfluence.solvers.gauge import inverse_root_of
from fastinfluence.solvers.sketch import normal_draws
from fastinfluence.spec.models import GLM
from fastinfluence.streaming import block_weights, reserve, stream_of
from fastinfluence.types import Effect, FloatArray, IntArray

R = TypeVar("R")
EFFECTS = ("removal", "upweight")
SIDES = 32
"""Fewest right-hand sides solved together for self-influence, so that they share a pass."""
CG_STEPS = 100
"""Steps of CG for one solve that the estimate of self-influence's cost expects."""
VECTOR_PASSES = 20
"""Operations for each parameter in one step of CG, beside the product."""
MAX_CG_OPERATIONS = 1e12
"""Operations, a quarter of an hour or so, above which self-influence by CG must be asked for."""


@dataclass(frozen=True)
class Scale:
    """What turns s·g_i into the effect asked for.

    ``removal``: w_i / W, the predicted change when row i is removed. ``upweight``: −1, the
    derivative with respect to an extra weight ε·W on row i (Koh & Liang, eq. 1 and 2).
    """

    effect: Effect
    problem: Problem

    @classmethod
    def of(cls, effect: Effect, engine: Engine) -> Scale:
        """The scale of every row, or InputError for an unknown effect."""
        if effect not in EFFECTS:
            raise InputError(f'effect={effect!r} is unknown: use "removal" or "upweight"')
        return cls(effect, engine.problem)

    def __getitem__(self, rows: slice | IntArray) -> FloatArray:
        """The factors of some rows, shape (k,)."""
        return self._of(self.problem.w[rows])

    def of_block(self, block: Block) -> FloatArray:
        """The factors of a block's rows, shape (b,)."""
        return self._of(block_weights(self.problem, block))

    def _of(self, w: FloatArray) -> FloatArray:
        return w / self.problem.W if self.effect == "removal" else -np.ones_like(w)


def stream_scores(
    engine: Engine,
    S: FloatArray,
    effect: Effect,
    sink: Sink[R],
    direct: FloatArray | None = None,
    progress: Progress | None = None,
) -> R:
    """Scores scale_i · s·g_i for every column s of S (p, t), into the sink.

    ``direct`` (t, n) is the derivative of each quantity with respect to each row's sample
    weight at fixed theta, for quantities that hold the weights themselves.
    """
    device = getattr(engine, "device", None)
    if device is not None:  # a view: the pass runs there
        up = device.problem.backend.array
        through = None if direct is None else up(direct)
        return to_host(stream_scores(device, up(S), effect, sink, through, progress))
    scale, rows = Scale.of(effect, engine), of_blocks(engine)

    W = engine.problem.W

    def raw(part: Block) -> FloatArray:
        out: FloatArray = rows.row_dot(part, S)
        if direct is not None:
            out -= W * direct[:, part.rows]
        return out

    numbers = S.shape[1]
    shift = S.T @ engine.fold
    return _stream(engine, raw, shift, scale, sink, "scoring", numbers, progress=progress)


def _stream(
    engine: Engine,
    raw: Callable[[Block], FloatArray],
    shift: FloatArray,
    scale: Scale,
    sink: Sink[R],
    phase: str,
    numbers: int,
    at_least: int = 1,
    progress: Progress | None = None,
) -> R:
    """``raw`` scores (t, b) of all rows into the sink, those apart that it has already.

    It is called with parts of blocks, of ``numbers`` float64 a row and ``at_least`` so many rows.
    """
    problem, n = engine.problem, engine.problem.n_rows
    reserve(problem, result_bytes(sink, len(shift), n), f"{phase} of all {n} rows in memory")
    sign = 1.0 if scale.effect == "removal" else -1.0
    with closing(opened(sink, len(shift), n, sign, problem.backend)) as collector:
        own = replace(scale, problem=of_blocks(engine).problem)
        fill = partial(_fill, raw, shift, own, numbers, at_least)
        stream = stream_of(problem)
        if stream is not None:
            collect_units(stream, collector, fill, problem.n_threads, phase)
            return collector.result()

        def task(block: Block) -> int:
            fill(collector, block)
            if progress is not None:
                progress(phase, block.stop, n)
            return block.stop

        problem.rows.map_reduce(task, lambda _, stop: stop, 1)
        return collector.result()


def _fill(
    raw: Callable[[Block], FloatArray],
    shift: FloatArray,
    scale: Scale,
    numbers: int,
    at_least: int,
    collector: Collector[Any],
    block: Block,
) -> None:
    """Scores of a block's rows into a collector."""
    for part in block.parts(numbers, at_least):
        if collector.wanted(part.start, part.stop):
            collector.add(part.start, raw(part), shift, scale.of_block(part))


def refuse_dear(engine: Engine, solver: Solver) -> None:
    """UnsupportedError where self-influence would need too many solves by CG."""
    n, rows = engine.problem.n_rows, engine.problem.rows
    stored = n * (rows.n_features * rows.density + 1) * engine.problem.n_outputs
    if not isinstance(engine.problem.spec, GLM):
        stored = n * engine.n_params * engine.passes
    operations = float(n * CG_STEPS) * (2 * stored + VECTOR_PASSES * engine.n_params)
    if isinstance(solver, CG) and operations > MAX_CG_OPERATIONS:
        raise UnsupportedError(
            f"self-influence needs a solve for each of {n} rows, by CG about {operations:.0e} "
            "operations: ask about fewer rows with on_params(rows) or leave_one_out(rows), "
            "reduce the columns, estimate with sketch=200, or pass solver=fi.solvers.CG() to have "
            "it done all the same"
        )


def self_influence(
    engine: Engine,
    prepared: Prepared,
    effect: Effect,
    sink: Sink[R],
    progress: Progress | None = None,
) -> R:
    """Every row's effect on its own loss, scale_i · ∇l_iᵀ H⁻¹ g_i, into the sink with t = 1."""
    scale, rows = Scale.of(effect, engine), of_blocks(engine)
    from_fold, root = prepared.apply(engine.fold[:, None]), inverse_root_of(prepared)
    none = engine.problem.backend.xp.zeros(1)
    if root is not None:
        sides = np.concatenate([root, from_fold], axis=1)
        numbers, own = sides.shape[1], partial(_along_root, rows, sides)
        return _stream(engine, own, none, scale, sink, "self-influence", numbers, progress=progress)

    def raw(part: Block) -> FloatArray:
        own: FloatArray = rows.block_gradients(part)
        solved = prepared.apply(contiguous(own.T))
        quadratic = np.einsum("ij,ji->i", own, solved)
        out: FloatArray = quadratic + own @ from_fold[:, 0]
        return out[None]

    p = engine.n_params
    return _stream(engine, raw, none, scale, sink, "self-influence", p, SIDES, progress)


def _along_root(rows: Any, sides: FloatArray, part: Block) -> FloatArray:
    """∇l_iᵀH⁻¹g_i of a block's rows, shape (1, b): ‖Rᵀ∇l_i‖², and the last side for the fold."""
    dots: FloatArray = rows.row_dot(part, sides)
    out: FloatArray = namespace(dots).empty((1, dots.shape[1]))
    backend_of(dots).kernels.scores.square_sums(dots[:-1], out[0])
    out[0] += dots[-1]
    return out


@dataclass(frozen=True)
class SketchedScores:
    """Estimated self-influence.

    Attributes
    ----------
    values : ndarray, shape (n,)
    std_error : ndarray, shape (n,)
        Standard error of each value: √(2/k) times the part that is estimated.
    """

    values: FloatArray
    std_error: FloatArray


def sketched_self_influence(
    operator: Curvature,
    engine: Engine,
    prepared: Prepared,
    effect: Effect,
    k: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> SketchedScores:
    """:func:`self_influence` from k solves instead of n; the penalty's term is not estimated."""
    scale = Scale.of(effect, engine)[:]
    n, done = engine.problem.n_rows, 0
    quadratic, along = (engine.problem.backend.xp.zeros(n) for _ in range(2))
    fold = prepared.apply(engine.fold[:, None])
    for draws in normal_draws(operator, prepared, k, seed):
        _add_squares(engine, np.concatenate([draws, fold], axis=1), quadratic, along)
        done += draws.shape[1]
        if progress is not None:
            progress("self-influence", done, k)
    quadratic /= k
    error = np.abs(scale) * quadratic * np.sqrt(2.0 / k)
    return SketchedScores(scale * (quadratic + along), error)


def _add_squares(engine: Engine, S: FloatArray, quadratic: FloatArray, along: FloatArray) -> None:
    """Add Σ_s (∇l_i·s)² over all columns but the last; set ``along`` to ∇l_i·(the last)."""

    def task(block: Block) -> int:
        for part in block.parts(S.shape[1]):
            dots = engine.row_dot(part, S)
            quadratic[part.rows] += np.square(dots[:-1]).sum(axis=0)
            along[part.rows] = dots[-1]
        return block.stop

    engine.problem.rows.map_reduce(task, lambda _, stop: stop, 1)
