"""Which rows come first, and how fast their scores fall off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.inputs import positive_count
from fastinfluence.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    checked_labels,
    largest,
    light_grid,
    new_axes,
    row_name,
)
from fastinfluence.sinks.extremes import Ranking, TopKResult
from fastinfluence.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REMOVAL = "predicted change of the loss when the row is removed"
DECADES = 1e-7
"""Share of the largest score below which nothing is drawn on a log axis."""
BAR_INCHES = 0.24


def influence_ranking(
    scores: Any,
    top: int = 10,
    labels: Sequence[Any] | None = None,
    quantity: str = REMOVAL,
    unit: str = "unit of the loss",
    ax: Axes | None = None,
) -> Axes:
    """Bars of the most helpful and the most harmful rows.

    Parameters
    ----------
    scores : array_like, shape (n,)
        One score a row, with the sign of ``effect="removal"``: on a loss positive is helpful.
    top : int, default 10
        Rows at each end; fewer where fewer have that sign.
    labels : sequence of n, optional
        What to call the rows; their positions by default.
    quantity, unit : str
        For the axis of the scores.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If ``scores`` is no vector, or ``labels`` does not have one entry for each row.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise InputError(f"scores has shape {values.shape}: give one score a row, (n,)")
    names = checked_labels(labels, len(values))
    k = positive_count(top, "top")
    ends = [[i for i in largest(s * values, k) if s * values[i] > 0] for s in (1, -1)]
    helpful, harmful = (np.array(end, dtype=np.intp) for end in ends)
    found = TopKResult(Ranking(helpful, values[helpful]), Ranking(harmful, values[harmful]))
    return two_ends(found, names, quantity, unit, ax)


def two_ends(
    found: TopKResult,
    labels: Sequence[Any] | None,
    quantity: str,
    unit: str,
    ax: Axes | None,
) -> Axes:
    """Horizontal bars of one test row: helpful ones from the top down, the worst at the bottom."""
    helpful, harmful = found.helpful, found.harmful
    count = max(1, len(helpful.rows) + len(harmful.rows))
    ax = new_axes(6.4, 1.6 + BAR_INCHES * count) if ax is None else ax
    names: list[str] = []
    groups = (
        ("helpful", BLUE, "", helpful.rows, helpful.values),
        ("harmful", ORANGE, "////", harmful.rows[::-1], harmful.values[::-1]),
    )
    for kind, colour, hatch, rows, values in groups:
        if len(rows):
            places = np.arange(len(names), len(names) + len(rows))
            ax.barh(places, values, color=colour, hatch=hatch, edgecolor="white", label=kind, lw=0)
            names += [row_name(labels, int(row)) for row in rows]
    ax.set_yticks(np.arange(len(names)), names)
    ax.set_ylim(count - 0.4, -0.6)
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.set_xlabel(f"{quantity}\n({unit})")
    ax.set_title("Most helpful and most harmful rows", fontsize="medium")
    ax.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.5)
    ax.set_axisbelow(True)
    if names:
        ax.legend(frameon=False, loc="best")
    return ax


def falloff(
    scores: Any,
    top: int = 10,
    name: str = "self-influence",
    unit: str = "unit of the loss",
    ax: Axes | None = None,
) -> Axes:
    """Scores from the largest to the smallest, both axes logarithmic.

    A few rows far above a straight fall deserve a look; what is zero or negative is drawn at the
    smallest positive score.

    Parameters
    ----------
    scores : array_like, shape (n,)
        One score a row, such as :meth:`fastinfluence.Influence.self_influence`.
    top : int, default 10
        Rows to mark.
    name, unit : str
        For the axis of the scores.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    UnsupportedError
        If matplotlib is not installed.
    """
    ax = new_axes(5.2, 4.6) if ax is None else ax
    value = np.sort(above_zero(np.asarray(scores, dtype=np.float64)))[::-1]
    place, k = np.arange(1, len(value) + 1), min(top, len(value))
    ax.loglog(place, value, color=BLUE, label=f"all {len(value):,} rows")
    ax.loglog(place[:k], value[:k], "o", color=ORANGE, markersize=4, label=f"top {k}")
    ax.set(xlabel="place in the ranking", ylabel=f"{name} ({unit})")
    ax.set_title(f"{name.capitalize()}, ranked", fontsize="medium")
    ax.set_ylim(max(value.max() * DECADES, value.min() / 2), value.max() * 2)
    light_grid(ax)
    ax.legend(frameon=False, loc="best")
    return ax


def above_zero(values: FloatArray) -> FloatArray:
    """Values for a log axis: what the penalty made zero or negative goes to the smallest."""
    positive = values[values > 0]
    return np.maximum(values, positive.min() if len(positive) else 1.0)
