"""Whether the active set of an l1 penalty survives a removal."""

from __future__ import annotations

import warnings

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.errors import FastInfluenceWarning
from fastinfluence.inputs import listed
from fastinfluence.kernels.cpu import pointwise
from fastinfluence.problem import Problem
from fastinfluence.removal.sets import RemovalSets
from fastinfluence.rows.base import Block, Rows
from fastinfluence.types import BoolArray, FloatArray, IntArray

SLACK = 1e-6
"""Relative excess over its l1 that the gradient of an absent column may have by rounding."""
BATCH = 256


def warn_changed_sets(engine: Engine, Theta: FloatArray, sets: RemovalSets) -> None:
    """Warn of removals after which the estimator would choose other columns; Theta (k, p)."""
    active = engine.problem.active
    if active is None:
        return
    changed = changed_sets(engine.problem, Theta, sets)
    bad = np.flatnonzero(changed)
    if len(bad):
        what = "row" if sets.singles else "group"
        names = [str(sets.rows[j] if sets.singles else j) for j in bad]
        _warn(f"without {what} {listed(names)} (of {len(sets)} removals)")


def warn_if_changed(problem: Problem, theta: FloatArray) -> None:
    """Warn if theta (p,), an optimum on the active columns, is not the estimator's."""
    nothing = RemovalSets(np.zeros(0, dtype=np.intp), np.zeros(2, dtype=np.intp))
    if problem.active is not None and changed_sets(problem, theta[None], nothing)[0]:
        _warn("at this optimum")


def _warn(when: str) -> None:
    warnings.warn(
        f"{when} the l1 penalty would choose other columns: a coefficient changes sign or another "
        "leaves zero. Results hold the active set fixed, so there they are not the estimator's own",
        FastInfluenceWarning,
        stacklevel=6,
    )


def changed_sets(problem: Problem, Theta: FloatArray, sets: RemovalSets) -> BoolArray:
    """Whether each row of Theta (k, p), without set j, breaks the active set, shape (k,)."""
    active = problem.active
    if active is None:
        return np.zeros(len(Theta), dtype=bool)
    signs = np.sign(active.linear)
    out: BoolArray = np.asarray(((Theta * signs <= 0) & (signs != 0)).any(axis=1))
    others = active.others
    if others is None:
        return out
    for start in range(0, len(Theta), BATCH):
        at = slice(start, start + BATCH)
        part = sets.part(at.start, at.stop) if len(sets.rows) else sets
        slopes = _other_gradients(problem, others, np.ascontiguousarray(Theta[at]), part)
        out[at] |= (np.abs(slopes) > (1 + SLACK) * active.limit).any(axis=1)
    return out


def _other_gradients(
    problem: Problem, others: Rows, Theta: FloatArray, sets: RemovalSets
) -> FloatArray:
    """∂R_G/∂theta_j of the absent columns at each row of Theta (k, p), shape (k, m)."""
    rows, m = sets.rows, others.n_features

    def task(block: Block) -> FloatArray:
        slopes = _slopes(problem, block.X.linear(Theta.T), block.rows)
        return others.take(block.rows).transposed(slopes, m)

    out: FloatArray = problem.rows.map_reduce(task, np.add, 1).T
    if not len(rows):
        return out / problem.W if problem.mean_form else out
    f = problem.rows.take(rows).paired(Theta, sets.owner)
    own = _slopes(problem, f[:, None], rows)[:, 0]
    out = out - others.take(rows).grouped(own, sets.owner, len(sets), m)
    removed = sets.sum(problem.w[rows])
    return out / (problem.W - removed)[:, None] if problem.mean_form else out


def _slopes(problem: Problem, F: FloatArray, rows: IntArray | slice) -> FloatArray:
    """w_i·l′_i at predictions F (b, k) before the offset."""
    loss = problem.spec.loss
    if problem.offset is not None:
        F = F + problem.offset[rows, None]
    (d1,) = pointwise.evaluate(loss.program, loss.param_values, F, problem.y[rows], ("d1",))
    return np.asarray(d1 * problem.w[rows, None])
