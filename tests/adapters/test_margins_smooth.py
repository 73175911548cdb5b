"""Squared hinges, and stochastic gradient descent after polish."""

import numpy as np
import pytest
from margin_cases import REAL, SIGNS, SMOOTH, TEST, WORDS, X
from sklearn.linear_model import SGDClassifier, SGDRegressor

import fastinfluence as fi


@pytest.mark.parametrize("name", SMOOTH)
def test_squared_hinges_are_read_as_they_are(name):
    make, y, w = SMOOTH[name]
    model = make().fit(X, y, sample_weight=w)
    infl = fi.Influence.from_estimator(model, X, y, sample_weight=w)
    assert infl.spec.loss.name == "squared_hinge"
    assert infl.relative_gradient < 1e-6
    rows = [2, 9, 40]
    exact, refit = (infl.leave_one_out(rows, method=m) for m in ("exact", "refit"))
    for one, other in (
        (exact.theta - exact.theta_old, refit.theta - refit.theta_old),
        (exact.on_loss(*TEST), refit.on_loss(*TEST)),
    ):
        assert np.abs(one - other).max() < 1e-3 * np.abs(other).max()


# -- stochastic gradient descent -----------------------------------------------------------

DESCENT = {
    "hinge": (SGDClassifier(loss="hinge", alpha=0.01, random_state=0), WORDS),
    "squared hinge": (SGDClassifier(loss="squared_hinge", alpha=0.01, random_state=0), WORDS),
    "log loss": (SGDClassifier(loss="log_loss", alpha=0.01, random_state=0), WORDS),
    "average": (SGDClassifier(loss="log_loss", alpha=0.01, average=True, random_state=0), WORDS),
    "no penalty": (SGDRegressor(penalty=None, random_state=0), REAL),
    "squared": (SGDRegressor(alpha=0.01, random_state=0), REAL),
    "huber": (SGDRegressor(loss="huber", epsilon=0.4, alpha=0.01, random_state=0), REAL),
    "insensitive": (SGDRegressor(loss="epsilon_insensitive", alpha=0.01, random_state=0), REAL),
}


def objective(model, theta):
    """Return what SGD descends on, from its documentation."""
    f = X @ theta[:3] + theta[3]
    s, r = SIGNS * f, f - REAL
    e = model.epsilon
    loss = {
        "hinge": np.maximum(0, 1 - s),
        "squared_hinge": np.maximum(0, 1 - s) ** 2,
        "log_loss": np.logaddexp(0, -s),
        "squared_error": 0.5 * r**2,
        "huber": np.where(np.abs(r) <= e, 0.5 * r**2, e * np.abs(r) - 0.5 * e**2),
        "epsilon_insensitive": np.maximum(0, np.abs(r) - e),
    }[model.loss]
    penalty = 0.5 * model.alpha * theta[:3] @ theta[:3] if model.penalty else 0.0
    return loss.mean() + penalty


@pytest.mark.parametrize("name", DESCENT)
@pytest.mark.filterwarnings("ignore:theta is far")
def test_sgd_after_polish(name):
    made, y = DESCENT[name]
    model = made.fit(X, y)
    infl = fi.Influence.from_estimator(model, X, y, **smoothing(name))
    np.testing.assert_array_equal(infl.theta[:3], model.coef_.ravel())
    assert infl.spec.reduction == "mean"
    polished = infl.polish()
    assert polished.gradient_norm < 1e-8
    best = objective(model, polished.theta)
    assert best <= objective(model, infl.theta) + 1e-4
    for step in 0.05 * np.vstack([np.eye(4), -np.eye(4)]):
        assert objective(model, polished.theta + step) > best


def smoothing(name):
    return {"temperature": 1e-3} if name in ("hinge", "insensitive") else {}


def test_sgd_is_told_to_be_far():
    model = SGDClassifier(loss="log_loss", max_iter=5, tol=None, random_state=0).fit(X, WORDS)
    with pytest.warns(fi.FastInfluenceWarning, match=r"far.*polish"):
        fi.Influence.from_estimator(model, X, WORDS)
