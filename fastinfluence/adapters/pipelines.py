"""Pipelines: the fitted transformers turn the caller's rows into the model's columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.tables import Table

MAX_DENSE_BYTES = 4 << 30
"""Largest sparse output that is expanded to a dense table without being asked."""


def split_pipeline(fitted: Any) -> tuple[Callable[[Any], Table] | None, Any]:
    """The transformation before a Pipeline's last step (None for a bare estimator), and it."""
    kind = type(fitted)  # a Pipeline of another library may change the rows themselves
    if kind.__name__ != "Pipeline" or not kind.__module__.startswith("sklearn."):
        return None, fitted
    last = fitted.steps[-1][1]
    if len(fitted.steps) == 1:
        return None, last
    return _Transform(fitted[:-1]), last


class _Transform:
    """The first steps of a fitted Pipeline as a function from rows to a named table."""

    def __init__(self, steps: Any) -> None:
        self._steps = steps

    def __call__(self, X: Any) -> Table:
        try:
            out = self._steps.transform(X)
        except ValueError as error:
            raise InputError(f"the Pipeline's transformers refused the rows: {error}") from error
        values = _dense(out)
        return Table(values, self._names(values.shape[1]), getattr(X, "index", None))

    def _names(self, d: int) -> tuple[str, ...]:
        try:
            return tuple(str(name) for name in self._steps.get_feature_names_out())
        except (AttributeError, ValueError):  # a transformer that cannot name its columns
            return tuple(f"x{j}" for j in range(d))


def _dense(out: Any) -> np.ndarray[Any, Any]:
    if hasattr(out, "tocsr"):
        size = 8 * out.shape[0] * out.shape[1]
        if size > MAX_DENSE_BYTES:
            raise UnsupportedError(
                f"the Pipeline's sparse output would take {size / 2**30:.1f} GiB as a dense "
                "table: reduce its columns"
            )
        out = out.toarray()
    values = np.asarray(out)
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
