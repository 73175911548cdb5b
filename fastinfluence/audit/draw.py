"""The picture of an audit: how self-influence falls off, and where it meets harm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from fastinfluence.audit.result import Audit
from fastinfluence.audit.write import UNDATED
from fastinfluence.plots import BLUE, GREY, ORANGE, falloff
from fastinfluence.plots.ranking import DECADES, above_zero
from fastinfluence.plots.style import plain
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELLED = 2
"""Rows that carry their number in each list."""


def draw(result: Audit, top: int, path: Path, kind: str) -> None:
    """Draw into ``path`` a picture of format ``kind`` ("png", "svg", "pdf")."""
    figure = Figure(figsize=(10.5, 4.6), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_ranking(left, result, top)
    draw_harm(right, result, top)
    figure.savefig(path, format=kind, metadata=UNDATED.get(kind))


def draw_ranking(axes: Axes, result: Audit, top: int) -> Axes:
    """How fast self-influence falls off."""
    falloff(result.scores.self_influence, top, unit=unit_of(result), ax=axes)
    axes.set_title(f"Self-influence, ranked (target: {plain(result.target.name)})")
    return axes


def draw_harm(axes: Axes, result: Audit, top: int) -> Axes:
    """Harm to others against self-influence; both lists marked, their first rows numbered."""
    value, harm = above_zero(result.scores.self_influence), result.scores.harm
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
        xlabel=f"self-influence ({unit_of(result)})",
        ylabel=f"harm to held-out rows ({unit_of(result)})",
    )
    axes.legend(frameon=False, loc="upper left")
    return axes


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


def unit_of(result: Audit) -> str:
    """The unit of losses and scores."""
    return "nats" if result.target.task == "classify" else "squared unit of the target"
