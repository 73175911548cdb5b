"""scikit-learn's estimators, one reader each: the loss, the penalty and the reduction minimised.

The table at the end names what is supported; each reader's objective has ∇R = 0 at the optimum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastinfluence.errors import UnsupportedError
from fastinfluence.spec import families
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.models import GLM


@dataclass(frozen=True)
class Objective:
    """What an estimator minimises.

    Attributes
    ----------
    spec : GLM
    signs : bool
        Whether class labels are regressed on as −1 and 1.
    class_weight : mapping, "balanced" or None
    frozen : estimator
        A clone that refits with every chosen hyper-parameter held.
    l1 : float
        Coefficient of Σ|theta_j|, in the reduction of the spec.
    l1_intercept : float
        The same of the intercept.
    smooth : callable or None
        The family of losses by temperature, where what was minimised has a kink; ``spec`` then
        holds any member of it.
    by_weight : bool or None
        Whether "balanced" class weights count sample weights; None: unless ``signs``.
    unweighted : bool
        Whether sample weights would change the penalty's share, so that none are read.
    stationary : bool
        Whether the fitted parameters should be an optimum of ``spec``.
    """

    spec: GLM
    frozen: Any
    signs: bool = False
    class_weight: Any = None
    l1: float = 0.0
    l1_intercept: float = 0.0
    smooth: Callable[[float], Loss] | None = None
    by_weight: bool | None = None
    unweighted: bool = False
    stationary: bool = True


def frozen_clone(estimator: Any, **held: Any) -> Any:
    """A clone that starts afresh, with some parameters held."""
    from sklearn.base import clone

    return clone(estimator).set_params(warm_start=False, **held)


def refuse_option(estimator: Any, option: str, value: Any, advice: str) -> None:
    """Raise UnsupportedError naming an option's value and what to do."""
    raise UnsupportedError(f"{type(estimator).__name__}({option}={value!r}): {advice}")


def _logistic(estimator: Any, d: int, C: float | None = None) -> Objective:
    from sklearn.linear_model import LogisticRegression

    inverse = float(estimator.C if C is None else C)
    strength = 0.0 if estimator.penalty is None else 1.0 / inverse
    ratio = _l1_ratio(estimator)
    l1, l2 = ratio * strength, (1 - ratio) * strength
    if len(estimator.classes_) > 2:
        return _softmax(estimator, inverse, l1, l2)
    if getattr(estimator, "multi_class", "auto") == "multinomial":
        refuse_option(estimator, "multi_class", "multinomial", 'two classes: refit with "auto"')
    penalty: Any = l2
    penalized, l1_intercept = False, 0.0
    if estimator.solver == "liblinear" and estimator.fit_intercept:
        if estimator.dual:
            refuse_option(estimator, "dual", True, "refit with dual=False, the same optimum")
        scale = float(estimator.intercept_scaling)
        penalized, l1_intercept = l2 > 0, l1 / scale
        penalty = np.append(np.full(d, l2), l2 / scale**2) if penalized else 0.0
    plain = type(estimator) is LogisticRegression
    frozen = frozen_clone(estimator) if plain else _plain_logistic(estimator, inverse, ratio)
    frozen.set_params(class_weight=None)
    spec = GLM("logistic", penalty, estimator.fit_intercept, penalized, reduction="sum")
    weight = estimator.class_weight
    return Objective(spec, frozen, class_weight=weight, l1=l1, l1_intercept=l1_intercept)


