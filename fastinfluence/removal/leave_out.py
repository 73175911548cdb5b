"""Removal of rows or groups by the method asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.engines.linearize import linearize
from fastinfluence.engines.multinomial import MultinomialEngine
from fastinfluence.errors import FastInfluenceWarning, NoOptimumError
from fastinfluence.fit import minimize, reachable
from fastinfluence.inputs import listed
from fastinfluence.progress import Progress, silent
from fastinfluence.removal.active import warn_changed_sets
from fastinfluence.removal.by_classes import ClassLeaveOutInverse
from fastinfluence.removal.by_networks import (
    MOST_PARAMETERS,
    NETWORKS,
    NetworkLeaveOutInverse,
    batch_size,
)
from fastinfluence.removal.by_products import leave_out_by_products
from fastinfluence.removal.chord import Retrained, retrain
from fastinfluence.removal.removed import Removal
from fastinfluence.removal.sets import RemovalSets
from fastinfluence.removal.system import Inverse, LeaveOutInverse, ShiftedInverse, too_large
from fastinfluence.solvers.base import Prepared
from fastinfluence.streaming import reserve
from fastinfluence.types import FloatArray, IntArray

METHODS = ("influence", "newton", "exact", "refit")
BATCH_BYTES = 1 << 24
"""Bytes that one batch of removals may take for its linear predictors in a block of rows."""
GROUP_BYTES = 1 << 27
"""Bytes that the dense rows of one batch of groups, and their solutions, may take."""


def leave_out(
    engine: Engine,
    prepared: Prepared | None,
    sets: RemovalSets,
    method: str,
    tol: float = 1e-10,
    progress: Progress = silent,
) -> Removal:
    """Remove each set of rows by first order, one Newton step, or exact retraining.

    ``prepared`` (the damped curvature) serves ``"influence"`` only; the other methods use
    the undamped leave-out Hessians.
    """
    reserve(engine.problem, 16 * len(sets) * engine.n_params, f"{len(sets)} removals")
    sets.weight(engine.problem)
    if method == "influence" and prepared is not None:
        removal = _first_order(engine, prepared, sets)
        warn_changed_sets(engine, removal.theta, sets)
        return removal
    if method == "exact":
        engine = _at_optimum(engine, tol)
    if too_large(engine.n_params) or _large_network(engine):
        out = leave_out_by_products(engine, sets, method, tol, progress)
    else:
        shifted = ShiftedInverse(engine, sets.weight(engine.problem))
        if shifted.dropped:
            _warn(
                f"H is singular: {shifted.dropped} combination(s) of columns have no curvature "
                "(collinear columns?); the changes of smallest norm are used. Drop a column or "
                "add l2 > 0"
            )
        out = _by_factor(engine, shifted, sets, method, tol, progress)
    removal = Removal(
        theta=out.theta,
        theta_old=engine.theta,
        gradient_norms=out.gradient_norms,
        iterations=out.iterations,
        method=method,
        sets=sets,
        engine=engine,
    )
    _warn_undetermined(removal)
    _warn_loose(removal, tol)
    warn_changed_sets(engine, removal.theta, sets)
    return removal


def _large_network(engine: Engine) -> bool:
    return isinstance(engine, NETWORKS) and engine.n_params > MOST_PARAMETERS


def _by_factor(
    engine: Engine,
    shifted: ShiftedInverse,
    sets: RemovalSets,
    method: str,
    tol: float,
    progress: Progress,
) -> Retrained:
    parts = []
    for start, stop in _batches(engine, sets):
        parts.append(_batch(engine, shifted, sets.part(start, stop), method, tol))
        progress(f"leave-one-out ({method})", stop, len(sets))
    return Retrained(
        theta=np.concatenate([part.theta for part in parts]),
        gradient_norms=np.concatenate([part.gradient_norms for part in parts]),
        iterations=np.concatenate([part.iterations for part in parts]),
    )


def _first_order(engine: Engine, prepared: Prepared, sets: RemovalSets) -> Removal:
    problem, k = engine.problem, len(sets)
    share = problem.w[sets.rows] / problem.W
    weighted = engine.grouped_gradients(sets.rows, sets.owner, k, share)
    weighted += sets.sum(share)[:, None] * engine.fold
    return Removal(
        theta=engine.theta + prepared.apply(np.ascontiguousarray(weighted.T)).T,
        theta_old=engine.theta,
        gradient_norms=np.full(k, np.nan),
        iterations=np.zeros(k, dtype=np.intp),
        method="influence",
        sets=sets,
        engine=engine,
    )


def _at_optimum(engine: Engine, tol: float) -> Engine:
    """Where exact removals start from: the optimum, of the true Hessian's engine."""
    theta, status = minimize(engine.problem, engine.theta, tol)
    best = linearize(engine.problem, theta)
    if not status.stationary:
        raise NoOptimumError(
            f"exact removal starts from an optimum, and the fit ended {status.message}: use "
            'method="newton", whose common drift cancels, or smooth the activation and add l2'
        )
    if status.gradient_norm > reachable(best, tol):
        _warn(
            f"exact removal starts from ‖∇R‖ = {status.gradient_norm:.1e} > {tol:.1e}, the "
            "smallest that rounding allows: centre and scale the columns of X for more digits"
        )
    return best


