"""What checking labels from the top of a ranking buys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    light_grid,
    new_axes,
    plain,
)
from fastinfluence.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = (("-", BLUE, "o"), ("--", ORANGE, "^"), ("-.", GREEN, "s"), (":", PURPLE, "D"))
"""Line, colour and marker of the first four curves; then they come round again."""
DODGE = 0.012
"""Shift between bars at the same share, so that none hides another; a part of the axis."""


def label_repair_curve(scores: Mapping[str, Any], wrong: Any, ax: Axes | None = None) -> Axes:
    """Share of the wrong labels found against the share of rows checked, by each ranking.

    Parameters
    ----------
    scores : mapping of str to array_like, shape (n,)
        A score for each row, by the name of the ranking; rows of large scores are checked first.
    wrong : array_like of bool, shape (n,)
        Which labels are wrong.
    ax : Axes, optional

    Returns
    -------
    Axes
        With the curve of a ranking that knows (best possible) and of one at random (chance).

    Raises
    ------
    InputError
        If lengths differ, or no label is wrong.
    """
    bad = np.asarray(wrong, dtype=bool)
    n, total = len(bad), int(bad.sum())
    if not total:
        raise InputError("no row of wrong is true: there is nothing to find")
    ax = new_axes(5.4, 4.6) if ax is None else ax
    share = 100.0 * np.arange(n + 1) / n
    for place, (name, given) in enumerate(scores.items()):
        value = np.asarray(given, dtype=np.float64)
        if value.shape != (n,):
            raise InputError(f"scores[{name!r}] has shape {value.shape}: give one a row, ({n},)")
        hits = np.concatenate([[0], np.cumsum(bad[np.argsort(-value, kind="stable")])])
        line, colour, marker = STYLES[place % len(STYLES)]
        style: dict[str, Any] = {
            "color": colour,
            "marker": marker,
            "markevery": 0.1,
            "markersize": 4,
        }
        ax.plot(share, 100.0 * hits / total, line, label=plain(name), **style)
    best = 100.0 * np.minimum(np.arange(n + 1) / total, 1.0)
    ax.plot(share, best, color=GREY, linewidth=0.8, label="best possible")
    ax.plot([0, 100], [0, 100], color=GREY, linestyle=(0, (1, 2)), label="chance")
    ax.set(xlim=(0, 100), ylim=(0, 103))
    ax.set_xlabel("rows checked, highest score first (% of all rows)")
    ax.set_ylabel("wrong labels found (% of all wrong ones)")
    ax.set_title(f"Finding {total:,} wrong labels among {n:,}", fontsize="medium")
    light_grid(ax)
    ax.legend(frameon=False, loc="lower right")
    return ax


def accuracy_curve(
    shares: Any,
    accuracy: Mapping[str, Any],
    clean: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Accuracy of the model refitted after some rows were checked and repaired.

    Parameters
    ----------
    shares : array_like, shape (m,)
        Shares of the rows that were checked, from 0 to 1.
    accuracy : mapping of str to array_like, shape (m,) or (m, repeats)
        Accuracy on held-out rows, from 0 to 1, by the name of the ranking; of several repeats the
        mean is drawn, with bars from the smallest to the largest.
    clean : float, optional
        Accuracy with every label right, for a line to compare with.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If lengths differ.
    """
    x = 100.0 * np.asarray(shares, dtype=np.float64)
    ax = new_axes(5.4, 4.6) if ax is None else ax
    for place, (name, given) in enumerate(accuracy.items()):
        mean, spread = _mean_and_spread(name, 100.0 * np.asarray(given, dtype=np.float64), len(x))
        line, colour, marker = STYLES[place % len(STYLES)]
        style: dict[str, Any] = {
            "color": colour,
            "marker": marker,
            "linestyle": line,
            "markersize": 4.5,
        }
        beside = 0.0 if spread is None else DODGE * np.ptp(x) * (place - (len(accuracy) - 1) / 2)
        ax.errorbar(x + beside, mean, spread, label=plain(name), capsize=2, elinewidth=0.8, **style)
    if clean is not None:
        ax.axhline(100.0 * clean, color=GREY, linestyle=(0, (1, 2)), label="every label right")
    ax.set_xlabel("rows checked and repaired, highest score first (% of all rows)")
    ax.set_ylabel("accuracy on held-out rows (%)")
    ax.set_title("Accuracy after repair", fontsize="medium")
    light_grid(ax)
    ax.legend(frameon=False, loc="best")
    return ax


def _mean_and_spread(name: str, value: FloatArray, m: int) -> tuple[FloatArray, FloatArray | None]:
    if value.ndim not in (1, 2) or len(value) != m:
        raise InputError(
            f"accuracy[{name!r}] has shape {value.shape}: give one entry for each of {m} shares, "
            f"({m},) or ({m}, repeats)"
        )
    if value.ndim == 1:
        return value, None
    mean = value.mean(axis=1)
    return mean, np.stack([mean - value.min(axis=1), value.max(axis=1) - mean])
