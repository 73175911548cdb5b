"""scikit-learn: each estimator's own objective, term by term.

The table at the end names what is supported. Each entry gives the loss, the penalty and the
reduction that the estimator minimises, so that ∇R vanishes at its optimum.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastinfluence.adapters.advice import refuse
from fastinfluence.adapters.base import Adapted
from fastinfluence.adapters.pipelines import split_pipeline
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.labels import LabelCodec
from fastinfluence.problem import Problem
from fastinfluence.spec import families
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.models import GLM
from fastinfluence.tables import as_vector
from fastinfluence.types import FloatArray, IntArray


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
    """

    spec: GLM
    frozen: Any
    signs: bool = False
    class_weight: Any = None


def adapt_estimator(
    fitted: Any, X: Any, y: Any, sample_weight: Any, n_threads: int | None
) -> Adapted:
    """The problem, theta and refitting procedure behind a fitted scikit-learn estimator."""
    transform, last = split_pipeline(fitted)
    reader = READERS.get(type(last).__name__)
    if reader is None or not type(last).__module__.startswith("sklearn."):
        refuse(last, READERS, "sklearn")
    _check_fitted(last)
    objective = reader(last, int(np.shape(last.coef_)[-1]))
    classes = getattr(last, "classes_", None)
    table = X if transform is None else transform(X)
    weights = _class_weights(objective, classes, y, sample_weight)
    problem = Problem.build(
        objective.spec,
        table,
        y,
        sample_weight=weights,
        n_threads=n_threads,
        codec=_codec(objective, classes, y),
        transform=transform,
    )
    d = np.shape(last.coef_)[-1]
    if problem.rows.n_features != d:
        raise InputError(
            f"X has {problem.rows.n_features} columns but {type(last).__name__} was fitted on {d}"
        )
    return Adapted(problem, _theta(last), _refitter(objective, problem, y, weights))


def _check_fitted(estimator: Any) -> None:
    if not hasattr(estimator, "coef_"):
        raise InputError(f"{type(estimator).__name__} is not fitted yet: call fit first")
    shape = np.shape(estimator.coef_)
    if len(shape) == 2 and shape[0] != 1:
        what = "classes" if hasattr(estimator, "classes_") else "targets"
        raise UnsupportedError(
            f"{type(estimator).__name__} was fitted on several {what}: fit one class against the "
            "rest, or one target at a time"
        )


def _theta(estimator: Any) -> FloatArray:
    coef = np.asarray(estimator.coef_, dtype=np.float64).ravel()
    if not estimator.fit_intercept:
        return coef
    return np.append(coef, np.asarray(estimator.intercept_, dtype=np.float64).ravel())


def _codec(objective: Objective, classes: Any, y: Any) -> LabelCodec | None:
    if classes is None:
        return None
    unknown = np.setdiff1d(as_vector(y, "y"), classes)
    if len(unknown):
        raise InputError(f"y holds the label {unknown[0]!r}, unknown to the fitted estimator")
    values = (-1.0, 1.0) if objective.signs else (0.0, 1.0)
    return LabelCodec(objective.spec.loss, np.asarray(classes), values)


def _class_weights(objective: Objective, classes: Any, y: Any, sample_weight: Any) -> Any:
    """Sample weights times class weights, as the estimator multiplied them."""
    if objective.class_weight is None:
        return sample_weight
    from sklearn.utils.class_weight import compute_class_weight

    labels = as_vector(y, "y")
    # "balanced" counts rows in ridge classifiers and, in newer releases, weights in logistic ones.
    counted = {}
    if (
        not objective.signs
        and "sample_weight" in inspect.signature(compute_class_weight).parameters
    ):
        counted["sample_weight"] = sample_weight
    per_class = compute_class_weight(objective.class_weight, classes=classes, y=labels, **counted)
    own = per_class[np.searchsorted(classes, labels)]
    return own if sample_weight is None else own * as_vector(sample_weight, "sample_weight")


def _refitter(
    objective: Objective, problem: Problem, y: Any, weights: Any
) -> Callable[[IntArray], FloatArray]:
    """Refit the frozen clone; transformers and class weights keep their fitted values."""
    from sklearn.base import clone

    targets = as_vector(y, "y")

    def refit(rows: IntArray) -> FloatArray:
        estimator = clone(objective.frozen)
        w = None if weights is None else problem.w[rows]
        estimator.fit(problem.rows.take(rows).native(), targets[rows], sample_weight=w)
        return _theta(estimator)

    return refit


# -- one reader per estimator ----------------------------------------------------------


