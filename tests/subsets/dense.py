"""Standard errors and derivatives by refits, slow and obviously right."""

from collections.abc import Callable

import numpy as np
import reference
from cases import CASES, FURTHER, Array, Built

SMOOTH = tuple(
    c
    for c in CASES + FURTHER
    if c.at_optimum and c.damping == 0 and c.loss not in ("huber", "squared_hinge")
)
"""Cases at an optimum that moves smoothly with weights and penalty."""
FAMILY = tuple(c for c in SMOOTH if reference.LOSSES[c.loss].fisher is not None)
UNIT_DISPERSION = ("logistic", "probit", "cloglog", "poisson", "negative_binomial", "binomial")


def standard_error(problem: reference.Problem, j: int) -> float:
    """sqrt(phi (A^-1)_jj) at the problem's theta, A the Hessian of the sum of the losses."""
    A = problem.objective_hessian(problem.theta)
    A = A * problem.total if problem.reduction == "mean" else A
    return float(np.sqrt(dispersion(problem) * np.linalg.inv(A)[j, j]))


def dispersion(problem: reference.Problem) -> float:
    """1, or Pearson's chi2 / (sum w - p)."""
    if problem.loss.split()[0] in UNIT_DISPERSION:
        return 1.0
    f = problem.raw(problem.theta)
    fisher = problem.pointwise.fisher
    assert fisher is not None
    squares = problem.pointwise.d1(problem.y, f) ** 2 / fisher(f)
    return float(problem.weights @ squares) / (problem.total - len(problem.theta))


def wald(problem: reference.Problem, j: int) -> float:
    """|theta_j| / se_j."""
    return abs(float(problem.theta[j])) / standard_error(problem, j)


def refitted(problem: reference.Problem) -> reference.Problem:
    """The problem at its optimum, from the theta it has."""
    return reference.replace(problem, theta=reference.refit(problem, problem.theta))


def reweighted(problem: reference.Problem, i: int, step: float) -> reference.Problem:
    """The problem with another weight of row i, at the same theta."""
    w = problem.weights.copy()
    w[i] += step
    return reference.replace(problem, weights=w)


def slope(f: Callable[[float], Array | float], h: float) -> Array:
    """df/dh at 0 by four points, error of order h^4."""
    near = np.asarray(f(h)) - np.asarray(f(-h))
    far = np.asarray(f(2 * h)) - np.asarray(f(-2 * h))
    return np.asarray((8 * near - far) / (12 * h))


def losses(b: Built, theta: Array) -> Array:
    """Test losses at a theta, (t,)."""
    f = b.problem.test_raw(theta, b.X_test, b.offset_test)
    return b.problem.pointwise.value(b.y_test, f)
