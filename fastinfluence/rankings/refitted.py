"""`fi.removal_curve`: what refits without the first rows of a ranking do to validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.influence import Influence
from fastinfluence.inputs import finite_vector, positive_count
from fastinfluence.labels import LabelCodec
from fastinfluence.problem import TestRows
from fastinfluence.rankings.mislabelled import PROBABILITIES
from fastinfluence.rankings.named import Names
from fastinfluence.rankings.values import PART_BYTES, validation_rows, value_rows
from fastinfluence.spec.units import loss_unit
from fastinfluence.tables import frame_of
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRACTIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
GIVEN, OPPOSITE, RANDOM = "highest score first", "lowest score first", "at random"
HARM = "harm"


@dataclass(frozen=True, repr=False)
class RemovalCurve:
    """Validation rows by refits without growing shares of the training rows.

    Attributes
    ----------
    fractions : ndarray, shape (m,)
        Shares of the training rows that were removed.
    n_removed : ndarray of int, shape (m,)
    loss : dict of str to ndarray
        Mean validation loss by the order of removal: "highest score first" and "lowest score
        first", each (m,), and "at random", (m, draws).
    accuracy : dict of str to ndarray, or None
        Share of the validation rows predicted right, likewise; None where y holds no classes.
    unit : str
        Of the loss.
    names : Names
        What the caller calls the rows, and the library of the table.
    """

    fractions: FloatArray
    n_removed: IntArray
    loss: dict[str, FloatArray]
    accuracy: dict[str, FloatArray] | None
    unit: str
    names: Names

    def to_frame(self) -> Any:
        """One line for each order, draw and share, with loss and accuracy.

        Returns
        -------
        DataFrame or Table
            Of the library of the training table (pandas, polars, Arrow), pandas where X was an
            array.
        """
        columns: dict[str, list[Any]] = {"fraction": [], "n_removed": [], "order": [], "draw": []}
        values: dict[str, list[float]] = {"loss": []}
        if self.accuracy is not None:
            values["accuracy"] = []
        for order, table in self.loss.items():
            draws = table.reshape(len(self.fractions), -1).shape[1]
            for draw in range(draws):
                columns["fraction"] += self.fractions.tolist()
                columns["n_removed"] += self.n_removed.tolist()
                columns["order"] += [order] * len(self.fractions)
                columns["draw"] += [draw] * len(self.fractions)
                for name, found in values.items():
                    whole: dict[str, FloatArray] = getattr(self, name)
                    found += whole[order].reshape(-1, draws)[:, draw].tolist()
        return frame_of({**columns, **values}, None, self.names.library)

    def plot(self, quantity: str = "loss", ax: Axes | None = None) -> Axes:
        """Loss, or accuracy, against the share removed, by each order; needs matplotlib.

        Parameters
        ----------
        quantity : {"loss", "accuracy"}
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        InputError
            As :func:`fastinfluence.plots.removal_curve`.
        """
        from fastinfluence.plots import removal_curve

        return removal_curve(self, quantity, ax)

    def __repr__(self) -> str:
        return f"<RemovalCurve: {len(self.fractions)} shares, loss in {self.unit}>"


def removal_curve(
    infl: Influence,
    X_val: Any,
    y_val: Any,
    order: Any = HARM,
    fractions: Sequence[float] = FRACTIONS,
    draws: int = 5,
    seed: int = 0,
    offset_val: Any = None,
) -> RemovalCurve:
    """Validation loss and accuracy of exact refits without the first rows of a ranking.

    Beside the ranking stand its opposite and ``draws`` random orders: a ranking by harm is worth
    something where its curve falls below the random ones. Ranks are those of the model of all
    rows, not worked out anew after a removal.

    Parameters
    ----------
    infl : Influence
    X_val : array_like, shape (m, d)
    y_val : array_like, shape (m,)
        Rows to measure on. Where ``order`` was found on them too, measure on others as well:
        removal then fits them.
    order : "harm", or array_like of shape (n,), default "harm"
        A score for each training row, the highest removed first: such as
        ``find_label_issues(infl).score`` or ``infl.self_influence()``. "harm" is
        ``-value_rows(infl, X_val, y_val).values``.
    fractions : sequence of float, default 0 to 0.3
        Shares of the training rows to remove, at least 0 and below 1.
    draws : int, default 5
        Random orders.
    seed : int, default 0
        Of the random orders.
    offset_val : array_like, shape (m,), optional
        Required where the model was trained with an offset.

    Returns
    -------
    RemovalCurve
        ``.loss`` and ``.accuracy`` by order, ``.to_frame()``, ``.plot()``.

    Raises
    ------
    InputError
        If ``order`` or ``fractions`` cannot be used.
    NoOptimumError
        If what stays has no finite optimum.
    """
    scores = _scores(infl, X_val, y_val, order, offset_val)
    shares = _shares(fractions)
    test, n = validation_rows(infl, X_val, y_val, offset_val), infl.n_rows
    removed = np.round(shares * n).astype(np.intp)
    ranked = np.argsort(-scores, kind="stable")
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(n) for _ in range(positive_count(draws, "draws"))]
    found = {
        GIVEN: _curves(infl, test, [ranked], removed)[:, 0],
        OPPOSITE: _curves(infl, test, [ranked[::-1]], removed)[:, 0],
        RANDOM: _curves(infl, test, drawn, removed),
    }
    loss = {name: table[..., 0] for name, table in found.items()}
    accuracy = {name: table[..., 1] for name, table in found.items()}
    unit = loss_unit(infl.spec.loss.name)
    known = accuracy if _classes(infl) else None
    return RemovalCurve(shares, removed, loss, known, unit, Names.of(infl))


def _scores(infl: Influence, X_val: Any, y_val: Any, order: Any, offset_val: Any) -> FloatArray:
    if isinstance(order, str):
        if order != HARM:
            raise InputError(f'order={order!r} is unknown: use "{HARM}", or a score for each row')
        return -np.asarray(value_rows(infl, X_val, y_val, offset_val).values)
    try:
        given = np.asarray(order, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"order is a {type(order).__name__}: give a score for each row, as .score or .values"
        ) from error
    if np.asarray(order).dtype.kind in "iu" and _are_positions(given, infl.n_rows):
        raise InputError(
            "order holds the number of each row once: give scores (.score, .values), not .rows"
        )
    if given.shape != (infl.n_rows,):
        raise InputError(
            f"order has shape {given.shape}: give a score for each of the {infl.n_rows} rows"
        )
    return finite_vector(given, infl.n_rows, "order")


def _are_positions(values: FloatArray, n: int) -> bool:
    return n > 1 and np.array_equal(np.sort(values, axis=None), np.arange(n))


def _shares(fractions: Sequence[float]) -> FloatArray:
    shares = np.asarray(fractions, dtype=np.float64)
    inside = np.isfinite(shares) & (shares >= 0) & (shares < 1)
    if shares.ndim != 1 or not len(shares) or not inside.all():
        raise InputError(f"fractions={fractions!r} must be shares of the rows, from 0 to below 1")
    return shares


def _curves(
    infl: Influence, test: TestRows, orders: list[IntArray], removed: IntArray
) -> FloatArray:
    """Loss and accuracy at each share by each order, shape (m, orders, 2)."""
    each = [[_measured(infl, test, order[:k]) for k in removed] for order in orders]
    return np.asarray(each).transpose(1, 0, 2)


def _measured(infl: Influence, test: TestRows, gone: IntArray) -> tuple[float, float]:
    """Mean loss and accuracy of the validation rows by the refit without some rows."""
    model = infl.without(gone) if len(gone) else infl
    engine, m = model._engine, len(test.X)
    theta = np.ascontiguousarray(model.theta[:, None])
    loss = right = 0.0
    for at in test.X.pieces(engine.problem.n_outputs + 1, PART_BYTES):
        part = test.part(at)
        loss += float(engine.test_losses(part, theta).sum())
        if _classes(infl):
            right += float((_predicted(model, part, theta) == part.y).sum())
    return loss / m, right / m


def _classes(infl: Influence) -> bool:
    codec = infl._problem.codec
    return isinstance(codec, LabelCodec) and codec.classes is not None


def _predicted(model: Influence, part: TestRows, theta: FloatArray) -> FloatArray:
    """The value of the likeliest class of each validation row, as the loss is given it."""
    problem, engine = model._problem, model._engine
    codec = problem.codec
    assert isinstance(codec, LabelCodec)
    values = np.asarray(codec.values)
    if problem.n_outputs > 1:
        return np.asarray(values[engine.predictions(part, theta, "raw")[:, 0].argmax(axis=1)])
    probable = problem.spec.loss.name in PROBABILITIES
    f = engine.predictions(part, theta, "mean" if probable else "raw")[:, 0]
    return np.asarray(values[(f > (0.5 if probable else 0.0)).astype(np.intp)])
