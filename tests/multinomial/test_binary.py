"""Two classes: the softmax is the logistic model in other coordinates."""

import numpy as np
import pytest

import fastinfluence as fi

RNG = np.random.default_rng(5)
N, D = 90, 4
X = RNG.normal(size=(N, D))
Y = np.where(X @ RNG.normal(size=D) + RNG.logistic(size=N) > 0.3, "yes", "no")
W = RNG.uniform(0.4, 2.0, N)
X_TEST = RNG.normal(size=(6, D))
Y_TEST = Y[:6]


def pair(reduction, fit_intercept, l2):
    """θ = (−b/2, b/2): ½·l2·|θ|² = ½·(l2/2)·|b|², so the logistic penalty is half as large."""
    options = {"fit_intercept": fit_intercept, "reduction": reduction}
    softmax = fi.Influence.fit(fi.GLM("multinomial", l2=l2, **options), X, Y, W, tol=1e-12)
    logistic = fi.Influence.fit(fi.GLM("logistic", l2=l2 / 2, **options), X, Y, W, tol=1e-12)
    return softmax, logistic


forms = pytest.mark.parametrize(
    ("reduction", "fit_intercept", "l2"),
    [("mean", True, 0.1), ("mean", False, 0.02), ("sum", True, 3.0), ("sum", True, 0.0)],
)


@forms
def test_parameters_and_objective(reduction, fit_intercept, l2):
    softmax, logistic = pair(reduction, fit_intercept, l2)
    table = softmax.theta.reshape(-1, 2)
    np.testing.assert_allclose(table[:, 1] - table[:, 0], logistic.theta, rtol=0, atol=1e-9)
    assert softmax._engine.objective == pytest.approx(logistic._engine.objective, rel=1e-12)


@forms
@pytest.mark.parametrize("effect", ["removal", "upweight"])
def test_scores(reduction, fit_intercept, l2, effect):
    softmax, logistic = pair(reduction, fit_intercept, l2)
    close = {"rtol": 0, "atol": 1e-9}
    test = (X_TEST, Y_TEST)
    np.testing.assert_allclose(
        softmax.on_loss(*test, effect=effect), logistic.on_loss(*test, effect=effect), **close
    )
    np.testing.assert_allclose(
        softmax.self_influence(effect), logistic.self_influence(effect), **close
    )
    mean = softmax.on_prediction(X_TEST, output="mean", effect=effect)
    wanted = logistic.on_prediction(X_TEST, output="mean", effect=effect)
    np.testing.assert_allclose(mean[:, :, 1], wanted, **close)
    np.testing.assert_allclose(mean[:, :, 0], -wanted, **close)
    raw = softmax.on_prediction(X_TEST, effect=effect)
    gap = logistic.on_prediction(X_TEST, effect=effect)
    np.testing.assert_allclose(raw[:, :, 1] - raw[:, :, 0], gap, **close)
    np.testing.assert_allclose(raw[:, :, 1], gap / 2, **close)  # in the gauge Σ_k = 0


@forms
@pytest.mark.parametrize("method", ["influence", "newton", "exact"])
def test_removals(reduction, fit_intercept, l2, method):
    softmax, logistic = pair(reduction, fit_intercept, l2)
    groups = [[0], [5, 7, 9], list(range(20, 45))]
    one, other = (m.leave_group_out(groups, method=method) for m in (softmax, logistic))
    close = {"rtol": 0, "atol": 1e-8}
    np.testing.assert_allclose(one.on_loss(X_TEST, Y_TEST), other.on_loss(X_TEST, Y_TEST), **close)
    found = one.on_prediction(X_TEST, output="mean")
    np.testing.assert_allclose(found[:, :, 1], other.on_prediction(X_TEST, output="mean"), **close)
