"""Where a fit starts: zeros, or a constant prediction inside the loss's domain."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse.linalg import LinearOperator, lsmr

from fastinfluence.errors import InputError, NoOptimumError
from fastinfluence.kernels.cpu import pointwise
from fastinfluence.problem import Problem
from fastinfluence.rows.features import Features
from fastinfluence.spec.mlp import MLP
from fastinfluence.spec.oracle import Oracle
from fastinfluence.streaming import sampled
from fastinfluence.types import FloatArray

DENSE_BYTES = 1 << 28
"""Largest X that is written out as a float64 array for a least-squares start."""
SAMPLE = 10_000
"""Rows of a streamed table, its first, that a start is found for; the others are checked later."""
SEARCH = 30.0
"""Half-width of the search for a constant, on the logarithmic (or logit) scale of its domain."""


def starting_point(problem: Problem, seed: int | None = None) -> FloatArray:
    """A theta, shape (p,), at which every row's linear predictor lies in the loss's domain.

    For an MLP weights drawn with the seed (0 by default), uniform with variance
    2/(fan_in + fan_out) (Glorot & Bengio 2010), and biases of zero.

    Raises
    ------
    NoOptimumError
        If none is found: without an intercept, or with offsets wider than the domain.
    """
    if isinstance(problem.spec, Oracle):
        raise InputError("an oracle has no starting point of its own: give theta=")
    if isinstance(problem.spec, MLP):
        return _network_start(problem, problem.spec, 0 if seed is None else seed)
    if seed is not None:
        raise InputError("seed draws the starting weights of an MLP: a GLM starts from zeros")
    low, high = problem.spec.loss.f_domain
    theta: FloatArray = np.zeros(problem.n_params)
    if math.isinf(low) and math.isinf(high):
        return theta
    problem = sampled(problem, SAMPLE)
    constant = _best_constant(problem, low, high)
    offset = np.zeros(problem.n_rows) if problem.offset is None else problem.offset
    if problem.spec.fit_intercept:
        theta[-1] = constant - offset.mean()
        f = theta[-1] + offset
    else:
        X = problem.rows.take(slice(None))
        theta = _least_squares(X, constant - offset)
        f = X.linear(theta) + offset
    if not ((f > low) & (f < high)).all():
        raise NoOptimumError(
            f"no starting point found: {problem.spec.loss.name} needs every linear predictor in "
            f"({low:g}, {high:g}). Pass theta= of a feasible model, add an intercept, or choose a "
            "link whose domain is the real line"
        )
    return theta


def _network_start(problem: Problem, spec: MLP, seed: int) -> FloatArray:
    rng, K = np.random.default_rng(seed), problem.n_outputs
    problem = sampled(problem, SAMPLE)
    low, high = spec.loss.f_domain
    parts: list[FloatArray] = []
    for a, b in spec.shapes(problem.rows.n_features, K):
        bound = np.sqrt(6.0 / (a + b))
        parts += [rng.uniform(-bound, bound, a * b), np.zeros(b)]
    if not (math.isinf(low) and math.isinf(high)):  # f constant, inside the loss's domain
        offset = np.zeros(1) if problem.offset is None else problem.offset
        parts[-1][:] = _best_constant(problem, low, high) - offset.mean()
        parts[-2][:] = 0.0
    return np.concatenate(parts)


def _least_squares(X: Features, target: FloatArray) -> FloatArray:
    """The shortest theta of the closest X·theta, shape (d,); X is written out where it is small."""
    shape = (len(X), X.n_features)
    if 8 * shape[0] * shape[1] <= DENSE_BYTES:
        return np.asarray(np.linalg.lstsq(X.toarray(), target, rcond=None)[0])
    operator = LinearOperator(
        shape, matvec=X.linear, rmatvec=lambda c: X.transposed(c, X.n_features), dtype=np.float64
    )
    return np.asarray(lsmr(operator, target, atol=1e-10, btol=1e-10)[0])


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
