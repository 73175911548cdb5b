"""The picture of an audit: how self-influence falls off, and where it meets harm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from fastinfluence.audit.result import Audit
from fastinfluence.plots import BLUE, GREY, ORANGE
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELLED = 2
"""Rows that carry their number in each list."""
LAST_LETTER = "\u052f"
"""Matplotlib's own font holds Latin, Greek and Cyrillic, up to here."""
DECADES = 1e-7
"""Share of the largest self-influence below which rows are not drawn."""


def draw(result: Audit, top: int, path: Path, kind: str) -> None:
    """Draw into ``path`` a picture of format ``kind`` ("png", "svg", "pdf")."""
    figure = Figure(figsize=(10.5, 4.6), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_ranking(left, result, top)
    _draw_harm(right, result, top)
    figure.savefig(path, format=kind, metadata=_UNDATED.get(kind))


_UNDATED: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""The same audit gives the same bytes."""


def _draw_ranking(axes: Axes, result: Audit, top: int) -> None:
    order = result.most_suspicious(len(result.target.rows))
    value = _above_zero(result.scores.self_influence)[order]
    place = np.arange(1, len(order) + 1)
    axes.loglog(place, value, color=BLUE, label=f"all {len(order):,} rows")
    axes.loglog(
        place[:top],
        value[:top],
        "o",
        color=ORANGE,
        markersize=4,
        label=f"top {min(top, len(place))}",
    )
    axes.set(
        title=f"Self-influence, ranked (target: {_name(result)})",
        xlabel="place in the ranking",
        ylabel=f"self-influence ({_unit(result)})",
    )
    axes.set_ylim(value.max() * DECADES, value.max() * 2)
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.legend(frameon=False, loc="upper right")


def _draw_harm(axes: Axes, result: Audit, top: int) -> None:
    value, harm = _above_zero(result.scores.self_influence), result.scores.harm
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    size = float(np.clip(3e4 / len(harm), 1.5, 16))
    axes.scatter(
        value, harm, s=size, color=BLUE, alpha=0.35, linewidths=0, label="all rows", rasterized=True
    )
    for chosen, marker, label in (
        (result.most_suspicious(top), "o", "most suspicious"),
        (result.most_harmful(top), "x", "most harmful"),
    ):
        axes.plot(
            value[chosen],
            harm[chosen],
            marker,
            color=ORANGE,
            markersize=5,
            label=label,
            fillstyle="none",
        )
    named = np.concatenate([f(LABELLED) for f in (result.most_suspicious, result.most_harmful)])
    _number(axes, result, np.unique(named), value, harm)
    axes.set_xscale("log")
    axes.set_xlim(value.max() * DECADES, value.max() * 2)
    axes.set(
        title="Rows that hurt the prediction of others",
        xlabel=f"self-influence ({_unit(result)})",
        ylabel=f"harm to held-out rows ({_unit(result)})",
    )
    axes.legend(frameon=False, loc="upper left")


def _number(axes: Axes, result: Audit, chosen: IntArray, x: FloatArray, y: FloatArray) -> None:
    """Row numbers left of their points, away from the edge where the largest ones are."""
    for i in chosen:
        axes.annotate(
            f"{result.target.rows[i]:,}",
            (x[i], y[i]),
            (-5, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7,
        )


def _above_zero(values: FloatArray) -> FloatArray:
    """Values for a log axis: what the penalty made zero or negative goes to the smallest."""
    positive = values[values > 0]
    return np.maximum(values, positive.min() if len(positive) else 1.0)


def _unit(result: Audit) -> str:
    return "nats" if result.target.task == "classify" else "squared unit"


def _name(result: Audit) -> str:
    """The target's name, of letters that the font has and none that begin a formula."""
    known = (c if c <= LAST_LETTER and c.isprintable() else "?" for c in result.target.name)
    return "".join(known).replace("$", r"\$")