def _softmax(estimator: Any, C: float, l1: float, l2: float) -> Objective:
    """Three classes or more: one softmax over all of them."""
    way = getattr(estimator, "multi_class", "auto")
    if way == "ovr" or estimator.solver == "liblinear":
        refuse_option(
            estimator,
            "multi_class" if way == "ovr" else "solver",
            way if way == "ovr" else "liblinear",
            "it fitted one model for each class: pass one of them, with its own y, or refit with "
            'solver="lbfgs"',
        )
    if l1 > 0:
        refuse_option(
            estimator,
            "l1_ratio",
            _l1_ratio(estimator),
            "with three classes or more an l1 penalty drops single entries, not columns: refit "
            "with the l2 penalty",
        )
    from sklearn.linear_model import LogisticRegression

    plain = type(estimator) is LogisticRegression
    frozen = frozen_clone(estimator) if plain else _plain_logistic(estimator, C, 0.0)
    frozen.set_params(class_weight=None)
    spec = GLM("multinomial", l2, estimator.fit_intercept, reduction="sum")
    return Objective(spec, frozen, class_weight=estimator.class_weight)


def _l1_ratio(estimator: Any) -> float:
    """The share of the l1 penalty: by name in older releases, by l1_ratio alone in newer ones."""
    named = {"l1": 1.0, "l2": 0.0, None: 0.0}
    if estimator.penalty in named:
        return named[estimator.penalty]
    chosen = getattr(estimator, "l1_ratio_", getattr(estimator, "l1_ratio", None))
    value = None if chosen is None else np.ravel(chosen)[0]
    return 0.0 if value is None else float(value)


def _plain_logistic(estimator: Any, C: float, ratio: float) -> Any:
    """The LogisticRegression that a cross-validated one fits last."""
    from sklearn.linear_model import LogisticRegression

    out = LogisticRegression(C=C, **{k: getattr(estimator, k) for k in _SHARED})
    if not ratio:
        return out
    if out.penalty == "deprecated":
        return out.set_params(l1_ratio=ratio)
    return (
        out.set_params(penalty="elasticnet", l1_ratio=ratio)
        if ratio < 1
        else out.set_params(penalty="l1")
    )


_SHARED = (
    "dual",
    "fit_intercept",
    "intercept_scaling",
    "max_iter",
    "random_state",
    "solver",
    "tol",
)


def _logistic_cv(estimator: Any, d: int) -> Objective:
    if not estimator.refit:
        refuse_option(
            estimator, "refit", False, "averaged coefficients are no optimum: use refit=True"
        )
    return _logistic(estimator, d, C=float(np.ravel(estimator.C_)[0]))


def _least_squares(estimator: Any, d: int) -> Objective:
    return _squared(estimator, 0.0, _frozen_plain(estimator))


def _ridge(estimator: Any, d: int, signs: bool = False) -> Objective:
    alpha = np.ravel(estimator.alpha)
    if len(alpha) not in (1, d):
        refuse_option(estimator, "alpha", estimator.alpha, "give one number")
    return _squared(estimator, float(alpha[0]), _frozen_plain(estimator), signs)


def _ridge_cv(estimator: Any, d: int) -> Objective:
    from sklearn.linear_model import Ridge

    alpha = float(np.ravel(estimator.alpha_)[0])
    frozen = Ridge(alpha=alpha, fit_intercept=estimator.fit_intercept, tol=1e-10)
    return _squared(estimator, alpha, frozen)


def _elastic_net(estimator: Any, d: int, l1_ratio: float | None = None) -> Objective:
    """1/(2W) Σ w (y − f)² + alpha·l1_ratio·|theta|₁ + ½·alpha·(1 − l1_ratio)·theta²."""
    if estimator.positive:
        refuse_option(
            estimator, "positive", True, "the constrained optimum is not stationary: refit"
        )
    alpha = float(getattr(estimator, "alpha_", getattr(estimator, "alpha", 0.0)))
    chosen = getattr(estimator, "l1_ratio_", estimator.l1_ratio) if l1_ratio is None else l1_ratio
    ratio = float(chosen)
    spec = GLM("squared", alpha * (1 - ratio), estimator.fit_intercept, reduction="mean")
    return Objective(spec, _plain_net(estimator, alpha, ratio), l1=alpha * ratio)


