"""Linear support vector machines and stochastic gradient descent of scikit-learn, one reader each.

A hinge max(0, 1 − yf) is read as its smoothed form t·log(1 + exp((1 − yf)/t)) at the weights
trained on the hinge itself (Koh & Liang 2017, section 4.2); the ε-insensitive loss likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fastinfluence.adapters.scikit_learn_readers import Objective, frozen_clone, refuse_option
from fastinfluence.spec import losses
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.models import GLM

TINY = 1e-300
"""Stands for an epsilon of zero, which the smoothed loss takes as a limit only."""
SVM_LOSS = "pass loss='hinge' or 'squared_hinge'"


def hinge(t: float) -> Loss:
    """The smoothed hinge at one temperature."""
    return losses.make("smooth_hinge", t=t)


def insensitive(epsilon: float) -> Callable[[float], Loss]:
    """The smoothed ε-insensitive losses, by temperature."""
    return lambda t: losses.make("smooth_eps_insensitive", eps=max(epsilon, TINY), t=t)


def _svc(estimator: Any, d: int) -> Objective:
    """liblinear: Σ C w_i l_i + ½‖coef‖² + ½(intercept/intercept_scaling)²."""
    if estimator.multi_class != "ovr":
        refuse_option(estimator, "multi_class", estimator.multi_class, "use 'ovr'")
    smooth = hinge if estimator.loss == "hinge" else None
    loss = losses.get("squared_hinge") if smooth is None else hinge(1.0)
    l1 = estimator.penalty == "l1"
    held = _liblinear(estimator, class_weight=None)
    weight = estimator.class_weight
    if not l1:
        spec = _liblinear_spec(estimator, loss, d, 1.0 / float(estimator.C))
        return Objective(spec, held, True, weight, smooth=smooth, by_weight=True)
    scale = float(estimator.intercept_scaling)
    strength = 1.0 / float(estimator.C)
    spec = GLM(loss, 0.0, estimator.fit_intercept, reduction="sum")
    by_intercept = strength / scale if estimator.fit_intercept else 0.0
    return Objective(spec, held, True, weight, strength, by_intercept, by_weight=True)


def _svr(estimator: Any, d: int) -> Objective:
    if estimator.loss != "epsilon_insensitive":
        advice = "pass loss='epsilon_insensitive', or describe it with fi.GLM and fi.Loss"
        refuse_option(estimator, "loss", estimator.loss, advice)
    smooth = insensitive(float(estimator.epsilon))
    spec = _liblinear_spec(estimator, smooth(1.0), d, 1.0 / float(estimator.C))
    return Objective(spec, _liblinear(estimator), smooth=smooth)


def _liblinear(estimator: Any, **held: Any) -> Any:
    """A clone whose refits draw the same numbers, so that only the rows differ between them."""
    from sklearn.base import clone

    seed = 0 if estimator.random_state is None else estimator.random_state
    return clone(estimator).set_params(random_state=seed, **held)


def _liblinear_spec(estimator: Any, loss: Loss, d: int, l2: float) -> GLM:
    if not estimator.fit_intercept:
        return GLM(loss, l2, fit_intercept=False, reduction="sum")
    scale = float(estimator.intercept_scaling)
    penalty = np.append(np.full(d, l2), l2 / scale**2)
    return GLM(loss, penalty, penalize_intercept=True, reduction="sum")


def _linear_kernel(estimator: Any, d: int, smooth: Callable[[float], Loss]) -> Objective:
    """A linear kernel by libsvm: Σ C w_i l_i + ½‖coef‖², the intercept free."""
    weight = getattr(estimator, "class_weight", None)
    held = kernel_clone(estimator)
    spec = GLM(smooth(1.0), 1.0 / float(estimator.C), reduction="sum")
    signs = weight is not None or hasattr(estimator, "classes_")
    return Objective(spec, held, signs, weight, smooth=smooth, by_weight=False)


def kernel_clone(estimator: Any) -> Any:
    """A clone that refits without weights of its own."""
    from sklearn.base import clone

    out = clone(estimator)
    if "class_weight" in out.get_params():
        out.set_params(class_weight=None)
    return out


def linear_svc(estimator: Any, d: int) -> Objective:
    """``SVC(kernel="linear")``."""
    return _linear_kernel(estimator, d, hinge)


def linear_svr(estimator: Any, d: int) -> Objective:
    """``SVR(kernel="linear")``."""
    return _linear_kernel(estimator, d, insensitive(float(estimator.epsilon)))


def _sgd(estimator: Any, d: int, known: dict[str, Callable[[Any], Any]]) -> Objective:
    """(1/n) Σ l_i + ½·alpha‖coef‖², where descent was on its way to."""
    if estimator.penalty not in ("l2", None):
        refuse_option(estimator, "penalty", estimator.penalty, "use 'l2': SGD reaches no zeros")
    if estimator.loss not in known:
        listed = ", ".join(repr(name) for name in known)
        refuse_option(estimator, "loss", estimator.loss, f"read are {listed}")
    found = known[estimator.loss](estimator)
    smooth = None if isinstance(found, Loss) else found
    loss = found if smooth is None else smooth(1.0)
    l2 = float(estimator.alpha) if estimator.penalty else 0.0
    spec = GLM(loss, l2, estimator.fit_intercept)
    seed = 0 if estimator.random_state is None else estimator.random_state
    held = frozen_clone(estimator, random_state=seed)
    signs = not isinstance(loss.y_domain, str) and -1.0 in loss.y_domain
    weight = getattr(estimator, "class_weight", None)
    return Objective(spec, held, signs, weight, smooth=smooth, unweighted=True)


SGD_CLASSIFIER: dict[str, Callable[[Any], Any]] = {
    "hinge": lambda _: hinge,
    "squared_hinge": lambda _: losses.get("squared_hinge"),
    "log_loss": lambda _: losses.get("logistic"),
}
SGD_REGRESSOR: dict[str, Callable[[Any], Any]] = {
    "squared_error": lambda _: losses.get("squared"),
    "huber": lambda estimator: losses.make("huber", delta=float(estimator.epsilon)),
    "epsilon_insensitive": lambda estimator: insensitive(float(estimator.epsilon)),
}

MARGIN_READERS: dict[str, Callable[[Any, int], Objective]] = {
    "LinearSVC": _svc,
    "LinearSVR": _svr,
    "SGDClassifier": partial(_sgd, known=SGD_CLASSIFIER),
    "SGDRegressor": partial(_sgd, known=SGD_REGRESSOR),
    "SVC": linear_svc,
    "SVR": linear_svr,
}

MARGIN_OBJECTIVES: dict[str, tuple[str, str, str, str]] = {
    "LinearSVC": ("smooth_hinge, squared_hinge", "sum", "1/C", "1/C"),
    "LinearSVR": ("smooth_eps_insensitive", "sum", "1/C", ""),
    "SGDClassifier": ("smooth_hinge, squared_hinge, logistic", "mean", "alpha", ""),
    "SGDRegressor": ("squared, huber, smooth_eps_insensitive", "mean", "alpha", ""),
    "SVC": ("smooth_hinge", "sum", "1/C", ""),
    "SVR": ("smooth_eps_insensitive", "sum", "1/C", ""),
}
"""Loss, reduction, l2 and l1 of each estimator in words, as in ``OBJECTIVES``."""
