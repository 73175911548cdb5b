"""The reference against itself: finite differences, and retraining seen another way."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from cases import CASES, FURTHER, Case, assert_close, build, named
from reference_losses import LOSSES

ALL = CASES + FURTHER


def central(function, x, h):
    """Return the fourth-order central difference of a function."""
    return (
        8 * (function(x + h) - function(x - h)) - (function(x + 2 * h) - function(x - 2 * h))
    ) / (12 * h)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_derivatives(name):
    loss, rng = LOSSES[name], np.random.default_rng(1)
    f = loss.center + loss.spread * rng.uniform(-1.7, 1.7, size=200)
    y = loss.draw(rng, f)
    kink = {"huber": np.abs(np.abs(f - y) - 1.0), "squared_hinge": np.abs(1 - y * f)}.get(name)
    if kink is not None:
        f, y = f[kink > 0.01], y[kink > 0.01]
    np.testing.assert_allclose(
        loss.d1(y, f), central(lambda u: loss.value(y, u), f, 1e-3), rtol=1e-8, atol=1e-8
    )
    np.testing.assert_allclose(
        loss.d2(y, f), central(lambda u: loss.d1(y, u), f, 1e-3), rtol=1e-8, atol=1e-8
    )
    if loss.mean is not None:
        np.testing.assert_allclose(loss.mean_d1(f), central(loss.mean, f, 1e-3), rtol=1e-8)


def test_a_wrong_derivative_is_seen():
    loss, f = LOSSES["logistic"], np.linspace(-1, 1, 9)
    wrong = replace(loss, d1=lambda y, f: -loss.d1(y, f))
    y = np.ones(9)
    assert not np.allclose(wrong.d1(y, f), central(lambda u: wrong.value(y, u), f, 1e-3))


@pytest.mark.parametrize("case", **named(ALL))
def test_gradient_and_hessian(case: Case):
    problem = build(case).problem
    theta = problem.theta + 0.05
    basis = np.eye(len(theta))
    gradient = [central(lambda s, e=e: problem.objective(theta + s * e), 0.0, 1e-3) for e in basis]
    hessian = [central(lambda s, e=e: problem.gradient(theta + s * e), 0.0, 1e-3) for e in basis]
    if case.loss not in ("huber", "squared_hinge"):  # kinks spoil the differences
        assert_close(gradient, problem.gradient(theta), rtol=1e-7, atol=1e-9)
        assert_close(hessian, problem.objective_hessian(theta), rtol=1e-7)
    undamped = replace(problem, damping=0.0).hessian() * (
        problem.total if case.reduction == "sum" else 1.0
    )
    assert_close(undamped, problem.objective_hessian(problem.theta), rtol=1e-12)


@pytest.mark.parametrize("case", **named(ALL))
def test_refit_is_stationary_from_any_start(case: Case):
    problem = build(case).problem
    scale = problem.total if case.reduction == "sum" else 1.0
    one = reference.refit(problem)
    other = reference.refit(problem, one + 0.1)
    assert np.linalg.norm(problem.gradient(one)) <= 1e-13 * scale
    assert_close(other, one, rtol=1e-11)


@pytest.mark.parametrize("case", **named(tuple(c for c in ALL if c.at_optimum)))
def test_terms_sum_to_the_gradient(case: Case):
    problem = build(case).problem
    total = problem.terms().T @ problem.weights
    expected = 0.0 if case.reduction == "mean" else -problem.l2 * problem.theta
    np.testing.assert_allclose(total, expected, atol=1e-11)


@pytest.mark.parametrize("case", **named(tuple(c for c in ALL if c.at_optimum and not c.damping)))
def test_influence_is_the_derivative_of_retraining(case: Case):
    """Halving the weight taken away halves the change and quarters the error: first order."""
    if case.loss in ("huber", "squared_hinge"):
        pytest.skip("a kink: the derivative of retraining jumps")
    problem, row = build(case).problem, 5
    predicted = reference.on_params(problem, [row], "removal")[0]
    unit = problem.weights[row]
    errors = []
    for fraction in (1e-2, 5e-3):
        weights = problem.weights.copy()
        weights[row] = unit * (1 - fraction)
        # Mean form divides by the new W and keeps l2; sum form has less of one term.
        moved = reference.refit(replace(problem, weights=weights), problem.theta) - problem.theta
        errors.append(np.linalg.norm(moved / fraction - predicted))
    size = np.linalg.norm(predicted)
    assert errors[1] <= 0.02 * size
    assert errors[1] <= 0.6 * errors[0] + 1e-9 * (1 + size)


@pytest.mark.parametrize("case", **named(tuple(c for c in ALL if c.loss == "squared")))
def test_newton_is_exact_for_squared_loss_at_the_optimum(case: Case):
    problem = build(case).problem
    problem = replace(problem, theta=reference.refit(problem))
    groups = [[0], [3, 4, 5], [10, 20]]
    newton = reference.leave_group_out(problem, groups, "newton").theta
    exact = reference.leave_group_out(problem, groups, "exact").theta
    assert_close(newton, exact, rtol=1e-11)


@pytest.mark.parametrize("case", **named(ALL))
def test_exact_removal_is_stationary(case: Case):
    problem = build(case).problem
    groups = [[0], [7], [3, 4, 5]]
    removed = reference.leave_group_out(problem, groups, "exact")
    norms = reference.gradient_norms(problem, groups, removed.theta)
    scale = problem.total if case.reduction == "sum" else 1.0
    assert norms.max() <= 1e-13 * scale
