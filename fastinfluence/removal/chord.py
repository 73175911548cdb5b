"""Exact retraining without the removed rows, many removals at a time.

Each removal is a chord-Newton iteration θ ← θ − M_G⁻¹ ∇R_G(θ) with its own corrected factor
(DESIGN: the factor of the full problem, shifted and corrected for the rows that left). The
gradients of a whole batch of removals are two matrix products per block of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import linearize
from fastinfluence.errors import FastInfluenceError
from fastinfluence.fit import minimize
from fastinfluence.problem import Problem
from fastinfluence.removal.sets import RemovalSets
from fastinfluence.removal.system import Inverse
from fastinfluence.search import gradient_norm
from fastinfluence.streaming import without_weight
from fastinfluence.types import BoolArray, FloatArray, IntArray

MAX_CHORDS = 30
STEP_FACTOR = 100.0
"""A small gradient is not enough where H is small too: the next step must be short as well, at
most this many times ``tol`` relative to theta."""
FAR = 10.0
"""A chord that ends so many times farther away than theta is long is not trusted: a loss that is
not convex can be flat out there. Full Newton, with its line search and its tests, takes over."""
PATIENCE = 2
"""Chords in a row that may halve neither the gradient nor what R still falls by, before full Newton
takes over."""


@dataclass(frozen=True)
class Retrained:
    """Optima without each set: theta (k, p), ‖∇R_G‖₂ and passes used, each (k,)."""

    theta: FloatArray
    gradient_norms: FloatArray
    iterations: IntArray


def leave_out_gradients(
    engine: Engine, Theta: FloatArray, sets: RemovalSets, penalty: FloatArray
) -> FloatArray:
    """∇R_G at column j of Theta (p, k) without set j, times the weight that remains (or 1)."""
    problem = engine.problem
    own = engine.set_gradients(Theta, sets.rows, sets.owner, problem.w[sets.rows])
    out: FloatArray = engine.total_gradients(Theta) - own.T + penalty * Theta
    if problem.active is not None:
        out += np.multiply.outer(problem.active.linear, _unit(problem, sets.weight(problem)))
    return out


def _unit(problem: Problem, removed: FloatArray) -> FloatArray:
    """What divides the sums of the reduced objectives: the weight that stays, or 1."""
    return problem.W - removed if problem.mean_form else np.ones(len(removed))


def retrain(
    engine: Engine,
    inverse: Inverse,
    sets: RemovalSets,
    start: FloatArray,
    penalty: FloatArray,
    tol: float,
) -> Retrained:
    """Optimum without each set, from ``start`` (p, k), each to ‖∇R_G‖ ≤ tol."""
    problem = engine.problem
    unit = _unit(problem, inverse.removed)
    Theta = start.copy()
    norms = np.full(len(sets), np.nan)
    iterations = np.zeros(len(sets), dtype=np.intp)
    failures = np.zeros(len(sets), dtype=np.intp)
    falls = np.full(len(sets), np.inf)
    fall_limit = (STEP_FACTOR * tol) ** 2 * abs(engine.objective)
    active: BoolArray = ~inverse.singular & np.isfinite(start).all(axis=0)
    stuck: BoolArray = np.zeros(len(sets), dtype=bool)
    for _ in range(MAX_CHORDS):
        if not active.any():
            break
        subset = sets.pick(active)
        with np.errstate(over="ignore", invalid="ignore"):
            U = leave_out_gradients(engine, Theta[:, active], subset, penalty[:, active])
            now = np.linalg.norm(U, axis=0) / unit[active]
        step = inverse.solve(U, active)
        fall = np.einsum("ij,ij->j", step, U) / unit[active]
        falling = fall < 0.5 * falls[active]
        better = (now < 0.5 * norms[active]) | falling
        failures[active] = np.where(better, 0, failures[active] + 1)
        norms[active], falls[active] = now, fall
        at = np.flatnonzero(active)
        stuck[at] = ((failures[at] >= PATIENCE) | ~np.isfinite(now)) & ~(now <= tol)
        reach = 1.0 + np.abs(Theta[:, active]).max(axis=0)
        done = (now <= tol) & (np.abs(step).max(axis=0) <= STEP_FACTOR * tol * reach)
        done &= (fall <= fall_limit) | ~falling  # where it falls no more, rounding hides the rest
        going = ~done & ~stuck[at]
        active[at[~going]] = False
        iterations[active] += 1
        Theta[:, active] -= step[:, going]
    old = engine.theta[:, None]
    with np.errstate(invalid="ignore"):
        far = np.abs(Theta - old).max(axis=0) > FAR * (1.0 + np.abs(old).max())
    for j in np.flatnonzero(stuck | active | (far & ~inverse.singular)):
        theta, norm, extra = _refit(engine, sets.members(int(j)), tol)
        iterations[j] += extra
        if far[j] or not norms[j] <= norm:  # where rounding stops both, the better one
            Theta[:, j], norms[j] = theta, norm
    Theta[:, inverse.singular] = np.nan
    return Retrained(Theta.T, norms, iterations)


def _refit(engine: Engine, rows: IntArray, tol: float) -> tuple[FloatArray, float, int]:
    """Full Newton from the optimum of all rows, for removals too large for a chord."""
    reduced = without_weight(engine.problem, rows)
    try:
        theta, status = minimize(reduced, engine.theta, tol)
    except FastInfluenceError:  # no optimum without these rows: NaN, and the caller is warned
        return np.full_like(engine.theta, np.nan), np.nan, 0
    return theta, gradient_norm(linearize(reduced, theta)), status.iterations
