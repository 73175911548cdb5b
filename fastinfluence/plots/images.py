"""Helpful and harmful training images of one test image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.plots.style import BLUE, ORANGE, checked_labels, new_axes, plain, shortened
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastinfluence.sinks.extremes import TopKResult

CELL, CAPTION, GAP = 1.0, 0.46, 0.14
"""Sides of an image, of the room for its caption, and of what lies between, in data units."""
HEADER = 0.24
INCHES = 1.12
"""Of one image, in a figure of its own."""
NAME = 14


def helpful_and_harmful_images(
    images: Any,
    found: TopKResult,
    test_image: Any,
    test: int = 0,
    captions: Sequence[Any] | None = None,
    test_caption: str = "",
    unit: str = "unit of the loss",
    ax: Axes | None = None,
) -> Axes:
    """A test image beside the training images that help and that harm its prediction most.

    Parameters
    ----------
    images : array_like, shape (n, height, width) or (n, height, width, 3 or 4)
        Training images: grey, or colours as :meth:`matplotlib.axes.Axes.imshow` takes them.
    found : TopKResult
        Of ``infl.on_loss(X_test, y_test, out=fi.TopK(k))``; its scores are written below.
    test_image : array_like, of one image's shape
    test : int, default 0
        The test row that ``test_image`` is.
    captions : sequence of n, optional
        A word for each training image, such as its label.
    test_caption : str
        For the test image.
    unit : str
        Of the scores.
    ax : Axes, optional

    Returns
    -------
    Axes
        Without ticks: helpful images in the upper row, harmful ones in the lower.

    Raises
    ------
    InputError
        If shapes do not fit together.
    """
    pictures, own = np.asarray(images), np.asarray(test_image)
    if pictures.ndim not in (3, 4) or own.shape != pictures.shape[1:]:
        raise InputError(
            f"images has shape {pictures.shape} and test_image {own.shape}: give (n, height, "
            "width) or (n, height, width, 3), and one image of the same shape"
        )
    words = checked_labels(captions, len(pictures))
    chosen = found.of(test)
    helpful, harmful = chosen.helpful, chosen.harmful
    k, step = max(len(helpful.rows), len(harmful.rows)), CELL + GAP
    width, height = (k + 1) * step + GAP, 2 * (HEADER + CELL + CAPTION)
    ax = new_axes(INCHES * width, INCHES * height + 0.3) if ax is None else ax
    grey = _grey(pictures[np.concatenate([helpful.rows, harmful.rows])], own)
    _place(ax, own, 0.0, (height - CELL) / 2, "black", "-", grey)
    _below(ax, 0.0, (height - CELL) / 2, "test image", plain(shortened(test_caption, NAME)))
    rows = (("helpful", BLUE, "-", helpful), ("harmful", ORANGE, "--", harmful))
    for line, (kind, colour, style, end) in enumerate(rows):
        top = line * height / 2 + HEADER
        ax.text(step + GAP, top - 0.08, kind, color=colour, fontsize=10, va="bottom", weight="bold")
        for place, (row, value) in enumerate(zip(end.rows, end.values, strict=True)):
            left = (place + 1) * step + GAP
            _place(ax, pictures[row], left, top, colour, style, grey)
            word = "" if words is None else f": {shortened(str(words[row]), NAME)}"
            _below(ax, left, top, f"row {row}{plain(word)}", f"{value:+.2g}")
    ax.set_xlim(-0.06, width)
    ax.set_ylim(height, 0)
    ax.set_aspect("equal")
    ax.set_axis_off()
    title = f"Predicted change of the test loss ({unit}) when the image is removed"
    ax.set_title(title, fontsize="medium")
    return ax


def _grey(shown: np.ndarray[Any, Any], own: np.ndarray[Any, Any]) -> dict[str, Any]:
    """One range of greys for every image, so that they can be compared; nothing for colours."""
    if own.ndim == 3:
        return {}
    values = np.concatenate([shown.ravel(), own.ravel()])
    return {"cmap": "gray", "vmin": float(values.min()), "vmax": float(values.max())}


def _place(
    ax: Axes,
    image: FloatArray | IntArray,
    left: float,
    top: float,
    colour: str,
    style: str,
    grey: dict[str, Any],
) -> None:
    """One image and its frame; data coordinates run down."""
    from matplotlib.patches import Rectangle

    extent = (left, left + CELL, top + CELL, top)
    ax.imshow(image, extent=extent, interpolation="nearest", **grey)
    frame: dict[str, Any] = {
        "fill": False,
        "edgecolor": colour,
        "linestyle": style,
        "linewidth": 1.6,
    }
    ax.add_patch(Rectangle((left, top), CELL, CELL, clip_on=False, **frame))


def _below(ax: Axes, left: float, top: float, first: str, second: str) -> None:
    centre = left + CELL / 2
    text = f"{first}\n{second}" if second else first
    ax.text(centre, top + CELL + 0.05, text, ha="center", va="top", fontsize=8, linespacing=1.1)
