"""The same problem with some rows replaced, and its exact optimum."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import linearize
from fastinfluence.fit import minimize, reachable
from fastinfluence.problem import Problem, TestRows
from fastinfluence.rows.overlay import OverlayRows
from fastinfluence.search import gradient_norm
from fastinfluence.solvers.base import Prepared
from fastinfluence.solvers.carried import chosen, prepare
from fastinfluence.streaming import stream_of, with_replaced
from fastinfluence.types import FloatArray, IntArray

MAX_STEPS = 25
"""Preconditioned steps after which a curvature is too far from the factorised one."""
MAX_NEWTON = 30
INEXACT = 1e-3
"""Relative residual of each Newton step's system."""
HALVING = 0.5
"""A Newton step must shrink the gradient by this."""
STEP_FACTOR = 100.0
"""The last step of a retraining may be this many times ``tol``, relative to theta."""


def with_rows_replaced(problem: Problem, rows: IntArray, new: TestRows) -> Problem:
    """The problem whose distinct ``rows`` are ``new``; weights and offsets stay in their places.

    ``new`` holds encoded labels; where it has none the rows keep theirs.
    """
    if stream_of(problem) is not None:
        return with_replaced(problem, rows, new.X, new.y)
    y = problem.y
    if new.y is not None:
        y = problem.y.copy()
        y[rows] = new.y
    return replace(problem, rows=OverlayRows(problem.rows, rows, new.X), y=y)


@dataclass(frozen=True)
class Optimum:
    """Where a retraining ended: theta (p,), ‖∇R‖₂ in the spec's reduction, Newton steps taken."""

    theta: FloatArray
    gradient_norm: float
    steps: int


class NearbyInverse:
    """Solves with the curvature of models that differ by few rows from one that is factorised.

    The factor of that one preconditions conjugate gradients on the other: a few steps each.

    Parameters
    ----------
    engine : Engine
    damping : float, default 0.0
    """

    def __init__(self, engine: Engine, damping: float = 0.0) -> None:
        self._damping = damping
        self._follow(engine)

    def _follow(self, engine: Engine) -> None:
        self._engine = engine
        self._prepared: Prepared | None = None

    def _apply(self, b: FloatArray) -> FloatArray:
        if self._prepared is None:
            operator = Curvature(self._engine, self._damping)
            self._prepared = prepare(chosen(operator).solver, operator)
        return self._prepared.apply(b[:, None])[:, 0]

    def solve(self, engine: Engine, b: FloatArray, rtol: float) -> FloatArray:
        """H⁻¹b (p,) of ``engine``'s H; where it is too far from the factor, it is factorised."""
        found = self._by_steps(Curvature(engine, self._damping), b, rtol)
        if found is not None:
            return found
        self._follow(engine)
        return self._apply(b)

    def _by_steps(self, operator: Curvature, b: FloatArray, rtol: float) -> FloatArray | None:
        goal = rtol * float(np.linalg.norm(b))
        x, left = np.zeros_like(b), b
        direction, slope = np.zeros_like(b), 1.0
        for _ in range(MAX_STEPS):
            if float(np.linalg.norm(left)) <= goal:
                return x
            z = self._apply(left)
            before, slope = slope, float(left @ z)
            direction = z + (slope / before) * direction
            bent = operator.matvec(direction)
            bend = float(direction @ bent)
            if not (bend > 0 and slope > 0):
                return None
            x = x + (slope / bend) * direction
            left = left - (slope / bend) * bent
        return None


class Retrainer:
    """Retrains problems that differ from one model's by few rows, by Newton's method.

    Its steps come from :class:`NearbyInverse`. Where they stop halving the gradient, the
    guarded method of :func:`fastinfluence.fit.minimize` takes over.

    Parameters
    ----------
    engine : Engine
        The model that is factorised; best at its optimum.
    """

    def __init__(self, engine: Engine) -> None:
        self._inverse = NearbyInverse(linearize(engine.problem, engine.theta))

    def optimum(self, problem: Problem, theta: FloatArray, tol: float) -> Optimum:
        """The optimum of ``problem`` from ``theta``: ‖∇R‖ ≤ tol and a short last step.

        Raises
        ------
        NoOptimumError
            If there is none.
        """
        engine = linearize(problem, theta)
        norm, steps = gradient_norm(engine), 0
        for steps in range(MAX_NEWTON):
            step = self._inverse.solve(engine, engine.gradient, INEXACT)
            if norm <= reachable(engine, tol) and _short(engine, step, tol):
                return Optimum(engine.theta, norm, steps)
            trial = linearize(problem, engine.theta - step)
            before, norm = norm, gradient_norm(trial)
            if not norm <= HALVING * before:
                break
            engine = trial
        best, status = minimize(problem, engine.theta, tol)
        return Optimum(best, status.gradient_norm, steps + 1 + status.iterations)


def _short(engine: Engine, step: FloatArray, tol: float) -> bool:
    reach = 1.0 + float(np.abs(engine.theta).max())
    return float(np.abs(step).max()) <= STEP_FACTOR * tol * reach


def at_optimum(engine: Engine, tol: float) -> Engine:
    """The model at its optimum, with the true Hessian: where exact changes start from."""
    theta, _ = minimize(engine.problem, engine.theta, tol)
    return linearize(engine.problem, theta)
