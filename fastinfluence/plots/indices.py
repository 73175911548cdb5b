"""One diagnostic of every row, in the order of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastinfluence.inputs import one_of
from fastinfluence.plots.style import (
    GREY,
    MANY,
    ORANGE,
    largest,
    name_points,
    new_axes,
    two_groups,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastinfluence.diagnostics import Diagnostics

NAMES = {
    "cooks_distance": "Cook's distance",
    "leverage": "leverage",
    "dffits": "DFFITS",
    "studentized_internal": "internally studentised residual",
    "studentized_external": "externally studentised residual",
}
"""Diagnostics with a customary threshold and one number a row; none has a unit."""
RULES = {
    "cooks_distance": "4/n",
    "leverage": "2 p/n",
    "dffits": "2 √(p/n)",
    "studentized_internal": "2",
    "studentized_external": "2",
}
SIGNED = ("dffits", "studentized_internal", "studentized_external")


def index_plot(
    diagnostics: Diagnostics,
    name: str = "cooks_distance",
    labelled: int = 5,
    ax: Axes | None = None,
) -> Axes:
    """A diagnostic against the row, with the customary threshold; rows beyond it stand out.

    Parameters
    ----------
    diagnostics : Diagnostics
    name : {"cooks_distance", "leverage", "dffits", "studentized_internal", \
"studentized_external"}
        All without unit. p of the thresholds is ``diagnostics.p_eff``.
    labelled : int, default 5
        How many of the rows beyond the threshold carry their label, the largest first.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For an unknown name.
    UnsupportedError
        If the diagnostic is not defined for the loss.
    """
    one_of(name, tuple(NAMES), "name")
    value, flagged = getattr(diagnostics, name), diagnostics.flagged(name)
    bound = diagnostics.thresholds[name]
    ax = new_axes(6.8, 4.0) if ax is None else ax
    row = np.arange(len(value), dtype=np.float64)
    if len(value) <= MANY:
        ax.vlines(row, 0, value, color=GREY, linewidth=0.7, alpha=0.6)
    two_groups(ax, row, value, flagged, ("within", "beyond"))
    signs = (1, -1) if name in SIGNED else (1,)
    text = f"threshold {RULES[name]}" + (f" = {bound:.3g}" if RULES[name] != f"{bound:g}" else "")
    for sign in signs:
        ax.axhline(
            sign * bound, linestyle="--", color=ORANGE, lw=1, label=text if sign > 0 else None
        )
    ax.margins(x=0.03, y=0.12)
    ax.set(xlabel="row (position in the training table)", ylabel=NAMES[name])
    ax.set_title(_title(name, value.size - int(np.isfinite(value).sum())), fontsize="medium")
    if name not in SIGNED:
        ax.set_ylim(bottom=0)
    excess = np.where(flagged, np.abs(value), np.nan)
    name_points(ax, largest(excess, labelled), row, value, diagnostics.labels, flagged)
    ax.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.18), fontsize=9)
    return ax


def _title(name: str, undefined: int) -> str:
    title = NAMES[name][:1].upper() + NAMES[name][1:] + " of every row"
    return title if not undefined else f"{title}\n({undefined} of leverage 1 have none)"
