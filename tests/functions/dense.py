"""Models of every kind with dense predictions, and each target by its definition, pair by pair."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cases
import mlp_cases
import numpy as np
import softmax_cases
from reference_losses import LOSSES, Array

import fastinfluence as fi

t = fi.targets


@dataclass(frozen=True)
class Model:
    """A model, its test rows and what it predicts there at any theta, by the reference."""

    infl: "fi.Influence"
    X_test: Array
    y_test: Array  # the caller's labels
    group: Array
    offset_test: Array | None
    predict: Callable[[Array, str], Array]  # theta, output -> (t,) or (t, K)
    refit: Callable[[list[int]], Array] | None = None  # rows that leave -> theta
    class_at: float = 0.0  # raw prediction at which the class changes
    classes: Array | None = None

    @property
    def positive(self) -> Array:
        return self.y_test == np.unique(self.y_test)[-1]

    @property
    def own(self) -> Array:
        """Places of the labels among the sorted classes."""
        return np.searchsorted(self.classes, self.y_test)


def sigmoid(u: Array) -> Array:
    return 1 / (1 + np.exp(-u))


def one_prediction(name: str) -> Model:
    """A generalised linear model of tests/cases.py."""
    case = next(c for c in cases.CASES + cases.FURTHER if c.name == name)
    b = cases.build(case)
    low, high = np.unique(b.y)[[0, -1]]
    place = np.arange(len(b.X_test))
    y_test = np.where(place % 3 > 0, high, low)

    def predict(theta: Array, output: str) -> Array:
        f = b.problem.test_raw(theta, b.X_test, b.offset_test)
        return f if output == "raw" else LOSSES[case.loss].mean(f)

    def refit(rows: list[int]) -> Array:
        return cases.reference.refit(b.problem.without(rows), b.theta)

    group = np.where(place % 2 > 0, "b", "a")
    at = np.log(np.log(2.0)) if case.loss == "cloglog" else 0.0
    return Model(b.influence(), b.X_test, y_test, group, b.offset_test, predict, refit, at)


def classes(name: str) -> Model:
    """A multinomial model of tests/softmax_cases.py."""
    b = softmax_cases.build(next(c for c in softmax_cases.CASES if c.name == name))
    place = np.arange(len(b.X_test))

    def predict(theta: Array, output: str) -> Array:
        ask = b.problem.raw if output == "raw" else b.problem.probabilities
        return np.real(ask(theta, b.X_test, b.offset_test))

    def refit(rows: list[int]) -> Array:
        return b.problem.without(rows).refit(b.problem.theta)

    likely = predict(b.problem.theta, "raw").argmax(axis=1)
    y_test = b.names[(likely + place % 2) % b.case.K]
    return Model(
        b.influence(), b.X_test, y_test, place % 2, b.offset_test, predict, refit, classes=b.names
    )


def network(loss: str, **options: Any) -> Model:
    """A multilayer perceptron of tests/mlp_cases.py."""
    b = mlp_cases.build(mlp_cases.Case(f"functions {loss}", loss=loss, **options))
    K = b.problem.K
    offset = np.zeros((len(b.X_test), K)) if b.offset_test is None else b.offset_test
    offset = offset.reshape(len(b.X_test), K)

    def predict(theta: Array, output: str) -> Array:
        f = b.problem.at(theta).raw(b.X_test, offset).v
        if output == "mean":
            f = np.exp(f) / np.exp(f).sum(1, keepdims=True) if K > 1 else sigmoid(f)
        return f if K > 1 else f[:, 0]

    y_test = np.array([1, 1, 0, 1]) if K == 1 else np.array([0, 2, 1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)  # its theta is drawn, not fitted
        infl = b.influence(curvature="gauss-newton", damping=0.1)
    return Model(
        infl, b.X_test, y_test, np.arange(4) % 2, b.offset_test, predict, classes=np.arange(K)
    )


SINGLE: dict[str, Callable[[], Model]] = {
    **{
        name: lambda name=name: one_prediction(name)
        for name in ("logistic mean", "logistic sum weighted", "logistic weighted", "probit",
                     "cloglog", "logistic zero weights")
    },
    "network": lambda: network("logistic"),
    "network, offset": lambda: network("logistic", offset=True, reduction="sum"),
}  # fmt: skip
SEVERAL: dict[str, Callable[[], Model]] = {
    **{name: lambda name=name: classes(name) for name in ("mean", "weights and offset", "counts")},
    "network": lambda: network("multinomial", offset=True),
}


OWN = ("spread of raw", "spread of means")
CLASSES = ("accuracy", "sharp accuracy", *OWN)
ONE = ("parity", "opportunity", "auc", "narrow auc", *CLASSES)

# -- every target by its definition --------------------------------------------------------------


def accuracy(m: Model, theta: Array, sharpness: float) -> float:
    f = m.predict(theta, "raw")
    if f.ndim == 2:
        e = np.exp(sharpness * f)
        return float(np.mean([e[i, k] / e[i].sum() for i, k in enumerate(m.own)]))
    terms = [
        sigmoid(sharpness * (v - m.class_at if up else m.class_at - v))
        for v, up in zip(f, m.positive, strict=True)
    ]
    return float(np.mean(terms))


def gap(m: Model, theta: Array, rows: Array) -> float:
    p, larger = m.predict(theta, "mean"), m.group == np.unique(m.group)[-1]
    return float(p[rows & larger].mean() - p[rows & ~larger].mean())


def auc(m: Model, theta: Array, width: float) -> float:
    f, up = m.predict(theta, "raw"), m.positive
    return float(np.mean([sigmoid((a - b) / width) for a in f[up] for b in f[~up]]))


@dataclass(frozen=True)
class Asked:
    """A target, and its value at any theta by the definition."""

    target: Any
    value: Callable[[Array], float]


def single_targets(m: Model) -> dict[str, Asked]:
    """Every target that a model of one prediction a row answers."""
    X, y, o = m.X_test, m.y_test, {"offset_test": m.offset_test}
    everybody = np.ones(len(X), dtype=bool)
    return {
        "accuracy": Asked(t.accuracy(X, y, **o), lambda th: accuracy(m, th, 1.0)),
        "sharp accuracy": Asked(t.accuracy(X, y, 5.0, **o), lambda th: accuracy(m, th, 5.0)),
        "parity": Asked(t.parity_gap(X, m.group, **o), lambda th: gap(m, th, everybody)),
        "opportunity": Asked(
            t.opportunity_gap(X, y, m.group, **o), lambda th: gap(m, th, m.positive)
        ),
        "auc": Asked(t.auc(X, y, **o), lambda th: auc(m, th, 1.0)),
        "narrow auc": Asked(t.auc(X, y, width=0.2, **o), lambda th: auc(m, th, 0.2)),
        **own_targets(m),
    }


def several_targets(m: Model) -> dict[str, Asked]:
    """Every target that a model of classes answers."""
    X, y, o = m.X_test, m.y_test, {"offset_test": m.offset_test}
    return {
        "accuracy": Asked(t.accuracy(X, y, **o), lambda th: accuracy(m, th, 1.0)),
        "sharp accuracy": Asked(t.accuracy(X, y, 5.0, **o), lambda th: accuracy(m, th, 5.0)),
        **own_targets(m),
    }


def own_targets(m: Model) -> dict[str, Asked]:
    """A caller's own functions of both outputs, not separable over rows."""

    def made(output: str) -> Asked:
        target = t.of_predictions(m.X_test, spread, spread_slope, output, m.offset_test)
        return Asked(target, lambda th: spread(m.predict(th, output)))

    return {"spread of raw": made("raw"), "spread of means": made("mean")}


def spread(f: Array) -> float:
    c = np.cos(np.arange(f.size)).reshape(f.shape)
    return float(np.log(1 + np.sum((f - f.mean()) ** 2)) + np.sum(c * f))


def spread_slope(f: Array) -> Array:
    c = np.cos(np.arange(f.size)).reshape(f.shape)
    return 2 * (f - f.mean()) / (1 + np.sum((f - f.mean()) ** 2)) + c


def gradient(value: Callable[[Array], float], theta: Array, h: float = 1e-4) -> Array:
    """The gradient at theta by four-point differences, error of order h^4."""
    out = []
    for e in np.eye(len(theta)):
        near = value(theta + h * e) - value(theta - h * e)
        far = value(theta + 2 * h * e) - value(theta - 2 * h * e)
        out.append((8 * near - far) / (12 * h))
    return np.array(out)
