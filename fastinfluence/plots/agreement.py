"""Predicted against actual changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastinfluence.plots.style import BLUE, GREY, ORANGE, light_grid, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastinfluence.validation import Validation

WORDS = {"exact": "exact retraining", "newton": "one Newton step", "refit": "refits"}


def predicted_against_actual(
    validation: Validation, ax: Axes | None = None, quantity: str = "summed test loss"
) -> Axes:
    """Scatter of predicted against actual change, with the diagonal that a perfect one lies on.

    Parameters
    ----------
    validation : Validation
        Of :meth:`fastinfluence.Influence.validate`. Changes are new minus old, in
        ``validation.unit``; removals without an optimum (NaN) are left out.
    ax : Axes, optional
    quantity : str
        What changes, for the labels of both axes.

    Returns
    -------
    Axes

    Raises
    ------
    UnsupportedError
        If matplotlib is not installed.
    """
    ax = new_axes() if ax is None else ax
    cut = validation.n_random
    halves = (
        ("random rows", BLUE, slice(cut), "o"),
        ("largest predictions" if cut else "rows", ORANGE, slice(cut, None), "^"),
    )
    for name, colour, part, marker in halves:
        x, y = validation.predicted[part], validation.actual[part]
        if len(x):
            ax.scatter(x, y, s=26, color=colour, alpha=0.75, marker=marker, label=name, lw=0)
    known = np.isfinite(validation.actual) & np.isfinite(validation.predicted)
    both = np.concatenate([validation.predicted[known], validation.actual[known]])
    if len(both):
        ends = [float(both.min()), float(both.max())]
        ax.plot(ends, ends, "--", color=GREY, linewidth=1, zorder=0, label="predicted = actual")
    ax.set_xlabel(f"predicted change of the {quantity}\n({validation.unit})")
    ax.set_ylabel(f"change by {WORDS[validation.method]}\n({validation.unit})")
    ax.set_title(
        f"{int(known.sum())} rows, each left out\n"
        f"Pearson {validation.pearson:.4f}, slope {validation.slope:.3f}",
        fontsize="medium",
    )
    light_grid(ax)
    ax.legend(frameon=False)
    return ax
