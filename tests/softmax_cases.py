"""The table of multinomial problems: every generic test runs on every row."""

import functools
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from reference_losses import Array
from reference_multinomial import Softmax
from scipy.sparse import csr_array

import fastinfluence as fi

LABELS = ("cat", "dog", "eel", "fox", "gnu")


@dataclass(frozen=True)
class Case:
    """One problem in words."""

    name: str
    reduction: str = "mean"
    fit_intercept: bool = True
    penalize_intercept: bool = False
    l2: float | tuple[float, ...] = 0.05
    weights: str = "none"
    offset: bool = False
    storage: str = "dense"
    dtype: str = "f8"
    at_optimum: bool = True
    damping: float = 0.0
    K: int = 3
    n: int = 50
    d: int = 4


CASES = (
    Case("mean"),
    Case("mean, no intercept", fit_intercept=False),
    Case("sum", "sum", l2=1.5),
    Case("sum, no intercept", "sum", fit_intercept=False, l2=0.8, K=4),
    Case("penalised intercept", penalize_intercept=True, weights="real"),
    Case("unpenalised", l2=0.0, n=90, K=3, d=2),
    Case("unpenalised sum", "sum", l2=0.0, fit_intercept=False, n=90, d=2),
    Case("weights and offset", weights="real", offset=True, K=5),
    Case("sum, weights and offset", "sum", l2=0.7, weights="some zero", offset=True),
    Case("counts", weights="counts", K=2),
    Case("l2 per row of theta", l2=(0.1, 0.0, 0.02, 0.3), weights="real"),
    Case("damped", damping=0.1),
    Case("damped, unpenalised", "sum", damping=0.05, l2=0.0, n=90, d=2),
    Case("away", at_optimum=False, weights="real"),
    Case("away, sum", "sum", l2=1.0, at_optimum=False),
    Case("sparse", storage="csr", d=8),
    Case("sparse sum", "sum", l2=0.6, storage="csr", weights="real", offset=True, d=8),
    Case("single", dtype="f4"),
    Case("single, sparse", dtype="f4", storage="csr", fit_intercept=False),
    Case("wide", n=12, d=30, K=3),
    Case("wide, no intercept", n=10, d=25, K=3, fit_intercept=False),
)


@dataclass(frozen=True)
class Built:
    """The data of a case, its reference, and how to hand it to the library."""

    case: Case
    problem: Softmax
    X_test: Array
    y_test: Array
    offset_test: Array | None

    @property
    def names(self) -> Array:
        return np.array(LABELS[: self.case.K])

    def spec(self, **changes: Any) -> "fi.GLM":
        c = self.case
        options = {
            "l2": c.l2,
            "fit_intercept": c.fit_intercept,
            "penalize_intercept": c.penalize_intercept,
            "reduction": c.reduction,
        }
        return fi.GLM("multinomial", **{**options, **changes})

    @property
    def X(self) -> Any:
        X = self.problem.X.astype(self.case.dtype)
        return csr_array(X) if self.case.storage == "csr" else X

    def data(self) -> dict[str, Any]:
        weights = None if self.case.weights == "none" else self.problem.weights
        offset = self.problem.offset if self.case.offset else None
        return {"sample_weight": weights, "offset": offset}

    def test(self, labelled: bool = True) -> dict[str, Any]:
        out = {"X_test": self.X_test, "offset_test": self.offset_test}
        return {**out, "y_test": self.names[self.y_test]} if labelled else out

    def influence(self, **options: Any) -> "fi.Influence":
        y, theta = self.names[self.problem.y], self.problem.theta
        options = {"damping": self.case.damping, **self.data(), **options}
        with warnings.catch_warnings():
            if not self.case.at_optimum:
                warnings.simplefilter("ignore", fi.FastInfluenceWarning)
            return fi.Influence(self.spec(), self.X, y, theta, **options)


@functools.cache
def build(case: Case) -> Built:
    rng = np.random.default_rng(len(case.name) + 100 * case.K)
    n, d, K = case.n, case.d, case.K
    X = rng.normal(size=(n + 7, d))
    if case.storage == "csr":
        X *= rng.random(X.shape) < 0.3
    X = X.astype(case.dtype).astype(np.float64)
    truth = rng.normal(size=(d, K)) / np.sqrt(d)
    y = np.argmax(X @ truth + rng.gumbel(size=(n + 7, K)), axis=1)
    y[:K] = np.arange(K)
    width = d + case.fit_intercept
    penalised = np.ones(width)
    if case.fit_intercept and not case.penalize_intercept:
        penalised[-1] = 0.0
    l2 = np.zeros(width)
    l2[: np.size(case.l2) if np.ndim(case.l2) else width] = case.l2
    weights = {
        "none": np.ones(n),
        "real": rng.uniform(0.3, 2.0, n),
        "counts": rng.integers(1, 4, n).astype(float),
        "some zero": rng.uniform(0.3, 2.0, n) * (np.arange(n) % 5 > 0),
    }[case.weights]
    offset = 0.5 * rng.normal(size=(n + 7, K)) if case.offset else np.zeros((n + 7, K))
    problem = Softmax(
        X[:n], y[:n], np.zeros(width * K), weights, offset[:n], np.repeat(l2 * penalised, K), K,
        case.fit_intercept, case.reduction, case.damping,
    )  # fmt: skip
    theta = problem.refit(problem.theta)
    if not case.at_optimum:
        theta = theta + 0.2 * rng.normal(size=theta.shape)
    problem = replace(problem, theta=theta)
    return Built(case, problem, X[n:], y[n:], offset[n:] if case.offset else None)
