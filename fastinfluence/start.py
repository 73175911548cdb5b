"""Where a fit starts: zeros, or a constant prediction inside the loss's domain."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar

from fastinfluence.errors import NoOptimumError
from fastinfluence.kernels.cpu import pointwise
from fastinfluence.problem import Problem
from fastinfluence.types import FloatArray

SEARCH = 30.0
"""Half-width of the search for a constant, on the logarithmic (or logit) scale of its domain."""


def starting_point(problem: Problem) -> FloatArray:
    """A theta, shape (p,), at which every row's linear predictor lies in the loss's domain.

    Raises
    ------
    NoOptimumError
        If none is found: without an intercept, or with offsets wider than the domain.
    """
    low, high = problem.spec.loss.f_domain
    theta = np.zeros(problem.n_params)
    if math.isinf(low) and math.isinf(high):
        return theta
    constant = _best_constant(problem, low, high)
    offset = np.zeros(problem.n_rows) if problem.offset is None else problem.offset
    if problem.spec.fit_intercept:
        theta[-1] = constant - offset.mean()
        f = theta[-1] + offset
    else:
        X = problem.rows.take(np.arange(problem.n_rows))
        theta = np.linalg.lstsq(X, constant - offset, rcond=None)[0]
        f = X @ theta + offset
    if not ((f > low) & (f < high)).all():
        raise NoOptimumError(
            f"no starting point found: {problem.spec.loss.name} needs every linear predictor in "
            f"({low:g}, {high:g}). Pass theta= of a feasible model, add an intercept, or choose a "
            "link whose domain is the real line"
        )
    return theta


def _best_constant(problem: Problem, low: float, high: float) -> float:
    """The constant prediction of smallest loss, searched on an unbounded scale of its domain."""
    loss = problem.spec.loss

    def prediction(u: float) -> float:
        if math.isinf(high):
            return low + math.exp(u)
        if math.isinf(low):
            return high - math.exp(u)
        return low + (high - low) / (1.0 + math.exp(-u))

    def objective(u: float) -> float:
        f = np.full(problem.n_rows, prediction(u))
        (value,) = pointwise.evaluate(loss.program, loss.param_values, f, problem.y, ("value",))
        total = float(problem.w @ value)
        return total if math.isfinite(total) else math.inf

    found = minimize_scalar(objective, bounds=(-SEARCH, SEARCH), method="bounded")
    return prediction(float(found.x))
