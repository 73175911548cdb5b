"""The table of cases: every row is one problem, and every generic test runs on every row.

Adding a case is adding a row to ``CASES``; adding a loss is a row in ``reference_losses.LOSSES``
and one in ``SPEC_LOSSES``.
"""

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import reference
from reference_families import FAMILIES
from reference_losses import LOSSES, Array

import fastinfluence as fi

# What the spec is given for each loss of the reference, with the parameters used there.
SPEC_LOSSES: dict[str, Callable[[], Any]] = {
    "squared": lambda: "squared",
    "logistic": lambda: "logistic",
    "probit": lambda: "probit",
    "cloglog": lambda: "cloglog",
    "poisson": lambda: "poisson",
    "gamma": lambda: fi.families.gamma(link="log"),
    "inverse_gaussian": lambda: "inverse_gaussian",
    "negative_binomial": lambda: fi.losses.negative_binomial(alpha=0.5),
    "huber": lambda: fi.losses.huber(delta=1.0),
    "pseudo_huber": lambda: fi.losses.pseudo_huber(delta=1.0),
    "logcosh": lambda: "logcosh",
    "smooth_hinge": lambda: fi.losses.smooth_hinge(t=0.5),
    "squared_hinge": lambda: "squared_hinge",
    "exponential": lambda: "exponential",
    "tweedie": lambda: fi.losses.tweedie(power=1.5),
    **{name: lambda name=name: family(*name.split()) for name in FAMILIES},
}


def family(name: str, link: str) -> "fi.Loss":
    """Return the library's loss of a family and a link."""
    return getattr(fi.families, name)(link=link)


@dataclass(frozen=True)
class Case:
    """One problem in words; ``build`` draws its data."""

    name: str
    loss: str
    reduction: Literal["mean", "sum"] = "mean"
    fit_intercept: bool = True
    penalize_intercept: bool = False
    l2: float | tuple[float, ...] = 0.05
    weights: Literal["none", "real", "counts", "some zero"] = "none"
    offset: bool = False
    at_optimum: bool = True
    damping: float = 0.0
    n: int = 60
    d: int = 4
    seed: int = 0


@dataclass(frozen=True)
class Built:
    """The data of a case, its reference problem, and how to hand it to the library."""

    case: Case
    X: Array
    y: Array
    sample_weight: Array | None
    offset: Array | None
    theta: Array
    X_test: Array
    y_test: Array
    offset_test: Array | None
    problem: reference.Problem

    def spec(self) -> "fi.GLM":
        c = self.case
        l2 = c.l2 if isinstance(c.l2, float) else np.array(c.l2)
        return fi.GLM(
            SPEC_LOSSES[c.loss](),
            l2=l2,
            fit_intercept=c.fit_intercept,
            penalize_intercept=c.penalize_intercept,
            reduction=c.reduction,
        )

    def data(self) -> dict[str, Any]:
        """Return sample_weight and offset as keywords."""
        return {"sample_weight": self.sample_weight, "offset": self.offset}

    def influence(self, **options: Any) -> "fi.Influence":
        """Return the library's object; away from the optimum its warning is expected, so muted."""
        options = {"damping": self.case.damping, **self.data(), **options}
        with warnings.catch_warnings():
            if not self.case.at_optimum:
                warnings.simplefilter("ignore", fi.FastInfluenceWarning)
            return fi.Influence(self.spec(), self.X, self.y, self.theta, **options)


CASES: tuple[Case, ...] = (
    Case("squared mean", "squared"),
    Case("squared sum", "squared", reduction="sum", l2=2.0),
    Case("squared unpenalised", "squared", l2=0.0),
    Case("squared weighted", "squared", weights="real", offset=True, fit_intercept=False, d=3),
    Case("squared sum weighted", "squared", "sum", l2=1.5, weights="real", offset=True, d=5),
    Case("squared penalised intercept", "squared", penalize_intercept=True, weights="counts"),
    Case("squared away", "squared", at_optimum=False, weights="real"),
    Case("squared sum away", "squared", "sum", l2=1.0, at_optimum=False, d=6),
    Case("squared damped", "squared", damping=0.1, l2=(0.1, 0.0, 0.02, 0.3)),
    Case("logistic mean", "logistic"),
    Case("logistic sum", "logistic", "sum", l2=1.0),
    Case("logistic unpenalised", "logistic", l2=0.0, n=80, d=3),
    Case("logistic no intercept", "logistic", fit_intercept=False, l2=0.01),
    Case("logistic weighted", "logistic", weights="real", offset=True),
    Case("logistic sum weighted", "logistic", "sum", l2=0.7, weights="counts", offset=True, n=70),
    Case("logistic zero weights", "logistic", weights="some zero", l2=0.1),
    Case("logistic l2 each", "logistic", l2=(0.1, 0.01, 0.3, 0.02), weights="real"),
    Case("logistic sum l2 each", "logistic", "sum", l2=(1.0, 0.0, 3.0, 0.5), offset=True),
    Case("logistic penalised intercept", "logistic", "sum", penalize_intercept=True, l2=0.5),
    Case("logistic mean penalised intercept", "logistic", penalize_intercept=True, weights="real"),
    Case("logistic away", "logistic", at_optimum=False, weights="counts"),
    Case("logistic sum away", "logistic", "sum", l2=1.0, at_optimum=False, offset=True),
    Case("logistic damped", "logistic", damping=0.05, weights="real"),
    Case("logistic sum damped", "logistic", "sum", l2=1.0, damping=0.05, fit_intercept=False),
)

