"""The same problem with some rows replaced, and its exact optimum."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.fit import gradient_norm, minimize, reachable
from fastinfluence.problem import Problem, TestRows
from fastinfluence.rows.overlay import OverlayRows
from fastinfluence.solvers.base import Prepared
from fastinfluence.solvers.choose import choose
from fastinfluence.types import FloatArray, IntArray

MAX_CHORDS = 30
HALVING = 0.5
"""A step with the old curvature must shrink the gradient by this; otherwise Newton takes over."""
STEP_FACTOR = 100.0
"""The last step may be this many times ``tol``, relative to theta."""


def with_rows_replaced(problem: Problem, rows: IntArray, new: TestRows) -> Problem:
    """The problem whose distinct ``rows`` are ``new``; weights and offsets stay in their places.

    ``new`` holds encoded labels; where it has none the rows keep theirs.
    """
    y = problem.y
    if new.y is not None:
        y = problem.y.copy()
        y[rows] = new.y
    return replace(problem, rows=OverlayRows(problem.rows, rows, new.X), y=y)


@dataclass(frozen=True)
class Optimum:
    """Where a retraining ended: theta (p,), ‖∇R‖₂ in the spec's reduction, passes over the rows."""

    theta: FloatArray
    gradient_norm: float
    passes: int


class Retrainer:
    """Retrains problems that differ from one model's by few rows.

    Steps with that model's undamped curvature (chord-Newton): a solve and a pass over the rows
    each. Where they stop halving the gradient, Newton's method takes over.

    Parameters
    ----------
    engine : GLMEngine
        The model whose curvature serves; best at its optimum.
    """

    def __init__(self, engine: GLMEngine) -> None:
        self._engine = GLMEngine(engine.problem, engine.theta)
        self._solver: Prepared | None = None

    @property
    def _inverse(self) -> Prepared:
        if self._solver is None:
            operator = Curvature(self._engine)
            self._solver = choose(operator).solver.prepare(operator)
        return self._solver

    def optimum(self, problem: Problem, theta: FloatArray, tol: float) -> Optimum:
        """The optimum of ``problem`` from ``theta``: ‖∇R‖ ≤ tol and a short last step.

        Raises
        ------
        NoOptimumError
            If there is none.
        """
        engine = GLMEngine(problem, theta)
        norm, passes = gradient_norm(engine), 1
        for _ in range(MAX_CHORDS):
            step = self._inverse.apply(engine.gradient[:, None])[:, 0]
            if norm <= reachable(engine, tol) and self._short(engine, step, tol):
                return Optimum(engine.theta, norm, passes)
            trial = GLMEngine(problem, engine.theta - step)
            before, norm, passes = norm, gradient_norm(trial), passes + 1
            if not norm <= HALVING * before:
                break
            engine = trial
        best, status = minimize(problem, engine.theta, tol)
        return Optimum(best, status.gradient_norm, passes + status.iterations + 1)

    @staticmethod
    def _short(engine: GLMEngine, step: FloatArray, tol: float) -> bool:
        reach = 1.0 + float(np.abs(engine.theta).max())
        return float(np.abs(step).max()) <= STEP_FACTOR * tol * reach


def at_optimum(engine: GLMEngine, tol: float) -> GLMEngine:
    """The model at its optimum, with the true Hessian: where exact changes start from."""
    theta, _ = minimize(engine.problem, engine.theta, tol)
    return GLMEngine(engine.problem, theta)
