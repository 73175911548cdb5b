"""From the models users have fitted to specifications: one file per library."""

from __future__ import annotations

from typing import Any

from fastinfluence.adapters.advice import DESCRIBE
from fastinfluence.adapters.base import Adapted, Margins
from fastinfluence.errors import InputError, UnsupportedError


def adapt(
    fitted: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    n_threads: int | None,
    margins: Margins,
) -> Adapted:
    """The problem, theta and refitting procedure behind a fitted model.

    statsmodels results know their own rows: X and y may be None for them.
    """
    origins = {parent.__module__.partition(".")[0] for parent in type(fitted).__mro__}
    if "sklearn" in origins:
        from fastinfluence.adapters.scikit_learn import adapt_estimator
        from fastinfluence.adapters.scikit_learn_networks import adapt_network, is_network

        if X is None or y is None:
            raise InputError(
                f"{type(fitted).__name__} does not keep its rows: pass the X and y it was fitted on"
            )
        if is_network(fitted):
            if margins.temperature is not None:
                raise InputError("temperature smooths the hinge of an SVM; a network has none")
            return adapt_network(fitted, X, y, sample_weight, n_threads)
        return adapt_estimator(fitted, X, y, sample_weight, n_threads, margins)
    if "statsmodels" in origins:
        from fastinfluence.adapters.stats_models import adapt_results

        if margins.temperature is not None:
            raise InputError("temperature smooths the hinge of an SVM; this model has none")
        return adapt_results(fitted, X, y, sample_weight, n_threads)
    raise UnsupportedError(
        f"{type(fitted).__module__}.{type(fitted).__qualname__} is not a supported estimator of "
        f"scikit-learn or statsmodels: {DESCRIBE}"
    )


__all__ = ["Adapted", "Margins", "adapt"]
