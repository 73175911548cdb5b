"""From solutions s = H⁻¹∇f to scores of all rows, block by block into a sink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from fastinfluence.engines.glm import GLMEngine
from fastinfluence.errors import InputError
from fastinfluence.progress import Progress
from fastinfluence.rows.base import Block
from fastinfluence.sinks import Sink
from fastinfluence.solvers.base import Prepared
from fastinfluence.types import Effect, FloatArray

R = TypeVar("R")
EFFECTS = ("removal", "upweight")


@dataclass(frozen=True)
class Scale:
    """What turns s·g_i into the effect asked for.

    ``removal``: w_i / W, the predicted change when row i is removed. ``upweight``: −1, the
    derivative with respect to an extra weight ε·W on row i (Koh & Liang, eq. 1 and 2).
    """

    factors: FloatArray

    @classmethod
    def of(cls, effect: Effect, engine: GLMEngine) -> Scale:
        """The scale of every row, or InputError for an unknown effect."""
        if effect not in EFFECTS:
            raise InputError(f'effect={effect!r} is unknown: use "removal" or "upweight"')
        problem = engine.problem
        return cls(problem.w / problem.W if effect == "removal" else -np.ones(problem.n_rows))


def stream_scores(
    engine: GLMEngine,
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
    scale = Scale.of(effect, engine).factors
    constant = (S.T @ engine.fold)[:, None]
    n = engine.problem.n_rows
    collector = sink.open(S.shape[1], n, 1.0 if effect == "removal" else -1.0)

    def task(block: Block) -> int:
        scores = engine.row_dot(block, S)
        scores += constant
        if direct is not None:
            scores -= engine.problem.W * direct[:, block.rows]
        scores *= scale[block.rows]
        collector.add(block.start, scores)
        if progress is not None:
            progress("scoring", block.stop, n)
        return block.stop

    engine.problem.rows.map_reduce(task, lambda _, stop: stop, 1)
    return collector.result()


def self_influence(
    engine: GLMEngine, prepared: Prepared, effect: Effect, progress: Progress | None = None
) -> FloatArray:
    """Every row's effect on its own loss: scale_i · ∇l_iᵀ H⁻¹ g_i, shape (n,)."""
    scale = Scale.of(effect, engine).factors
    n, out = engine.problem.n_rows, np.empty(engine.problem.n_rows)
    from_fold = prepared.apply(engine.fold[:, None])[:, 0]

    def task(block: Block) -> int:
        for at in _pieces(block, engine.n_params):
            design = engine.design(block.X[at.start - block.start : at.stop - block.start])
            solved = prepared.apply(np.ascontiguousarray(design.T))
            quadratic = np.einsum("ij,ji->i", design, solved)
            d1 = engine.d1[at]
            out[at] = scale[at] * d1 * (d1 * quadratic + design @ from_fold)
        if progress is not None:
            progress("self-influence", block.stop, n)
        return block.stop

    engine.problem.rows.map_reduce(task, lambda _, stop: stop, 1)
    return out


def _pieces(block: Block, p: int, budget: int = 1 << 23) -> list[slice]:
    """Parts of a block small enough that p numbers per row fit the budget in bytes."""
    step = max(1, budget // (8 * p))
    starts = range(block.start, block.stop, step)
    return [slice(a, min(a + step, block.stop)) for a in starts]
