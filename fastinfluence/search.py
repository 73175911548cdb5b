"""Along a step: where the objective falls, also where rounding hides by how much."""

from __future__ import annotations

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.errors import LossError
from fastinfluence.types import FloatArray

MAX_HALVINGS = 40
EPS = float(np.finfo(np.float64).eps)


def gradient_norm(engine: Engine) -> float:
    """‖∇R‖₂ in the spec's own reduction."""
    unit = 1.0 if engine.problem.mean_form else engine.problem.W
    with np.errstate(over="ignore"):
        return float(np.linalg.norm(engine.gradient)) * unit


def rounding(engine: Engine) -> float:
    """What rounding may hide of a change of the objective."""
    unit = 1.0 if engine.problem.mean_form else engine.problem.W
    # The errors of f move the objective too, by what the gradient's sum cancels from.
    terms = float(engine.gradient_scale @ np.abs(engine.theta))
    return 8 * EPS * max(abs(engine.objective), terms * unit)


def line_search(engine: Engine, step: FloatArray) -> Engine | None:
    """The first of theta − step·2⁻ᵏ that lowers the objective, or None where rounding decides."""
    slope = float(step @ engine.gradient)
    unit = 1.0 if engine.problem.mean_form else engine.problem.W
    noise = max(rounding(engine), 8 * EPS * abs(slope) * unit)
    length = 1.0
    for _ in range(MAX_HALVINGS):
        trial = attempt(engine, engine.theta - length * step)
        if trial is not None:
            fall = engine.objective - trial.objective
            if fall >= 1e-4 * length * slope * unit and fall > noise:
                return trial
            if abs(fall) <= noise and gradient_norm(trial) < 0.9 * gradient_norm(engine):
                return trial
        length /= 2
        if length * float(np.abs(step).max()) <= EPS * float(np.abs(engine.theta).max()):
            return None
    return None


def attempt(engine: Engine, theta: FloatArray) -> Engine | None:
    """The engine at theta, or None where theta leaves the loss's domain or overflows."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            trial = engine.at(theta)
    except LossError:
        return None
    return trial if np.isfinite(trial.objective) else None