# One case for each further loss: weights, offset and both reductions alternate.
FURTHER: tuple[Case, ...] = tuple(
    Case(
        loss,
        loss,
        reduction="sum" if k % 2 else "mean",
        l2=2.0 if k % 2 else 0.05,
        weights="real" if k % 3 else "none",
        offset=k % 4 == 0,
        seed=k,
    )
    for k, loss in enumerate(SPEC_LOSSES)
    if loss not in ("squared", "logistic")
)


def draw_weights(kind: str, n: int, rng: np.random.Generator) -> Array | None:
    """Return sample weights of a kind, None for none."""
    if kind == "none":
        return None
    if kind == "counts":
        return rng.integers(1, 4, size=n).astype(float)
    w = rng.uniform(0.3, 2.0, size=n)
    if kind == "some zero":
        w[::7] = 0.0
    return w


def penalty(case: Case) -> Array:
    """Return l2 per parameter, intercept last."""
    l2 = np.full(case.d, case.l2) if isinstance(case.l2, float) else np.array(case.l2)
    if case.fit_intercept:
        l2 = np.append(l2, case.l2 if case.penalize_intercept else 0.0)
    return l2


@functools.cache
def build(case: Case) -> Built:
    """Draw the data of a case; theta by the reference's own refit, moved where asked."""
    rng = np.random.default_rng([case.seed, case.n, case.d])
    t = 7
    X, X_test = rng.normal(size=(case.n, case.d)), rng.normal(size=(t, case.d))
    truth = rng.uniform(-0.7, 0.7, size=case.d)
    loss = LOSSES[case.loss]
    wide = 0.4 * loss.spread
    offset = rng.normal(scale=wide, size=case.n) if case.offset else None
    offset_test = rng.normal(scale=wide, size=t) if case.offset else None
    weights = draw_weights(case.weights, case.n, rng)
    zeros = np.zeros(case.n) if offset is None else offset
    y = loss.draw(rng, loss.spread * (X @ truth) + loss.center + zeros)
    y_test = loss.draw(rng, loss.spread * (X_test @ truth) + loss.center)
    l2 = penalty(case)
    problem = reference.Problem(
        loss=case.loss,
        X=X,
        y=y,
        theta=np.zeros(len(l2)),
        weights=np.ones(case.n) if weights is None else weights,
        offset=zeros,
        l2=l2,
        fit_intercept=case.fit_intercept,
        reduction=case.reduction,
        damping=case.damping,
    )
    theta = reference.refit(problem)
    if not case.at_optimum:
        theta = theta + 0.3 * rng.normal(size=theta.shape)
    problem = reference.replace(problem, theta=theta)
    return Built(case, X, y, weights, offset, theta, X_test, y_test, offset_test, problem)


def assert_close(actual: Any, expected: Array, rtol: float = 1e-9, atol: float = 0.0) -> None:
    """Assert the same shape and, row by row, errors below rtol of the row's largest entry."""
    actual = np.asarray(actual)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    assert actual.dtype == np.float64, actual.dtype
    scale = np.max(np.abs(expected), axis=-1, keepdims=True) if expected.ndim else np.abs(expected)
    error = np.abs(actual - expected)
    worst = np.max(error - rtol * scale, initial=-1.0)
    assert worst <= atol, f"off by {np.max(error)}, scale {np.max(scale)}"


def named(cases: tuple[Case, ...]) -> dict[str, Any]:
    """Return the argvalues and ids of a parametrisation over cases."""
    return {"argvalues": cases, "ids": [c.name.replace(" ", "-") for c in cases]}