def _plain_net(estimator: Any, alpha: float, l1_ratio: float) -> Any:
    """The estimator itself, or what a cross-validated one fits last; no Gram matrix of all rows."""
    from sklearn.linear_model import ElasticNet

    if hasattr(estimator, "alpha"):
        return frozen_clone(estimator, precompute=False)
    names = ("fit_intercept", "max_iter", "random_state", "selection", "tol")
    options = {name: getattr(estimator, name) for name in names}
    return ElasticNet(alpha=alpha, l1_ratio=l1_ratio, **options)


def _frozen_plain(estimator: Any) -> Any:
    from sklearn.base import clone

    return clone(estimator)


def _squared(estimator: Any, l2: float, frozen: Any, signs: bool = False) -> Objective:
    if getattr(estimator, "positive", False):
        refuse_option(
            estimator, "positive", True, "the constrained optimum is not stationary: refit"
        )
    spec = GLM("squared", l2, estimator.fit_intercept, reduction="sum")
    weight = None
    if signs:
        weight = estimator.class_weight
        frozen.set_params(class_weight=None)
    return Objective(spec, frozen, signs, weight)


def _glm(estimator: Any, d: int, loss: Callable[[Any], Loss]) -> Objective:
    spec = GLM(loss(estimator), float(estimator.alpha), estimator.fit_intercept, reduction="mean")
    return Objective(spec, frozen_clone(estimator))


def _tweedie_loss(estimator: Any) -> Loss:
    power = float(estimator.power)
    link = estimator.link
    if link == "auto":
        link = "identity" if power <= 0 else "log"
    named = {0.0: families.gaussian, 1.0: families.poisson, 2.0: families.gamma}
    named[3.0] = families.inverse_gaussian
    if power in named:
        return named[power](link=link)
    return families.tweedie(power=power, link=link)


READERS: dict[str, Callable[[Any, int], Objective]] = {
    "ElasticNet": _elastic_net,
    "ElasticNetCV": _elastic_net,
    "GammaRegressor": partial(_glm, loss=lambda _: families.gamma(link="log")),
    "Lasso": partial(_elastic_net, l1_ratio=1.0),
    "LassoCV": partial(_elastic_net, l1_ratio=1.0),
    "LinearRegression": _least_squares,
    "LogisticRegression": _logistic,
    "LogisticRegressionCV": _logistic_cv,
    "PoissonRegressor": partial(_glm, loss=lambda _: families.poisson(link="log")),
    "Ridge": _ridge,
    "RidgeCV": _ridge_cv,
    "RidgeClassifier": partial(_ridge, signs=True),
    "TweedieRegressor": partial(_glm, loss=_tweedie_loss),
}

OBJECTIVES: dict[str, tuple[str, str, str, str]] = {
    "ElasticNet": ("squared", "mean", "alpha·(1 − l1_ratio)", "alpha·l1_ratio"),
    "ElasticNetCV": ("squared", "mean", "alpha_·(1 − l1_ratio_)", "alpha_·l1_ratio_"),
    "GammaRegressor": ("gamma", "mean", "alpha", ""),
    "Lasso": ("squared", "mean", "", "alpha"),
    "LassoCV": ("squared", "mean", "", "alpha_"),
    "LinearRegression": ("squared", "sum", "", ""),
    "LogisticRegression": ("logistic, multinomial", "sum", "(1 − l1_ratio)/C", "l1_ratio/C"),
    "LogisticRegressionCV": ("logistic, multinomial", "sum", "(1 − l1_ratio_)/C_", "l1_ratio_/C_"),
    "PoissonRegressor": ("poisson", "mean", "alpha", ""),
    "Ridge": ("squared", "sum", "alpha", ""),
    "RidgeCV": ("squared", "sum", "alpha_", ""),
    "RidgeClassifier": ("squared", "sum", "alpha", ""),
    "TweedieRegressor": ("tweedie", "mean", "alpha", ""),
}
"""Loss, reduction, l2 and l1 of each estimator in words: a row for each reader."""