def _batch(
    engine: Engine, shifted: ShiftedInverse, sets: RemovalSets, method: str, tol: float
) -> Retrained:
    inverse: Inverse
    if isinstance(engine, GLMEngine):
        inverse = LeaveOutInverse(engine, shifted, sets)
        steps = newton_steps(engine, inverse, sets)
    else:
        if isinstance(engine, NETWORKS):
            inverse = NetworkLeaveOutInverse(engine, shifted, sets)
        else:
            assert isinstance(engine, MultinomialEngine)
            inverse = ClassLeaveOutInverse(engine, shifted, sets)
        steps = inverse.solve(newton_sides(engine, sets), np.ones(len(sets), dtype=bool))
    start = engine.theta[:, None] + steps
    start[:, inverse.singular] = np.nan
    if method == "newton":
        k = len(sets)
        return Retrained(start.T, np.full(k, np.nan), np.zeros(k, dtype=np.intp))
    penalty = shifted.penalty(inverse.removed)
    return retrain(engine, inverse, sets, start, penalty, tol)


def newton_sides(engine: Engine, sets: RemovalSets) -> FloatArray:
    """−(∇R_G − ∇R) at theta, times the weight that remains (or 1), shape (p, k)."""
    weights = engine.problem.w[sets.rows]
    sides = engine.grouped_gradients(sets.rows, sets.owner, len(sets), weights)
    sides += np.multiply.outer(sets.sum(weights), drift(engine))
    return np.ascontiguousarray(sides.T)


def newton_steps(
    engine: GLMEngine,
    inverse: LeaveOutInverse,
    sets: RemovalSets,
    common: FloatArray | None = None,
) -> FloatArray:
    """−H_G⁻¹(∇R_G − ∇R) at theta, shape (p, k): the common drift ∇R(theta) ≠ 0 cancels.

    ``engine`` may hold some rows only: ``common`` is then the drift of the whole.
    """
    slopes = engine.problem.w[sets.rows] * engine.d1[sets.rows]
    return inverse.steps(slopes, drift(engine) if common is None else common)


def drift(engine: Engine) -> FloatArray:
    """What each unit of removed weight adds to the gradient beside its row's, shape (p,)."""
    return engine.fold - (engine.gradient if engine.problem.mean_form else 0.0)


def _batches(engine: Engine, sets: RemovalSets) -> Iterator[tuple[int, int]]:
    """First and last set of each batch."""
    k, size, p = len(sets), _batch_size(engine), engine.n_params
    wide = 1 if sets.singles else engine.problem.n_outputs  # singles: counted in the size
    dense_rows = np.cumsum(np.minimum(sets.sizes * wide, p))
    limit = size if sets.singles else GROUP_BYTES // (16 * p)
    start, before = 0, 0
    while start < k:
        fits = int(np.searchsorted(dense_rows, before + limit, side="right"))
        stop = min(max(fits, start + 1), start + size)
        yield start, stop
        start, before = stop, int(dense_rows[stop - 1])


def _batch_size(engine: Engine) -> int:
    if isinstance(engine, NETWORKS):
        return batch_size(engine.n_params)
    problem, K = engine.problem, engine.problem.n_outputs
    block = getattr(problem.rows, "block_rows", problem.n_rows)
    rows = (min(block, problem.n_rows) + engine.n_params) * K
    return int(np.clip(BATCH_BYTES // (8 * rows), 16, 2048))


def _warn(message: str) -> None:
    warnings.warn(message, FastInfluenceWarning, stacklevel=5)


def _named(removal: Removal, which: IntArray) -> str:
    """The rows or groups of some removals, for a message."""
    sets = removal.sets
    what = "row" if sets.singles else "group"
    return f"{what} {listed([str(sets.rows[j] if sets.singles else j) for j in which])}"


def _warn_undetermined(removal: Removal) -> None:
    bad = np.flatnonzero(np.isnan(removal.theta).any(axis=1))
    if len(bad):
        _warn(
            f"without {_named(removal, bad)} the objective has no unique finite optimum "
            "(leverage 1, or separable): those entries are NaN; add l2 > 0"
        )


def _warn_loose(removal: Removal, tol: float) -> None:
    loose = np.flatnonzero(removal.gradient_norms > reachable(removal.engine, tol))
    if len(loose):
        _warn(
            f"without {_named(removal, loose)} the exact optimum was reached to ‖∇R‖ = "
            f"{removal.gradient_norms[loose].max():.1e} only, where rounding stopped it: centre "
            "and scale the columns of X for more digits"
        )


__all__ = ["METHODS", "Removal", "leave_out"]