def _frozen(estimator: Any, **held: Any) -> Any:
    from sklearn.base import clone

    return clone(estimator).set_params(warm_start=False, **held)


def _refuse(estimator: Any, option: str, value: Any, advice: str) -> None:
    raise UnsupportedError(f"{type(estimator).__name__}({option}={value!r}): {advice}")


def _logistic(estimator: Any, d: int, C: float | None = None) -> Objective:
    from sklearn.linear_model import LogisticRegression

    _refuse_l1(estimator)
    strength = float(estimator.C if C is None else C)
    l2 = 0.0 if estimator.penalty is None or np.isinf(strength) else 1.0 / strength
    penalty: Any = l2
    whole = estimator.solver == "liblinear" and estimator.fit_intercept
    if whole:  # liblinear penalises the intercept, through a column of intercept_scaling
        if estimator.dual:
            _refuse(estimator, "dual", True, "refit with dual=False, the same optimum")
        penalty = np.append(np.full(d, l2), l2 / estimator.intercept_scaling**2)
    if type(estimator) is LogisticRegression:
        frozen = _frozen(estimator)
    else:
        shared = {k: v for k, v in estimator.get_params().items() if k in _SHARED}
        frozen = LogisticRegression(**shared, C=strength)
    frozen.set_params(class_weight=None)
    spec = GLM("logistic", penalty, estimator.fit_intercept, whole, reduction="sum")
    return Objective(spec, frozen, class_weight=estimator.class_weight)


_SHARED = (
    "dual",
    "fit_intercept",
    "intercept_scaling",
    "max_iter",
    "random_state",
    "solver",
    "tol",
)


def _refuse_l1(estimator: Any) -> None:
    if estimator.penalty in ("l1", "elasticnet"):
        _refuse(estimator, "penalty", estimator.penalty, "only an l2 penalty is smooth: refit")
    ratio = getattr(estimator, "l1_ratio", None)
    if ratio is not None and np.ndim(ratio) == 0 and ratio != 0 and estimator.penalty != "l2":
        _refuse(estimator, "l1_ratio", ratio, "only an l2 penalty is smooth: refit with 0")


def _logistic_cv(estimator: Any, d: int) -> Objective:
    if not estimator.refit:
        _refuse(estimator, "refit", False, "averaged coefficients are no optimum: use refit=True")
    return _logistic(estimator, d, C=float(np.ravel(estimator.C_)[0]))


def _least_squares(estimator: Any, d: int) -> Objective:
    return _squared(estimator, 0.0, _frozen_plain(estimator))


def _ridge(estimator: Any, d: int, signs: bool = False) -> Objective:
    alpha = np.ravel(estimator.alpha)
    if len(alpha) not in (1, d):
        _refuse(estimator, "alpha", estimator.alpha, "give one number")
    return _squared(estimator, float(alpha[0]), _frozen_plain(estimator), signs)


def _ridge_cv(estimator: Any, d: int) -> Objective:
    from sklearn.linear_model import Ridge

    alpha = float(np.ravel(estimator.alpha_)[0])
    frozen = Ridge(alpha=alpha, fit_intercept=estimator.fit_intercept, tol=1e-10)
    return _squared(estimator, alpha, frozen)


def _frozen_plain(estimator: Any) -> Any:
    from sklearn.base import clone

    return clone(estimator)


def _squared(estimator: Any, l2: float, frozen: Any, signs: bool = False) -> Objective:
    if getattr(estimator, "positive", False):
        _refuse(estimator, "positive", True, "the constrained optimum is not stationary: refit")
    spec = GLM("squared", l2, estimator.fit_intercept, reduction="sum")
    weight = None
    if signs:
        weight = estimator.class_weight
        frozen.set_params(class_weight=None)
    return Objective(spec, frozen, signs, weight)


def _glm(estimator: Any, d: int, loss: Callable[[Any], Loss]) -> Objective:
    spec = GLM(loss(estimator), float(estimator.alpha), estimator.fit_intercept, reduction="mean")
    return Objective(spec, _frozen(estimator))


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
    "GammaRegressor": partial(_glm, loss=lambda _: families.gamma(link="log")),
    "LinearRegression": _least_squares,
    "LogisticRegression": _logistic,
    "LogisticRegressionCV": _logistic_cv,
    "PoissonRegressor": partial(_glm, loss=lambda _: families.poisson(link="log")),
    "Ridge": _ridge,
    "RidgeCV": _ridge_cv,
    "RidgeClassifier": partial(_ridge, signs=True),
    "TweedieRegressor": partial(_glm, loss=_tweedie_loss),
}
