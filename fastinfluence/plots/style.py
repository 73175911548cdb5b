"""What the pictures share: colours, fresh axes, and texts that the font can draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676"
"""Okabe and Ito's blue, vermillion, green and purple, and a grey that white paper holds."""
LAST_LETTER = "\u052f"
"""Matplotlib's own font holds Latin, Greek and Cyrillic, up to here."""
SIGNS = frozenset("‐‑–—‘’“”…′″−×·≤≥≠≈½∞√°")
NAME_LENGTH = 24
MANY = 2000
"""Points above which a vector file holds them as one embedded picture."""


def new_axes(width: float = 5.0, height: float = 5.0) -> Axes:
    """A fresh Axes of a figure of its own, in inches; UnsupportedError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnsupportedError("plots need matplotlib: pip install 'fastinfluence[cli]'") from error
    return Figure(figsize=(width, height), layout="constrained").subplots()


def drawable(text: str) -> bool:
    """Whether the font of matplotlib holds every letter, written from left to right."""
    return all((c <= LAST_LETTER and c.isprintable()) or c in SIGNS for c in text)


def plain(text: str) -> str:
    """The text with what the font lacks as "?", and no "$" that begins a formula."""
    known = (c if drawable(c) else "?" for c in " ".join(text.split()))
    return "".join(known).replace("$", r"\$")


def shortened(text: str, length: int) -> str:
    """At most ``length`` characters, the cut marked."""
    return text if len(text) <= length else text[: length - 1] + "…"


def checked_labels(labels: Sequence[Any] | None, n: int) -> Sequence[Any] | None:
    """One label for each of n rows, by position whatever the container; or None."""
    if labels is None:
        return None
    found = list(labels)
    if len(found) != n:
        raise InputError(f"labels has {len(found)} entries for {n} rows: give one for each row")
    return found


def row_name(labels: Sequence[Any] | None, row: int) -> str:
    """The label of a row, or its position where it has none that the font can draw."""
    label = "" if labels is None else " ".join(str(labels[row]).split())
    if not label or not drawable(label):
        return f"row {row:,}"
    return shortened(plain(label), NAME_LENGTH)


def name_points(
    ax: Axes,
    rows: Sequence[int],
    x: FloatArray,
    y: FloatArray,
    labels: Sequence[Any] | None,
) -> None:
    """Write the names of some rows beside their points, on the side away from the nearer edge."""
    if not len(rows):
        return
    low, high = ax.get_xlim()
    for row in rows:
        right = (x[row] - low) > 0.5 * (high - low)
        ax.annotate(
            row_name(labels, int(row)),
            (x[row], y[row]),
            xytext=(-5 if right else 5, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            fontsize=8,
        )


def largest(size: FloatArray, k: int) -> list[int]:
    """Places of the k largest of what is known, largest first; ties go to the lower row."""
    order = np.argsort(-np.where(np.isfinite(size), size, -np.inf), kind="stable")[:k]
    return [int(i) for i in order if np.isfinite(size[i])]


def light_grid(ax: Axes) -> None:
    """Fine lines behind everything else."""
    ax.grid(color=GREY, alpha=0.25, linewidth=0.5)
    ax.set_axisbelow(True)
