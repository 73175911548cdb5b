"""Leverage against residual: unusual in X, unusual in y, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastinfluence.plots.style import (
    GREEN,
    GREY,
    PURPLE,
    largest,
    name_points,
    new_axes,
    two_groups,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastinfluence.diagnostics import Diagnostics

LEVELS = (0.5, 1.0)
"""Cook's distances of the outer contours; the inner one is the customary 4/n."""
STYLES = (("-.", GREEN), ("--", PURPLE), ("-", GREY))
ROOM = 1.15


def leverage_against_residual(
    diagnostics: Diagnostics, labelled: int = 5, ax: Axes | None = None
) -> Axes:
    """Studentised residual against leverage, with contours of Cook's distance.

    Rows to the right are unusual in their features, rows at the top and the bottom in their
    target; rows beyond a contour are both. The contours are r² h/(p_eff (1 − h)), which is Cook's
    distance of unpenalised least squares and close to it elsewhere; the rows that stand out are
    chosen by their own Cook's distance.

    Parameters
    ----------
    diagnostics : Diagnostics
        Leverage and internally studentised residuals, both without unit.
    labelled : int, default 5
        How many of the rows with a Cook's distance above 4/n carry their label.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    UnsupportedError
        If the loss has no mean function, so that residuals are not defined.
    """
    h, r = diagnostics.leverage, diagnostics.studentized_internal
    flagged = diagnostics.flagged("cooks_distance")
    ax = new_axes(6.2, 5.0) if ax is None else ax
    bound = diagnostics.thresholds["cooks_distance"]
    words = ("rows with Cook's distance within 4/n", "rows with Cook's distance beyond 4/n")
    two_groups(ax, h, r, flagged, words)
    known = np.isfinite(r)
    right = float(h[known].max()) * ROOM if known.any() else 1.0
    top = max(float(np.abs(r[known]).max()) if known.any() else 1.0, 2.5) * ROOM
    ax.set_xlim(min(0.0, float(h.min())), right)
    ax.set_ylim(-top, top)
    grid = np.linspace(right * 1e-3, min(right, 1 - 1e-9), 400)
    for level, (line, colour) in zip((bound, *LEVELS), STYLES, strict=True):
        curve = np.sqrt(level * diagnostics.p_eff * (1 - grid) / grid)
        if curve.min() > top:
            continue  # the contour lies outside what is drawn
        text = f"Cook's distance {level:.3g}" + (" = 4/n" if level == bound else "")
        ax.plot(grid, curve, line, color=colour, lw=1.2, label=text)
        ax.plot(grid, -curve, line, color=colour, lw=1.2)
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set(xlabel="leverage", ylabel="internally studentised residual")
    ax.set_title("Leverage against residual", fontsize="medium")
    cook = np.where(flagged, diagnostics.cooks_distance, np.nan)
    name_points(ax, largest(cook, labelled), h, r, diagnostics.labels, flagged)
    ax.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    return ax
