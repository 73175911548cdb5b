"""Removal where no p×p factor fits: every set by its own conjugate gradients.

H₋G is the Hessian of the same problem with the weights of G at zero, and is only ever multiplied
with. A step costs about a hundred passes over the stored numbers of X, for each set.
"""

from __future__ import annotations

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import linearize
from fastinfluence.errors import FastInfluenceError
from fastinfluence.fit import minimize
from fastinfluence.problem import Problem
from fastinfluence.progress import Progress
from fastinfluence.removal.chord import Retrained
from fastinfluence.removal.sets import RemovalSets
from fastinfluence.search import gradient_norm
from fastinfluence.solvers.cg import CG
from fastinfluence.streaming import without_weight
from fastinfluence.types import FloatArray


def leave_out_by_products(
    engine: Engine, sets: RemovalSets, method: str, tol: float, progress: Progress
) -> Retrained:
    """Parameters without each set by one Newton step or by retraining; NaN where CG fails."""
    k = len(sets)
    theta = np.full((k, engine.n_params), np.nan)
    norms, iterations = np.full(k, np.nan), np.zeros(k, dtype=np.intp)
    for j in range(k):
        reduced = without_weight(engine.problem, sets.members(j))
        try:
            if method == "newton":
                theta[j] = engine.theta - _newton_step(engine, reduced)
            else:
                theta[j], status = minimize(reduced, engine.theta, tol, CG())
                norms[j] = gradient_norm(linearize(reduced, theta[j]))
                iterations[j] = status.iterations
        except FastInfluenceError:  # no optimum without these rows: NaN, and the caller warns
            pass
        progress(f"leave-one-out ({method})", j + 1, k)
    return Retrained(theta, norms, iterations)


def _newton_step(engine: Engine, reduced: Problem) -> FloatArray:
    """H₋G⁻¹(∇R₋G − ∇R), shape (p,); ∇R in the units of the problem without G."""
    without = linearize(reduced, engine.theta, engine.curvature)
    unit = 1.0 if reduced.mean_form else engine.problem.W / reduced.W
    side = without.gradient - unit * engine.gradient
    return CG().prepare(Curvature(without)).apply(side[:, None])[:, 0]
