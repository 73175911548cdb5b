"""Pictures, for those who installed matplotlib (the ``cli`` extra)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastinfluence.errors import UnsupportedError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastinfluence.validation import Validation

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
"""Colours that remain distinct in every common form of colour blindness."""


def new_axes() -> Axes:
    """A fresh Axes; UnsupportedError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnsupportedError("plots need matplotlib: pip install 'fastinfluence[cli]'") from error
    return Figure(figsize=(5, 5), layout="constrained").subplots()


def predicted_against_actual(validation: Validation, ax: Axes | None = None) -> Axes:
    """Scatter of predicted against actual change of the test loss, with the diagonal."""
    ax = new_axes() if ax is None else ax
    cut = validation.n_random
    halves = (("random rows", BLUE, slice(cut), "o"), ("largest", ORANGE, slice(cut, None), "^"))
    for name, colour, part, marker in halves:
        x, y = validation.predicted[part], validation.actual[part]
        ax.scatter(x, y, s=22, color=colour, alpha=0.75, marker=marker, label=name, linewidths=0)
    both = np.concatenate([validation.predicted, validation.actual])
    ends = [float(np.nanmin(both)), float(np.nanmax(both))]
    ax.plot(ends, ends, color=GREY, linewidth=1, zorder=0, label="predicted = actual")
    ax.set_xlabel("predicted change of test loss")
    ax.set_ylabel(f"actual change of test loss ({validation.method})")
    ax.set_title(f"Pearson {validation.pearson:.4f}, slope {validation.slope:.3f}")
    ax.legend(frameon=False)
    return ax
