"""Where the numbers of a table may go: inside a box, on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.inputs import finite_matrix, positive
from fastinfluence.types import FloatArray

SLACK = 1e-9
"""A bound this close to a grid point, in steps of the grid, is on it."""


@dataclass(frozen=True)
class Allowed:
    """Where attacked rows may go, (k, d) each: from ``start``, in steps, inside a box on a grid."""

    start: FloatArray
    step: float
    low: FloatArray
    high: FloatArray
    grid: float | None

    @classmethod
    def of(cls, start: FloatArray, step: float, box: Any, grid: float | None) -> Allowed:
        """Check what the caller gave; bounds are moved inwards onto the grid."""
        low, high = _bounds(start, box)
        if grid is None:
            return cls(start, step, low, high, None)
        unit = positive(grid, "grid")
        if step < unit / 2:
            raise InputError(
                f"step={step:g} is below half of grid={unit:g}: rounding would undo every step; "
                "use a step of at least one grid point"
            )
        low = np.ceil(low / unit - SLACK) * unit
        high = np.floor(high / unit + SLACK) * unit
        if (low > high).any():
            raise InputError(f"box holds no multiple of grid={unit:g} for some features: widen it")
        return cls(start, step, low, high, unit)

    def moved(self, X: FloatArray, direction: FloatArray) -> FloatArray:
        """One step from X along a direction's signs, projected."""
        out: FloatArray = X + self.step * np.sign(direction)
        if self.grid is not None:
            out = np.round(out / self.grid) * self.grid
        return np.clip(out, self.low, self.high)


def _bounds(start: FloatArray, box: Any) -> tuple[FloatArray, FloatArray]:
    if box is None:
        return np.full_like(start, -np.inf), np.full_like(start, np.inf)
    pair = isinstance(box, (tuple, list))
    if not pair and np.ndim(box) == 0:
        reach = positive(box, "box")
        return start - reach, start + reach
    if not pair or len(box) != 2:
        raise InputError("box must be one number (how far each feature may move) or (low, high)")
    low, high = (_broadcast(bound, start) for bound in box)
    if (low > high).any():
        raise InputError("box has a lower bound above its upper bound: give (low, high)")
    return low, high


def _broadcast(bound: Any, like: FloatArray) -> FloatArray:
    values = finite_matrix(bound, "box")
    try:
        return np.broadcast_to(values, like.shape).copy()
    except ValueError as error:
        raise InputError(
            f"a bound of box has shape {values.shape} but {len(like)} rows of {like.shape[1]} "
            "features are attacked: give a number or an array that broadcasts to that"
        ) from error
