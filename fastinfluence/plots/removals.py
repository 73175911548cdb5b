"""What removing the first rows of a ranking does to other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastinfluence.errors import UnsupportedError
from fastinfluence.inputs import one_of
from fastinfluence.plots.style import BLUE, GREY, ORANGE, light_grid, new_axes
from fastinfluence.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUANTITIES = ("loss", "accuracy")
LOOKS = (("-", BLUE, "o"), ("--", ORANGE, "^"))
"""Line, colour and marker of the ranking and of its opposite."""


class Curves(Protocol):
    """What is drawn, as :class:`fastinfluence.rankings.RemovalCurve` has it."""

    @property
    def fractions(self) -> FloatArray:
        """Shares removed, shape (m,)."""

    @property
    def loss(self) -> dict[str, FloatArray]:
        """By order: (m,), or (m, draws)."""

    @property
    def accuracy(self) -> dict[str, FloatArray] | None:
        """Likewise, from 0 to 1; or None."""

    @property
    def unit(self) -> str:
        """Of the loss."""


def removal_curve(curve: Curves, quantity: str = "loss", ax: Axes | None = None) -> Axes:
    """Loss or accuracy of validation rows against the share of training rows removed.

    Parameters
    ----------
    curve : RemovalCurve
        Of ``fi.removal_curve``.
    quantity : {"loss", "accuracy"}, default "loss"
    ax : Axes, optional

    Returns
    -------
    Axes
        A line for the ranking and one for its opposite; of the random orders the mean, and a
        band from the smallest to the largest.

    Raises
    ------
    InputError
        If ``quantity`` is unknown.
    UnsupportedError
        If accuracy is asked for and y holds no classes.
    """
    one_of(quantity, QUANTITIES, "quantity")
    accurate = quantity == "accuracy"
    tables = curve.accuracy if accurate else curve.loss
    if tables is None:
        raise UnsupportedError("accuracy is a share of classes predicted right: y holds no classes")
    ax = new_axes(5.4, 4.4) if ax is None else ax
    x, scale = 100.0 * np.asarray(curve.fractions), 100.0 if accurate else 1.0
    looks = iter(LOOKS)
    for name, table in tables.items():
        if table.ndim == 2:
            _band(ax, x, scale * table, name)
            continue
        line, colour, marker = next(looks)
        style: dict[str, Any] = {"color": colour, "linestyle": line, "marker": marker}
        ax.plot(x, scale * table, label=name, markersize=4.5, **style)
    ax.set_xlabel("training rows removed (% of all)")
    told = "accuracy (%)" if accurate else f"mean loss ({curve.unit})"
    ax.set_ylabel(f"{told} on validation rows")
    ax.set_title("Refits without rows", fontsize="medium")
    light_grid(ax)
    place = (0.5, -0.13)  # below the axis: the curves may cross any place within
    ax.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=place, ncols=3)
    return ax


def _band(ax: Axes, x: FloatArray, table: FloatArray, name: str) -> None:
    draws = table.shape[1]
    label = f"{name} ({draws} draws)" if draws > 1 else name
    ax.fill_between(x, table.min(axis=1), table.max(axis=1), color=GREY, alpha=0.25, linewidth=0)
    ax.plot(x, table.mean(axis=1), color=GREY, linestyle=":", marker="s", markersize=3, label=label)
