"""From the models users have fitted to specifications: one file per library."""

from __future__ import annotations

from typing import Any

from fastinfluence.adapters.base import Adapted
from fastinfluence.errors import UnsupportedError


def adapt(fitted: Any, X: Any, y: Any, sample_weight: Any, n_threads: int | None) -> Adapted:
    """The problem, theta and refitting procedure behind a fitted model."""
    module = type(fitted).__module__.partition(".")[0]
    if module == "sklearn":
        from fastinfluence.adapters.scikit_learn import adapt_estimator

        return adapt_estimator(fitted, X, y, sample_weight, n_threads)
    raise UnsupportedError(
        f"{type(fitted).__module__}.{type(fitted).__qualname__} is not a supported estimator: "
        "describe it yourself with fi.Influence(fi.GLM(...), X, y, theta)"
    )


__all__ = ["Adapted", "adapt"]
