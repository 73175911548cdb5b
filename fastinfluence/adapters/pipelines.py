"""Pipelines: the fitted transformers turn the caller's rows into the model's columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastinfluence.errors import InputError
from fastinfluence.tables import Table, as_table, library_of


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
        table = as_table(out, "the Pipeline's output")
        names = self._names(table.values.shape[1])
        labels = getattr(X, "index", None)
        return Table(table.values, names, labels, library=library_of(X))

    def _names(self, d: int) -> tuple[str, ...]:
        try:
            return tuple(str(name) for name in self._steps.get_feature_names_out())
        except (AttributeError, ValueError):  # a transformer that cannot name its columns
            return tuple(f"x{j}" for j in range(d))
