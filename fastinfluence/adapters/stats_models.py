"""statsmodels: results of linear, generalised linear and discrete models.

All minimise a sum over rows without a penalty. The table at the end names the models that are
read. Rows, weights and offsets come from the fitted model itself; a constant is an ordinary
column of it, so that theta is ``results.params`` in the same order.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastinfluence.adapters.advice import refuse
from fastinfluence.adapters.base import Adapted
from fastinfluence.adapters.stats_rows import (
    FormulaRows,
    check_rows,
    check_targets,
    design_table,
    of_rows,
    total_offset,
)
from fastinfluence.errors import FastInfluenceWarning, InputError, LossError, UnsupportedError
from fastinfluence.problem import Problem
from fastinfluence.spec import families, losses
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.models import GLM
from fastinfluence.types import FloatArray, IntArray

Refitted = Callable[[IntArray], Any]
NEWTON = {"method": "newton", "tol": 1e-11, "maxiter": 200, "disp": 0}
"""How discrete models are refitted: quadratic convergence, stopped by the step."""
IRLS = {"tol": 1e-13, "rtol": 1e-12, "tol_criterion": "params", "maxiter": 2000}
"""How GLMs are refitted: statsmodels stops at a small change of the deviance by default."""


@dataclass(frozen=True)
class Fitted:
    """What a statsmodels model minimises.

    Attributes
    ----------
    loss : Loss
    refit : callable
        Refits on rows given by position and returns results.
    weights : ndarray, shape (n,), or None
    frequency : bool
        Whether weights count identical rows.
    n_extra : int
        Parameters at the end of ``results.params`` that are held at their estimates.
    """

    loss: Loss
    refit: Refitted
    weights: FloatArray | None = None
    frequency: bool = False
    n_extra: int = 0


def adapt_results(
    results: Any, X: Any, y: Any, sample_weight: Any, n_threads: int | None
) -> Adapted:
    """The problem, theta and refitting procedure behind statsmodels results."""
    _refuse_unfitted(results)
    _refuse_restricted(results)
    model = results.model
    reader = READERS.get(type(model).__name__)
    if reader is None or not type(model).__module__.startswith("statsmodels."):
        refuse(model, READERS, "statsmodels")
    if sample_weight is not None:
        raise InputError("sample_weight is read from a statsmodels model: leave it out")
    fitted = reader(results)
    table = design_table(model)
    transform = FormulaRows(results, table.names) if hasattr(model, "formula") else None
    check_rows(X if transform is None or X is None else transform(X), table)
    check_targets(y, model.endog)
    problem = Problem.build(
        GLM(fitted.loss, 0.0, fit_intercept=False, reduction="sum"),
        table,
        model.endog,
        sample_weight=fitted.weights,
        offset=total_offset(model),
        n_threads=n_threads,
        transform=transform,
    )
    problem = replace(problem, frequency_weights=fitted.frequency)
    p = problem.n_params

    def refit(rows: IntArray) -> FloatArray:
        return np.array(fitted.refit(rows).params, dtype=np.float64)[:p]

    return Adapted(problem, np.array(results.params, dtype=np.float64)[:p], refit)


# -- what is refused -------------------------------------------------------------------


def _refuse_unfitted(results: Any) -> None:
    if hasattr(results, "params"):
        if getattr(getattr(results, "model", None), "exog", None) is None:
            raise InputError(
                f"{type(results).__name__} holds no training rows (remove_data?): fit the model "
                "again and keep its data"
            )
        return
    if hasattr(results, "fit"):
        raise InputError(
            f"{type(results).__name__} is a model, not results: pass what its fit() returns"
        )
    raise UnsupportedError(f"{type(results).__name__} holds no params: pass what fit() returns")


def _refuse_restricted(results: Any) -> None:
    name = type(results).__name__
    if name.startswith(("Regularized", "L1")) or getattr(results, "regularized", False):
        raise UnsupportedError(
            f"{name} comes from fit_regularized, which does not keep its penalty: fit the same "
            "objective with fi.Influence.fit(fi.GLM(..., l2=...), X, y), or scikit-learn's "
            "ElasticNet for an l1 penalty"
        )
    if getattr(results, "constraints", None) is not None:
        raise UnsupportedError(
            f"{name} comes from fit_constrained: substitute the constraints into the columns of "
            "exog and use fit()"
        )


# -- one reader per model --------------------------------------------------------------


def _least_squares(results: Any) -> Fitted:
    model = results.model
    weights = None
    if type(model).__name__ == "WLS":
        weights = np.broadcast_to(np.asarray(model.weights, np.float64), model.endog.shape)

    def refit(rows: IntArray) -> Any:
        kept = of_rows(rows, weights=weights)
        return type(model)(model.endog[rows], model.exog[rows], **kept).fit()

    return Fitted(losses.get("squared"), refit, weights)


def _glm(results: Any) -> Fitted:
    model = results.model
    weights = np.asarray(model.iweights * model.n_trials, dtype=np.float64)
    weights = np.broadcast_to(weights, model.endog.shape)
    frequency = not bool((np.asarray(model.freq_weights) == 1).all())
    if frequency and not bool((weights == model.freq_weights).all()):
        frequency = False
        warnings.warn(
            "the model has freq_weights and var_weights (or trials): diagnostics count rows of "
            "positive weight, not their frequencies",
            FastInfluenceWarning,
            stacklevel=5,
        )
    refit = _glm_refit(model, model.family, weights, results.params)
    return Fitted(_family_loss(model.family), refit, weights, frequency)


def _glm_refit(model: Any, family: Any, weights: FloatArray | None, start: Any) -> Refitted:
    from statsmodels.genmod import generalized_linear_model as glm

    family = copy.copy(family)
    if hasattr(family, "n"):  # numbers of trials of all rows; they are among the weights here
        family.n = 1
    family.safe_links = [type(family.link)]  # the caller has had that warning already
    offset = total_offset(model)

    def refit(rows: IntArray) -> Any:
        kept = of_rows(rows, var_weights=weights, offset=offset)
        reduced = glm.GLM(model.endog[rows], model.exog[rows], family=family, **kept)
        return reduced.fit(start_params=np.asarray(start), **IRLS)

    return refit


FAMILIES = {
    "Gaussian": "gaussian",
    "Binomial": "binomial",
    "Poisson": "poisson",
    "Gamma": "gamma",
    "InverseGaussian": "inverse_gaussian",
    "NegativeBinomial": "negative_binomial",
    "Tweedie": "tweedie",
}
LINKS = {
    "Identity": "identity",
    "Log": "log",
    "Logit": "logit",
    "Probit": "probit",
    "CLogLog": "cloglog",
    "InversePower": "inverse",
    "InverseSquared": "inverse_squared",
    "Sqrt": "sqrt",
}
POWERS = {1.0: "identity", -1.0: "inverse", -2.0: "inverse_squared", 0.5: "sqrt"}


def _family_loss(family: Any) -> Loss:
    kind, link = type(family).__name__, type(family.link).__name__
    ours = POWERS.get(float(family.link.power)) if link == "Power" else LINKS.get(link)
    params = {}
    if kind == "NegativeBinomial":
        params["alpha"] = float(family.alpha)
    if kind == "Tweedie":
        params["power"] = float(family.var_power)
    if kind not in FAMILIES or ours is None:
        known = f"families {', '.join(FAMILIES)}; links {', '.join(LINKS)}"
        raise UnsupportedError(f"GLM(family={kind}, link={link}) is not supported ({known})")
    try:
        return families.make(FAMILIES[kind], ours, **params)
    except LossError as error:
        raise UnsupportedError(f"GLM(family={kind}, link={link}): {error}") from error


def _discrete(results: Any, loss: Loss) -> Fitted:
    model, offset = results.model, total_offset(results.model)

    def refit(rows: IntArray) -> Any:
        kept = of_rows(rows, offset=offset)
        reduced = type(model)(model.endog[rows], model.exog[rows], **kept)
        return reduced.fit(start_params=np.asarray(results.params), **NEWTON)

    return Fitted(loss, refit)


def _negative_binomial(results: Any) -> Fitted:
    """Variance mu + alpha·mu²; alpha stays at its estimate, in refits too."""
    from statsmodels.genmod.families import NegativeBinomial

    model = results.model
    if model.loglike_method not in ("nb2", "geometric"):
        raise UnsupportedError(
            f"NegativeBinomial(loglike_method={model.loglike_method!r}) has another variance: "
            'refit with loglike_method="nb2"'
        )
    params = np.asarray(results.params, dtype=np.float64)
    n_extra = len(params) - model.exog.shape[1]
    alpha = float(params[-1]) if n_extra else 1.0
    if n_extra:
        warnings.warn(
            f"NegativeBinomial estimated alpha = {alpha:.4g}: it is held there, so influence and "
            "removal (refits included) are those of the coefficients at a known alpha",
            FastInfluenceWarning,
            stacklevel=5,
        )
    start = params[: len(params) - n_extra]
    refit = _glm_refit(model, NegativeBinomial(alpha=alpha), None, start)
    return Fitted(families.make("negative_binomial", "log", alpha=alpha), refit, n_extra=n_extra)


READERS: dict[str, Callable[[Any], Fitted]] = {
    "GLM": _glm,
    "Logit": lambda results: _discrete(results, families.make("binomial", "logit")),
    "NegativeBinomial": _negative_binomial,
    "OLS": _least_squares,
    "Poisson": lambda results: _discrete(results, families.make("poisson", "log")),
    "Probit": lambda results: _discrete(results, families.make("binomial", "probit")),
    "WLS": _least_squares,
}

OBJECTIVES: dict[str, tuple[str, str]] = {
    "GLM": ("the family's with its link", "freq_weights, var_weights, trials, offset, exposure"),
    "Logit": ("`binomial`, logit link", "offset"),
    "NegativeBinomial": (
        "`negative_binomial`, log link, alpha held at its estimate",
        "offset, exposure",
    ),
    "OLS": ("`squared`", ""),
    "Poisson": ("`poisson`, log link", "offset, exposure"),
    "Probit": ("`binomial`, probit link", "offset"),
    "WLS": ("`squared`", "weights"),
}
"""Loss of each model, and what else of its objective is read: a row for each reader."""
