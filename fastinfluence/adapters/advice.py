"""What to do about a model that no adapter reads, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from fastinfluence.errors import UnsupportedError
from fastinfluence.inputs import listed

_BEST = "pass its .best_estimator_"
_PART = "pass one of its .estimators_ with that estimator's own y"
DESCRIBE = "describe the model yourself with fi.Influence(fi.GLM(...), X, y, theta)"
ADVICE: dict[str, str] = {
    "FrozenEstimator": "pass its .estimator",
    "CalibratedClassifierCV": "pass the estimator that it calibrates",
    "GLS": "its errors are correlated; independent ones of unequal variance are WLS",
    "GLSAR": "its errors are correlated, so no row leaves alone",
    "GridSearchCV": _BEST,
    "HalvingGridSearchCV": _BEST,
    "HalvingRandomSearchCV": _BEST,
    "RandomizedSearchCV": _BEST,
    "HuberRegressor": "its scale is fitted too: fi.losses.huber(delta=epsilon*scale_) holds it "
    "at its estimate, with fi.GLM and theta",
    "MultiOutputClassifier": _PART,
    "MultiOutputRegressor": _PART,
    "OneVsOneClassifier": _PART,
    "OneVsRestClassifier": _PART,
    "NuSVC": "its nu ties the penalty to the number of rows: fit SVC, which holds C",
    "NuSVR": "its nu moves the width of the tube: fit SVR, which holds epsilon",
    "OneClassSVM": "its labels are its own predictions, so no row has one to be harmful by",
    "QuantileRegressor": "fi.losses.smooth_quantile(tau=..., t=...) smooths its loss, with fi.GLM",
    "QuantReg": "fi.losses.smooth_quantile(tau=..., t=...) smooths its loss, with fi.GLM",
    "RLM": "its scale is fitted too: fi.losses.huber(delta=t*scale) holds it at its estimate, with "
    "fi.GLM and theta",
    "TransformedTargetRegressor": "pass its .regressor_, with y as its .transformer_ gives it",
}


def refuse(model: Any, supported: Iterable[str], library: str) -> NoReturn:
    """Raise UnsupportedError naming the model, what is supported, and what to do.

    Raises
    ------
    UnsupportedError
        Always.
    """
    kind = type(model)
    names = sorted(supported)
    own = kind.__module__.partition(".")[0] == library
    base = [parent.__name__ for parent in kind.__mro__[1:] if parent.__name__ in names]
    what = kind.__name__ if own else f"{kind.__module__}.{kind.__qualname__}"
    if own and kind.__name__ in ADVICE:
        raise UnsupportedError(f"{what} is not supported: {ADVICE[kind.__name__]}")
    if base:
        raise UnsupportedError(
            f"{what} is not supported: a subclass of {base[0]} may minimise something else. Copy "
            f"its parameters into a {base[0]}, or {DESCRIBE}"
        )
    raise UnsupportedError(
        f"{what} is not supported (supported by {library}: {listed(names, 99)}): {DESCRIBE}"
    )
