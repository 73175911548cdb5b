"""What the pictures share: colours, fresh axes, and texts that the font can draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676"
"""Okabe and Ito's blue, vermillion, green and purple, and a grey that white paper holds."""
LAST_LETTER = "\u052f"
"""Matplotlib's own font holds Latin, Greek and Cyrillic, up to here."""
SIGNS = frozenset("‐‑–—‘’“”…′″−×·≤≥≠≈½∞√°")
NAME_LENGTH = 24
NAME_SIZE = 8.0
PLACES = (
    ("left", 0.0, 5.0, 0.0),
    ("right", 1.0, -5.0, 0.0),
    ("center", 0.5, 0.0, 9.0),
    ("center", 0.5, 0.0, -9.0),
    ("right", 1.0, 4.0, 9.0),
    ("left", 0.0, -4.0, 9.0),
)
"""Of a name beside its point, in the order tried: alignment, share of its width to the left of
the point, and shift in points."""
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
    marked: BoolArray,
) -> None:
    """Write the names of some rows beside their points, where they cover no other and no mark.

    A row whose name finds no such place, beside, above or below, keeps its point alone.
    """
    frame, pixels = ax.get_window_extent(), ax.figure.dpi / 72
    centres = {row: ax.transData.transform((x[row], y[row])) for row in rows}
    around = np.flatnonzero(marked)[:MANY]
    half = 3.0 * pixels  # of a marker
    points = ax.transData.transform(np.column_stack([x[around], y[around]]))
    taken = [(a - half, b - half, a + half, b + half) for a, b in points]
    for row, centre in centres.items():
        name = row_name(labels, row)
        wide, high = NAME_SIZE * pixels * 0.64 * len(name), NAME_SIZE * pixels * 1.15
        for side, share, dx, dy in PLACES:
            left = centre[0] + dx * pixels - share * wide
            bottom = centre[1] + dy * pixels - high / 2
            box = (left, bottom, left + wide, bottom + high)
            inside = frame.x0 <= box[0] and box[2] <= frame.x1
            inside = inside and frame.y0 <= box[1] and box[3] <= frame.y1
            if inside and not any(_overlap(box, other) for other in taken):
                ax.annotate(
                    name,
                    (x[row], y[row]),
                    xytext=(dx, dy),
                    textcoords="offset points",
                    ha=side,
                    va="center",
                    fontsize=NAME_SIZE,
                )
                taken.append(box)
                break


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def two_groups(
    ax: Axes, x: FloatArray, y: FloatArray, flagged: BoolArray, words: tuple[str, str]
) -> None:
    """Points within a threshold and beyond it, each group with its colour, marker and size."""
    crowd = len(x) > MANY
    looks: tuple[tuple[str, str, float], ...] = ((BLUE, "o", 12), (ORANGE, "^", 30))
    for chosen, word, (colour, marker, area) in zip((~flagged, flagged), words, looks, strict=True):
        label = f"{int(chosen.sum()):,} {word}"
        ax.scatter(
            x[chosen],
            y[chosen],
            s=area / (4 if crowd else 1),
            color=colour,
            marker=marker,
            alpha=0.75,
            lw=0,
            label=label,
            rasterized=crowd,
        )


def largest(size: FloatArray, k: int) -> list[int]:
    """Places of the k largest of what is known, largest first; ties go to the lower row."""
    order = np.argsort(-np.where(np.isfinite(size), size, -np.inf), kind="stable")[:k]
    return [int(i) for i in order if np.isfinite(size[i])]


def light_grid(ax: Axes) -> None:
    """Fine lines behind everything else."""
    ax.grid(color=GREY, alpha=0.25, linewidth=0.5)
    ax.set_axisbelow(True)
