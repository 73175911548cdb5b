"""The probe tells rounding and scale from wrong callables: right ones pass, wrong ones do not."""

import math

import numpy as np
import pytest
from scipy.special import expit

import fastinfluence as fi

pytestmark = pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 6))
THETA = RNG.normal(size=6)
Y = X @ THETA + 0.1 * RNG.normal(size=40)
LABELS = (X @ THETA > 0).astype(float)
SCALES = [1e-12, 1e-8, 1e-4, 1.0, 1e4, 1e8, 1e12]
UNEVEN = np.array([1e-6, 1e-3, 1.0, 1.0, 1e3, 1e6])


def squared(size: float = 1.0) -> dict:
    return {
        "gradient": lambda t, X, y: size * (X @ t - y)[:, None] * X,
        "hvp": lambda t, X, y, V: size * X.T @ (X @ V),
        "loss": lambda t, X, y: 0.5 * size * (X @ t - y) ** 2,
    }


def logistic(size: float = 1.0) -> dict:
    def slope(t, X):
        p = expit(X @ t)
        return p * (1 - p)

    return {
        "gradient": lambda t, X, y: size * (expit(X @ t) - y)[:, None] * X,
        "hvp": lambda t, X, y, V: size * X.T @ (slope(t, X)[:, None] * (X @ V)),
        "loss": lambda t, X, y: size * (np.logaddexp(0.0, X @ t) - y * (X @ t)),
    }


def normal(centre: float, spread: float) -> tuple:
    """A normal distribution's mean and standard deviation, which must be positive."""

    def gradient(t, X, y):
        mean, sd = t
        return np.stack([(mean - y) / sd**2, 1 / sd - (y - mean) ** 2 / sd**3], axis=1)

    def hvp(t, X, y, V):
        mean, sd = t
        r = y - mean
        cross = 2 * r.sum() / sd**3
        bend = (3 * r**2 / sd**4 - 1 / sd**2).sum()
        return np.array([[len(y) / sd**2, cross], [cross, bend]]) @ V

    def loss(t, X, y):
        return math.log(t[1]) + (y - t[0]) ** 2 / (2 * t[1] ** 2)  # raises where sd <= 0

    y = centre + spread * np.random.default_rng(1).normal(size=100)
    calls = {"gradient": gradient, "hvp": hvp, "loss": loss}
    return calls, np.zeros((100, 1)), y, np.array([y.mean(), y.std()])


RIGHT = {
    "a model that fits exactly": (squared(), X, X @ THETA, THETA),
    "a saturated model": (logistic(), X, LABELS, 30.0 * THETA),
    "a model without any slope left": (logistic(), X, LABELS, 1000.0 * THETA),
    "uneven parameters": (logistic(), X / UNEVEN, LABELS, THETA * UNEVEN),
    "a small spread beside the mean": normal(1e3, 1e-2),
    "a tiny spread": normal(0.0, 1e-6),
    "a mean far off": normal(1e8, 1.0),
    "one parameter": (squared(), X[:, :1], Y, THETA[:1]),
    "one row": (squared(), X[:1], Y[:1], THETA),
    "no curvature": (
        {"gradient": lambda t, X, y: X.copy(), "hvp": lambda t, X, y, V: 0.0 * V},
        X,
        None,
        THETA,
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_pass(name):
    calls, rows, y, theta = RIGHT[name]
    fi.Influence(fi.Oracle(**calls, l2=1.0), rows, y, theta)


@pytest.mark.parametrize("wide", SCALES)
@pytest.mark.parametrize("size", SCALES)
@pytest.mark.parametrize("model", [squared, logistic])
def test_right_ones_pass_at_any_scale(model, size, wide):
    y = Y if model is squared else LABELS
    fi.Influence(fi.Oracle(**model(size)), X / wide, y, THETA * wide)


WRONG = {
    "hvp a little too small": ("hvp", lambda call: lambda *a: 0.99 * call(*a)),
    "gradient a little too large": ("gradient", lambda call: lambda *a: 1.01 * call(*a)),
    "loss a little too large": ("loss", lambda call: lambda *a: 1.01 * call(*a)),
}


@pytest.mark.parametrize("wide", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("size", SCALES)
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("model", [squared, logistic])
def test_wrong_ones_do_not_at_any_scale(model, name, size, wide):
    which, change = WRONG[name]
    calls = model(size)
    calls[which] = change(calls[which])
    y = Y if model is squared else LABELS
    with pytest.raises(fi.OracleError, match="is not the derivative"):
        fi.Influence(fi.Oracle(**calls), X / wide, y, THETA * wide)


def test_wrong_ones_beside_a_large_theta():
    """Steps in proportion to theta are long beside the residuals."""
    calls = squared()
    product = calls["gradient"]
    calls["gradient"] = lambda *a: 1.01 * product(*a)
    far = X @ (THETA + 1e6) + 0.1 * RNG.normal(size=40)
    with pytest.raises(fi.OracleError, match="is not the derivative"):
        fi.Influence(fi.Oracle(**calls), X, far, THETA + 1e6)
