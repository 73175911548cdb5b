"""Model-based standard errors as smooth functions of theta and of the sample weights.

se_j² = φ·(A⁻¹)_jj with A = W·H undamped, the penalty included and H the observed Hessian:

    A = Σ_i w_i l″_i x_i x_iᵀ + W·diag(l2)    (mean form; plain diag(l2) in sum form)

φ = 1 where the variance function leaves no scale to estimate (binomial, Poisson, negative
binomial with a known alpha), otherwise Pearson's χ²/(Σw − p).
"""

from __future__ import annotations

import numpy as np

from fastinfluence.engines.glm import GLMEngine
from fastinfluence.kernels.cpu import pointwise
from fastinfluence.quantity import Linearized, along_rows, sum_of_rows
from fastinfluence.residuals import FIXED_DISPERSION, row_outputs
from fastinfluence.solvers.factor import Factor
from fastinfluence.spec.loss import Loss
from fastinfluence.types import FloatArray

UNDETERMINED = 1e-8
"""A parameter with a larger share in the directions without curvature has no standard error."""


def fixed_dispersion(loss: Loss) -> bool:
    """Whether φ is 1 by the model; labels 0 and 1 have no variance but their mean's."""
    binary = loss.y_domain == frozenset({0.0, 1.0}) and loss.mean is not None
    return binary or loss.name in FIXED_DISPERSION


def inverse_diagonal(engine: GLMEngine, j: int) -> Linearized:
    """(A⁻¹)_jj, its derivative by theta (p,) and by each weight (n,).

    With v = A⁻¹e_j these are −Σ_i w_i l‴_i (x_iᵀv)² x_i and −l″_i (x_iᵀv)², and in mean form
    −Σ_k l2_k v_k² more for each weight, since W multiplies the penalty there. The value is
    NaN where the data do not determine parameter j.
    """
    problem = engine.problem
    d2, d3 = row_outputs(engine, engine.f, "d2", "d3")
    A = engine.weighted_gram(problem.w * d2)
    A[np.diag_indices_from(A)] += problem.W * problem.penalty
    factor = Factor(A)
    v = factor.solve(np.eye(len(A))[:, [j]])[:, 0]
    lost = np.linalg.norm(factor.null_space[j]) > UNDETERMINED
    value = float(v[j]) if v[j] > 0 and not lost else np.nan
    squares = along_rows(engine, v) ** 2
    direct = -d2 * squares
    if problem.mean_form:
        direct -= float(problem.l2 @ v**2)
    return Linearized(value, -sum_of_rows(engine, problem.w * d3 * squares), direct)


def dispersion(engine: GLMEngine) -> Linearized:
    """φ, its derivative by theta (p,) and by each weight (n,).

    Pearson's χ² is Σ w_i l′_i²/F_i with F the expected l″, so ∇χ² is
    Σ w_i (2 l′_i l″_i/F_i − l′_i² F′_i/F_i²) x_i, and the weights' part of φ is
    (l′_i²/F_i − φ)/(Σw − p). NaN where Σw ≤ p.
    """
    problem, loss = engine.problem, engine.problem.spec.loss
    if fixed_dispersion(loss):
        return Linearized(1.0, np.zeros(engine.n_params), np.zeros(problem.n_rows))
    d1, d2, fisher = row_outputs(engine, engine.f, "d1", "d2", "fisher")
    spare = spare_weight(engine)
    spare = spare if spare > 0 else np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = d1**2 / fisher
        slopes = 2 * d1 * d2 / fisher - squares * fisher_slope(engine) / fisher
    phi = float(problem.w @ squares) / spare
    return Linearized(phi, sum_of_rows(engine, problem.w * slopes) / spare, (squares - phi) / spare)


def spare_weight(engine: GLMEngine) -> float:
    """Residual degrees of freedom Σw − p."""
    return engine.problem.W - engine.n_params


def fisher_slope(engine: GLMEngine) -> FloatArray:
    """dF/df of F(f) = l″(f, y = μ(f)), shape (n,): l″ is linear in y where F has this form."""
    loss, f = engine.problem.spec.loss, engine.f
    mu, mu1 = row_outputs(engine, f, "mean", "mean_d1")

    def at(y: FloatArray, *outputs: str) -> tuple[FloatArray, ...]:
        return pointwise.evaluate(loss.program, loss.param_values, f, y, outputs)

    here, d3 = at(mu, "d2", "d3")
    step = 1.0 + np.abs(mu)
    (there,) = at(mu + step, "d2")
    return np.asarray(d3 + (there - here) / step * mu1)


def wald(engine: GLMEngine, j: int) -> Linearized:
    """|theta_j|/se_j, its derivative by theta (p,) and by each weight (n,)."""
    theta = float(engine.theta[j])
    c, phi = inverse_diagonal(engine, j), dispersion(engine)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(c.value * phi.value)
        z = abs(theta) / se
        gradient = -0.5 * z * (c.gradient / c.value + phi.gradient / phi.value)
        gradient[j] += np.sign(theta) / se
        by_c, by_phi = np.asarray(c.direct), np.asarray(phi.direct)
        return Linearized(float(z), gradient, -0.5 * z * (by_c / c.value + by_phi / phi.value))
