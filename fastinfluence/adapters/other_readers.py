"""Estimators of glum and skglm, which keep scikit-learn's conventions: one reader each.

Both divide their losses by the total weight. skglm takes no weights; glum's offset is not kept by
the fitted model, so a model fitted with one is described with fi.GLM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastinfluence.adapters.scikit_learn_readers import Objective, frozen_clone, refuse_option
from fastinfluence.errors import UnsupportedError
from fastinfluence.spec import families
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.models import GLM

GLUM_LINKS = {
    "IdentityLink": "identity",
    "LogLink": "log",
    "LogitLink": "logit",
    "CloglogLink": "cloglog",
}
GLUM_FAMILIES: dict[str, Callable[[Any], tuple[Callable[..., Loss], dict[str, float]]]] = {
    "NormalDistribution": lambda _: (families.gaussian, {}),
    "PoissonDistribution": lambda _: (families.poisson, {}),
    "GammaDistribution": lambda _: (families.gamma, {}),
    "InverseGaussianDistribution": lambda _: (families.inverse_gaussian, {}),
    "BinomialDistribution": lambda _: (families.binomial, {}),
    "TweedieDistribution": lambda family: (families.tweedie, {"power": float(family.power)}),
    "NegativeBinomialDistribution": lambda family: (
        families.negative_binomial,
        {"alpha": float(family.theta)},
    ),
}
"""The family here of one there, and its parameters."""
PLAIN = {
    "P1": "identity",
    "P2": "identity",
    "alpha_search": False,
    "lower_bounds": None,
    "upper_bounds": None,
    "A_ineq": None,
    "b_ineq": None,
    "monotonic_constraints": None,
    "formula": None,
    "scale_predictors": False,
}
"""Options of glum that change the objective, and the values at which they do not."""


def _glum(estimator: Any, d: int) -> Objective:
    """(1/W) Σ w·½ unit deviance + alpha·l1_ratio·|theta|₁ + ½·alpha·(1 − l1_ratio)·theta²."""
    for option, value in PLAIN.items():
        given = getattr(estimator, option, value)
        if given is not value and not (isinstance(given, str) and given == value):
            refuse_option(estimator, option, given, "it is read with the default of this option")
    alpha = 0.0 if estimator.alpha is None else float(estimator.alpha)
    ratio = float(estimator.l1_ratio)
    spec = GLM(_glum_loss(estimator), alpha * (1 - ratio), estimator.fit_intercept)
    return Objective(spec, frozen_clone(estimator), l1=alpha * ratio)


def _glum_loss(estimator: Any) -> Loss:
    family, link = estimator.family_instance, estimator.link_instance
    make = GLUM_FAMILIES.get(type(family).__name__)
    name = GLUM_LINKS.get(type(link).__name__)
    if make is None or name is None:
        raise UnsupportedError(
            f"{type(estimator).__name__} with {type(family).__name__} and {type(link).__name__} is "
            f"not supported: known are {', '.join(GLUM_FAMILIES)} and {', '.join(GLUM_LINKS)}"
        )
    maker, params = make(family)
    return maker(link=name, **params)


def _skglm_squares(estimator: Any, d: int) -> Objective:
    """1/(2n) Σ (y − f)² + alpha·l1_ratio·|theta|₁ + ½·alpha·(1 − l1_ratio)·theta²."""
    if estimator.positive:
        refuse_option(estimator, "positive", True, "the constrained optimum is not stationary")
    return _skglm(estimator, "squared", float(getattr(estimator, "l1_ratio", 1.0)))


def _skglm_logistic(estimator: Any, d: int) -> Objective:
    """(1/n) Σ log(1 + exp(−y f)) with the same penalty."""
    if len(estimator.classes_) > 2:
        raise UnsupportedError(
            f"{type(estimator).__name__} was fitted on {len(estimator.classes_)} classes, one "
            "model for each: fit one class against the rest"
        )
    return _skglm(estimator, "logistic", float(estimator.l1_ratio))


def _skglm(estimator: Any, loss: str, ratio: float) -> Objective:
    alpha = float(estimator.alpha)
    spec = GLM(loss, alpha * (1 - ratio), estimator.fit_intercept)
    frozen = frozen_clone(estimator)
    return Objective(spec, frozen, l1=alpha * ratio, unweighted=True)


OTHER_READERS: dict[str, dict[str, Callable[[Any, int], Objective]]] = {
    "glum": {"GeneralizedLinearRegressor": _glum},
    "skglm": {
        "ElasticNet": _skglm_squares,
        "Lasso": _skglm_squares,
        "SparseLogisticRegression": _skglm_logistic,
    },
}
"""Readers by library and by the name of the class."""
