"""Residuals of a GLM that need nothing but its pointwise program."""

from __future__ import annotations

import math

import numpy as np

from fastinfluence.engines.glm import GLMEngine
from fastinfluence.errors import UnsupportedError
from fastinfluence.kernels.cpu import pointwise
from fastinfluence.types import FloatArray

FIXED_DISPERSION = frozenset(
    {"logistic", "probit", "cloglog", "binomial", "poisson", "negative_binomial"}
)
"""Losses whose variance function leaves no scale to estimate (negative binomial: alpha known)."""
BISECTIONS = 70
FAR = 800.0
"""Beyond this |f| every loss of this library has reached its limit in double precision."""


def row_outputs(engine: GLMEngine, f: FloatArray, *outputs: str) -> tuple[FloatArray, ...]:
    """Pointwise outputs at predictions f (n,) of the training rows."""
    loss = engine.problem.spec.loss
    return pointwise.evaluate(loss.program, loss.param_values, f, engine.problem.y, outputs)


def pearson_residuals(engine: GLMEngine) -> FloatArray:
    """√w (y − μ)/√V(μ), shape (n,).

    With l′ = −(y − μ)μ′/V and the expected l″ = μ′²/V this is |l′|/√E[l″] with the sign of
    y − μ, so no variance function is needed.

    Raises
    ------
    UnsupportedError
        If the loss has no mean function.
    """
    problem = engine.problem
    if "fisher" not in problem.spec.loss.program.outputs:
        raise UnsupportedError(
            f"the loss {problem.spec.loss.name} has no mean function, so Pearson residuals are "
            "not defined for it"
        )
    d1, fisher, slope = row_outputs(engine, engine.f, "d1", "fisher", "mean_d1")
    size = np.abs(d1) / np.sqrt(np.where(fisher > 0, fisher, 1.0))
    return np.asarray(-np.sign(d1) * np.sign(slope) * size * np.sqrt(problem.w))


def deviance_residuals(engine: GLMEngine) -> FloatArray:
    """sign(y − μ)·√(2 w (l(f, y) − min_f l(f, y))), shape (n,): squares sum to the deviance."""
    problem = engine.problem
    (value,) = row_outputs(engine, engine.f, "value")
    (floor,) = row_outputs(engine, saturated_predictions(engine), "value")
    outputs = problem.spec.loss.program.outputs
    slope = row_outputs(engine, engine.f, "mean_d1")[0] if "mean_d1" in outputs else 1.0
    size = np.sqrt(2 * problem.w * np.maximum(value - floor, 0.0))
    return np.asarray(-np.sign(engine.d1) * np.sign(slope) * size)


def saturated_predictions(engine: GLMEngine) -> FloatArray:
    """The prediction of smallest loss for each row's own label, by bisection on l′."""
    loss = engine.problem.spec.loss
    low, high = loss.f_domain
    with np.errstate(divide="ignore", invalid="ignore"):
        newton = engine.f - engine.d1 / engine.d2
    (left,) = row_outputs(engine, newton, "d1")
    if (np.abs(left) <= 1e-12 * np.abs(engine.d1)).all():
        return newton  # a parabola's lowest point is one step away
    y, place = np.unique(engine.problem.y, return_inverse=True)  # labels and counts repeat
    reach = max(FAR, 2 * float(np.abs(engine.f).max()), 2 * float(np.abs(y).max()))
    a, b = np.full(len(y), -reach), np.full(len(y), reach)
    for _ in range(BISECTIONS):
        middle = 0.5 * (a + b)
        f = _inside(middle, low, high)
        (d1,) = pointwise.evaluate(loss.program, loss.param_values, f, y, ("d1",))
        rising = d1 > 0
        b = np.where(rising, middle, b)
        a = np.where(rising, a, middle)
    return np.asarray(_inside(0.5 * (a + b), low, high)[place])


def _inside(u: FloatArray, low: float, high: float) -> FloatArray:
    """An increasing map of the real line onto the open interval."""
    if math.isinf(low) and math.isinf(high):
        return u
    u = np.clip(u, -700.0, 700.0)
    if math.isinf(high):
        return low + np.exp(u)
    if math.isinf(low):
        return high - np.exp(-u)
    return low + (high - low) / (1.0 + np.exp(-u))
