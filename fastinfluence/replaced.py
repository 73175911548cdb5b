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
"""A step with the old curvature must shrink what is left by this; otherwise it is made anew."""
STEP_FACTOR = 100.0
"""The last step of a retraining may be this many times ``tol``, relative to theta."""


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


class Chord:
    """The inverse curvature of one model, for models that differ from it by few rows.

    Parameters
    ----------
    engine : GLMEngine
    damping : float, default 0.0
    """

    def __init__(self, engine: GLMEngine, damping: float = 0.0) -> None:
        self._damping = damping
        self.follow(engine)

    def follow(self, engine: GLMEngine) -> None:
        """Take another model's curvature from here on."""
        self._engine = engine
        self._prepared: Prepared | None = None

    def apply(self, B: FloatArray) -> FloatArray:
        """H⁻¹B with the curvature it has, shape (p, t)."""
        if self._prepared is None:
            operator = Curvature(self._engine, self._damping)
            self._prepared = choose(operator).solver.prepare(operator)
        return self._prepared.apply(B)

    def solve(self, engine: GLMEngine, B: FloatArray, rtol: float = 1e-8) -> FloatArray:
        """H⁻¹B with ``engine``'s curvature, by refinement; where that is slow, follow it."""
        operator = Curvature(engine, self._damping)
        goal = rtol * float(np.linalg.norm(B))
        x = self.apply(B)
        left, size = B, float(np.linalg.norm(B))
        for _ in range(MAX_CHORDS):
            left = B - operator.matmat(x)
            before, size = size, float(np.linalg.norm(left))
            if size <= goal:
                return x
            if not size <= HALVING * before:
                break
            x = x + self.apply(left)
        self.follow(engine)
        return self.apply(B)


class Retrainer:
    """Retrains problems that differ from one model's by few rows (chord-Newton).

    Each step is a solve with that model's undamped curvature and a pass over the rows. Where
    they stop halving the gradient, Newton's method takes over.

    Parameters
    ----------
    engine : GLMEngine
        The model whose curvature serves; best at its optimum.
    follow : bool, default False
        Whether the curvature moves along when Newton's method had to take over.
    """

    def __init__(self, engine: GLMEngine, follow: bool = False) -> None:
        self._follow = follow
        self._chord = Chord(GLMEngine(engine.problem, engine.theta))

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
            step = self._chord.apply(engine.gradient[:, None])[:, 0]
            if norm <= reachable(engine, tol) and _short(engine, step, tol):
                return Optimum(engine.theta, norm, passes)
            trial = GLMEngine(problem, engine.theta - step)
            before, norm, passes = norm, gradient_norm(trial), passes + 1
            if not norm <= HALVING * before:
                break
            engine = trial
        return self._by_newton(problem, engine.theta, tol, passes)

    def _by_newton(self, problem: Problem, theta: FloatArray, tol: float, passes: int) -> Optimum:
        best, status = minimize(problem, theta, tol)
        if self._follow:
            self._chord.follow(GLMEngine(problem, best))
        return Optimum(best, status.gradient_norm, passes + status.iterations + 1)


def _short(engine: GLMEngine, step: FloatArray, tol: float) -> bool:
    reach = 1.0 + float(np.abs(engine.theta).max())
    return float(np.abs(step).max()) <= STEP_FACTOR * tol * reach


def at_optimum(engine: GLMEngine, tol: float) -> GLMEngine:
    """The model at its optimum, with the true Hessian: where exact changes start from."""
    theta, _ = minimize(engine.problem, engine.theta, tol)
    return GLMEngine(engine.problem, theta)
