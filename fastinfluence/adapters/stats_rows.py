"""The rows behind statsmodels results: design matrix, formula, offset, and checks of X and y."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.inputs import listed
from fastinfluence.tables import Table, as_table, as_vector
from fastinfluence.types import FloatArray, IntArray


def design_table(model: Any) -> Table:
    """The design matrix with its column names and the caller's row labels."""
    named = hasattr(model.data.orig_exog, "columns")
    names = tuple(str(name) for name in model.exog_names)[: model.exog.shape[1]]
    labels = model.data.row_labels if named else None
    return Table(
        np.asarray(model.exog, dtype=np.float64),
        names,
        labels,
        named,
        "pandas" if named else "numpy",
    )


class FormulaRows:
    """From rows of a formula's variables to the columns of the design matrix."""

    def __init__(self, results: Any, names: tuple[str, ...]) -> None:
        self._results = results
        self._names = names

    def __call__(self, X: Any) -> Any:
        """The design matrix of X; X itself where it has the design's columns already."""
        columns = [str(name) for name in getattr(X, "columns", ())]
        if not columns or set(self._names) <= set(columns):
            return X
        try:
            values, labels = self._results._transform_predict_exog(X)
        except Exception as error:
            raise InputError(
                f"the formula {self._results.model.formula!r} refused the rows: {error}"
            ) from error
        return Table(values, self._names, labels, named=True, library="pandas")


def check_rows(X: Any, held: Table) -> None:
    """The caller's X, where given, is what the model was fitted on."""
    if X is None:
        return
    given = as_table(X)
    values = given.values
    if given.named and held.named and set(given.names) >= set(held.names):
        values = values[:, [given.names.index(name) for name in held.names]]
    if values.shape != held.values.shape:
        raise InputError(
            f"X has shape {values.shape} but the model was fitted on {held.values.shape} "
            f"(columns {listed(held.names)}): leave X out, or pass results.model.exog"
        )
    bad = np.argwhere(~np.isclose(values, held.values, rtol=1e-6, equal_nan=True))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"X differs from the rows the model was fitted on, first in row {row}, column "
            f"{held.names[column]!r}: leave X out, or pass results.model.exog"
        )


def check_targets(y: Any, held: FloatArray) -> None:
    """The caller's y, where given, is what the model was fitted on."""
    if y is None:
        return
    wide = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if wide.ndim == 2 and wide.shape[1] == 2:  # successes and failures
        with np.errstate(divide="ignore", invalid="ignore"):
            wide = np.nan_to_num(wide[:, 0] / wide.sum(axis=1))
    given = as_vector(wide, "y")
    same = given.shape == held.shape and given.dtype.kind in "biuf"
    if not (same and np.allclose(given, held, rtol=1e-6)):
        raise InputError(
            "y differs from the targets the model was fitted on: leave y out, or pass "
            "results.model.endog"
        )


def total_offset(model: Any) -> FloatArray | None:
    """Offset plus log exposure; the models hold the exposure as its logarithm."""
    parts = [getattr(model, name, None) for name in ("offset", "exposure")]
    given = [np.asarray(part, dtype=np.float64) for part in parts if part is not None]
    return np.sum(given, axis=0) if given else None


def of_rows(rows: IntArray, **vectors: FloatArray | None) -> dict[str, FloatArray]:
    """The given vectors at some rows, as keyword arguments; None is left out."""
    return {name: vector[rows] for name, vector in vectors.items() if vector is not None}
