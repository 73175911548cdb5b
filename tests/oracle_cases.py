"""Oracles written out by hand: the logistic model, in plain NumPy, beside the library's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fastinfluence as fi

N, D, L2 = 60, 4, 0.1
P = D + 1
Array = np.ndarray


def design(X: Array) -> Array:
    return np.concatenate([X, np.ones((len(X), 1))], axis=1)


def sigmoid(f: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-f))


def gradient(theta: Array, X: Array, y: Array) -> Array:
    Z = design(X)
    return (sigmoid(Z @ theta) - y)[:, None] * Z


def hvp(theta: Array, X: Array, y: Array, V: Array) -> Array:
    Z = design(X)
    p = sigmoid(Z @ theta)
    return Z.T @ ((p * (1 - p))[:, None] * (Z @ V))


def weighted_hvp(theta: Array, X: Array, y: Array, V: Array, w: Array) -> Array:
    Z = design(X)
    p = sigmoid(Z @ theta)
    return Z.T @ ((w * p * (1 - p))[:, None] * (Z @ V))


def row_dot(theta: Array, X: Array, y: Array, S: Array) -> Array:
    return gradient(theta, X, y) @ S


def loss(theta: Array, X: Array, y: Array) -> Array:
    f = design(X) @ theta
    return np.logaddexp(0.0, f) - y * f


def prediction(theta: Array, X: Array) -> Array:
    return design(X) @ theta


def prediction_gradient(theta: Array, X: Array) -> Array:
    return design(X)


def mean(theta: Array, X: Array) -> Array:
    return sigmoid(design(X) @ theta)


def mean_gradient(theta: Array, X: Array) -> Array:
    p = mean(theta, X)
    return (p * (1 - p))[:, None] * design(X)


def mixed_vjp(theta: Array, X: Array, y: Array, s: Array) -> Array:
    p = mean(theta, X)
    return ((p * (1 - p)) * (design(X) @ s))[:, None] * theta[:-1] + (p - y)[:, None] * s[:-1]


EVERY: dict[str, Callable[..., Array]] = {
    "gradient": gradient,
    "hvp": hvp,
    "row_dot": row_dot,
    "loss": loss,
    "prediction": prediction,
    "prediction_gradient": prediction_gradient,
    "mean": mean,
    "mean_gradient": mean_gradient,
    "gauss_newton": weighted_hvp,
    "mixed_vjp": mixed_vjp,
}
PENALTY = np.append(np.full(D, L2), 0.0)

_rng = np.random.default_rng(3)
X = _rng.normal(size=(N, D))
y = (X[:, 0] + _rng.logistic(size=N) > 0).astype(float)
w = _rng.uniform(0.5, 2.0, N)
w[7] = 0.0
X_test, y_test = _rng.normal(size=(5, D)), np.array([0.0, 1.0, 1.0, 0.0, 1.0])


def oracle(**changes: Any) -> fi.Oracle:
    """The oracle with some of its callables or options replaced; None leaves a callable out."""
    given = {**EVERY, "l2": PENALTY, **changes}
    return fi.Oracle(**{name: value for name, value in given.items() if value is not None})


def glm(reduction: str = "mean") -> fi.GLM:
    return fi.GLM("logistic", l2=L2, reduction=reduction)


OPTIMUM = fi.Influence.fit(glm(), X, y, tol=1e-11).theta
"""Of even weights, in mean form."""

ANSWERS: dict[str, Callable[[fi.Influence], Array]] = {
    "on_loss": lambda infl: infl.on_loss(X_test, y_test),
    "on_loss, upweight": lambda infl: infl.on_loss(X_test, y_test, effect="upweight"),
    "top rows": lambda infl: infl.on_loss(X_test, y_test, out=fi.TopK(3)).helpful.values,
    "raw": lambda infl: infl.on_prediction(X_test),
    "mean": lambda infl: infl.on_prediction(X_test, output="mean"),
    "on_function": lambda infl: infl.on_function(np.eye(P)[:2]),
    "on_params": lambda infl: infl.on_params([0, 5]),
    "self_influence": lambda infl: infl.self_influence(),
    "ihvp": lambda infl: infl.ihvp(np.eye(P)).x,
    "hessian": lambda infl: infl.hessian.dense(),
    "diagonal": lambda infl: infl.hessian.diagonal(),
    "first order": lambda infl: infl.leave_one_out([1, 2]).theta,
    "newton": lambda infl: infl.leave_one_out([1, 2], method="newton").theta,
    "exact": lambda infl: infl.leave_one_out([1, 2], method="exact").theta,
    "groups": lambda infl: infl.leave_group_out([[0, 1, 7], [9]], method="exact").on_loss(
        X_test, y_test
    ),
    "after removal": lambda infl: infl.leave_one_out([3], method="newton").on_prediction(
        X_test, output="mean"
    ),
    "perturbation": lambda infl: infl.perturbation(X_test, y_test, [0, 1]),
    "replacement": lambda infl: infl.replacement([0, 1], X[4:6], 1 - y[4:6], X_test, y_test),
    "on_l2": lambda infl: infl.on_l2(X_test, y_test, per_coefficient=True),
    "on_weights": lambda infl: infl.on_weights(X_test, y_test),
    "covariance": lambda infl: infl.covariance(),
    "subset": lambda infl: infl.most_influential_subset(np.eye(P)[0], 4).rows,
    "validate": lambda infl: infl.validate(X_test, y_test, rows=6).actual,
    "without": lambda infl: infl.without([0, 3]).on_loss(X_test, y_test),
}
"""Questions that a model answers, whatever engine it has."""
