"""What each training row is worth on validation rows, and which ones do harm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.influence import Influence
from fastinfluence.inputs import positive_count
from fastinfluence.problem import TestRows
from fastinfluence.rankings.named import Names
from fastinfluence.sinks import Sink, TopK, Total
from fastinfluence.spec.units import loss_unit
from fastinfluence.types import FloatArray, IntArray

PART_BYTES = 1 << 24
"""Bytes of validation rows' gradients that are held at a time."""


@dataclass(frozen=True, repr=False)
class RowValues:
    """A value for each training row.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Predicted rise of the mean validation loss when the row is removed, in the unit of the
        loss: positive, the row helps; negative, the mean loss would fall without it. Values add
        up: to first order a group's is the sum of its rows'.
    unit : str
        Of the values.
    names : Names
        What the caller calls the rows.
    """

    values: FloatArray
    unit: str
    names: Names

    def sum(self, rows: Any) -> float:
        """First-order rise of the mean validation loss when all these rows are removed.

        Parameters
        ----------
        rows : array_like of int or bool
            Positions, or a mask of all rows.

        Returns
        -------
        float
            In ``unit``.

        Raises
        ------
        IndexError
            If there is no such row.
        """
        return float(self.values[np.asarray(rows)].sum())

    def to_frame(self) -> Any:
        """The table ``row``, ``value`` in the order of the training rows.

        Returns
        -------
        DataFrame or Table
            Of the library of the training table (pandas, polars, Arrow), pandas where X was an
            array.
        """
        return self.names.frame(np.arange(len(self.values)), {"value": self.values})

    def __repr__(self) -> str:
        worse = int((self.values < 0).sum())
        return f"<RowValues: {worse} of {len(self.values)} rows below zero, in {self.unit}>"


@dataclass(frozen=True, repr=False)
class HarmfulRows:
    """Training rows without which validation rows are predicted better, most harmful first.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        At most as many as asked for, fewer where fewer do harm.
    values : ndarray, shape (m,)
        Predicted change of the mean validation loss when the row is removed: negative.
    actual : ndarray, shape (m,), or None
        The change by an exact refit without the row, where asked for: negative too.
    unit : str
        Of ``values`` and ``actual``.
    names : Names
        What the caller calls the rows.
    """

    rows: IntArray
    values: FloatArray
    actual: FloatArray | None
    unit: str
    names: Names

    @property
    def labels(self) -> Any:
        """What the caller calls the rows, or their positions, shape (m,)."""
        return self.names.at(self.rows)

    def to_frame(self) -> Any:
        """The table ``row``, ``value`` and, where asked for, ``actual``.

        Returns
        -------
        DataFrame or Table
            Of the library of the training table (pandas, polars, Arrow), pandas where X was an
            array.
        """
        columns = {"value": self.values}
        if self.actual is not None:
            columns["actual"] = self.actual
        return self.names.frame(self.rows, columns)

    def __repr__(self) -> str:
        return f"<HarmfulRows: {len(self.rows)} rows, in {self.unit}>"


def value_rows(
    infl: Influence,
    X_val: Any,
    y_val: Any,
    offset_val: Any = None,
    out: Sink[Any] | None = None,
) -> Any:
    """A value for each training row: what it contributes to low loss on validation rows.

    The influence of row i on the mean validation loss with ``effect="removal"``,
    (w_i/W)·∇l_valᵀH⁻¹g_i. Validation rows enter by the sum of their gradients alone, so the cost
    is one solve and one pass over the training rows, whatever their number.

    In mean form the values of all rows sum to zero at the optimum: a value says how much better
    or worse than the average row a row is.

    Parameters
    ----------
    infl : Influence
    X_val : array_like, shape (m, d)
    y_val : array_like, shape (m,)
    offset_val : array_like, shape (m,), optional
        Required where the model was trained with an offset.
    out : fi.TopK(k) or fi.ParquetSink(path), optional
        Where the n values go instead, for tables of which not even one number a row is wanted in
        memory; what the sink gives is returned.

    Returns
    -------
    RowValues
        ``.values``, shape (n,), in the unit of the loss.

    Raises
    ------
    InputError
        As :meth:`Influence.on_loss`.
    """
    gradient = mean_gradient(infl, X_val, y_val, offset_val)
    if out is not None:
        return infl.on_function(gradient, out=out)
    values = infl.on_function(gradient, out=Total())
    return RowValues(np.asarray(values), _unit(infl), Names.of(infl))


def rank_harmful(
    infl: Influence,
    X_val: Any,
    y_val: Any,
    k: int = 10,
    verify: bool = False,
    offset_val: Any = None,
) -> HarmfulRows:
    """The training rows whose removal lowers the mean validation loss most.

    Only rows that do harm are named: fewer than k where fewer are predicted to, or, with
    ``verify``, where an exact refit without a row does not lower the loss.

    Parameters
    ----------
    infl, X_val, y_val, offset_val
        As in :func:`value_rows`.
    k : int, default 10
    verify : bool, default False
        Refit exactly without each of the k rows, and leave out those that do no harm.

    Returns
    -------
    HarmfulRows
        ``.rows``, ``.values`` (negative), ``.actual``, ``.to_frame()``.

    Raises
    ------
    InputError
        If k is no count; else as :meth:`Influence.on_loss`.
    """
    gradient = mean_gradient(infl, X_val, y_val, offset_val)
    ends = infl.on_function(gradient, out=TopK(positive_count(k, "k"))).harmful
    rows, values = ends.rows[0], ends.values[0]
    harmful = values < 0
    rows, values = rows[harmful], values[harmful]
    actual = None
    if verify:
        actual = _by_refits(infl, rows, X_val, y_val, offset_val)
        worse = actual < 0
        rows, values, actual = rows[worse], values[worse], actual[worse]
    return HarmfulRows(rows, values, actual, _unit(infl), Names.of(infl))


def mean_gradient(infl: Influence, X_val: Any, y_val: Any, offset_val: Any) -> FloatArray:
    """Gradient in theta of the mean validation loss, shape (p,); no penalty."""
    test = validation_rows(infl, X_val, y_val, offset_val)
    engine = infl._engine
    out = np.zeros(engine.n_params)
    for at in test.X.pieces(engine.n_params, PART_BYTES):
        out += engine.loss_gradients(test.part(at)).sum(axis=0)
    return out / len(test.X)


def validation_rows(infl: Influence, X_val: Any, y_val: Any, offset_val: Any) -> TestRows:
    """Checked validation rows with labels."""
    if not isinstance(infl, Influence):
        raise InputError(f"the first argument is a {type(infl).__name__}: give a fitted Influence")
    if y_val is None:
        raise InputError("y_val is needed: values are measured on the loss of labelled rows")
    return infl._engine.problem.test_rows(X_val, y_val, offset_val)


def _by_refits(
    infl: Influence, rows: IntArray, X_val: Any, y_val: Any, offset_val: Any
) -> FloatArray:
    """Change of the mean validation loss by exact removal of each row, shape (k,)."""
    if not len(rows):
        return np.zeros(0)
    removal = infl.leave_one_out(rows, method="exact")
    return np.asarray(removal.on_loss(X_val, y_val, offset_val).mean(axis=0))


def _unit(infl: Influence) -> str:
    return loss_unit(infl.spec.loss.name)
