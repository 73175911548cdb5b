"""A caller's derivative held against central finite differences of the caller's function.

Differences along random directions see every entry at once: an entry that is wrong by more than a
small part of the gradient's 2-norm is seen, whatever the number of entries, for a few dozen
evaluations. Only where a direction disagrees is the entry looked for, by bisection.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.types import FloatArray, IntArray

DIRECTIONS = 2
HALVINGS = 24
"""Steps tried: 0.1 of the predictions' spread, then half as much each time."""
SETTLED = 1e-8
"""Relative error, by its own estimate, at which a difference is good enough."""
TOLERANCE = 1e-5
"""Largest disagreement allowed, relative to the 2-norm of the gradient along the direction."""
WORST = 1e-2
"""Relative error above which a difference says nothing: the function is not smooth."""

Value = Callable[[FloatArray], float]


def check_slope(
    value: Value, slope: FloatArray, f: FloatArray, size: FloatArray, what: str
) -> None:
    """InputError where the slope at f is not the derivative of value.

    Parameters
    ----------
    value : callable
        Takes predictions shaped as f.
    slope : ndarray, shape of f
    f : ndarray, shape (t,) or (t, K)
    size : ndarray, shape of f
        How far each prediction may be moved, about.
    what : str
        For the message.
    """
    rng = np.random.default_rng(0)
    for _ in range(DIRECTIONS):
        u = rng.normal(size=f.shape) * size
        if not _agree(value, slope, f, u, what):
            raise InputError(_told(value, slope, f, u, what))


def _agree(value: Value, slope: FloatArray, f: FloatArray, u: FloatArray, what: str) -> bool:
    norm = float(np.linalg.norm(slope * u)) + 1e-10 * abs(value(f))
    found, error = derivative(lambda h: value(f + h * u), SETTLED * norm)
    if not error <= max(WORST * norm, WORST * abs(found)):
        raise InputError(
            f"{what}: finite differences of value do not settle, so its slope cannot be checked: "
            "value must be a smooth function of the predictions, the same at each call, in float64"
        )
    off = abs(found - float(np.sum(slope * u)))
    return off <= TOLERANCE * norm + 10 * error


def derivative(value: Callable[[float], float], enough: float) -> tuple[float, float]:
    """The derivative at 0 and an estimate of its error, by Ridders' extrapolation.

    Central differences with halved steps, extrapolated to step zero; of all extrapolations the
    one that agrees best with its neighbours (Ridders 1982, "Accurate computation of F'(x)").
    Steps at which the function is not finite are left out.
    """
    best, error = np.nan, np.inf
    before: list[float] = []
    for k in range(HALVINGS):
        h = 0.1 * 0.5**k
        with np.errstate(all="ignore"):
            now = [(value(h) - value(-h)) / (2 * h)]
        if not np.isfinite(now[0]):
            before = []
            continue
        for order, coarse in enumerate(before[:6], start=1):
            fine = now[-1]
            now.append(fine + (fine - coarse) / (4.0**order - 1))
            off = max(abs(now[-1] - fine), abs(now[-1] - coarse))
            if off < error:
                best, error = now[-1], off
        if error <= enough and k > 2:
            break
        before = now
    return float(best), float(error)


def _told(value: Value, slope: FloatArray, f: FloatArray, u: FloatArray, what: str) -> str:
    """The message that names the entry with the largest disagreement, found by bisection."""
    entries: IntArray = np.flatnonzero(u)
    while len(entries) > 1:
        halves = np.array_split(entries, 2)
        entries = max(halves, key=lambda part: abs(_off(value, slope, f, _only(u, part))))
    i = int(entries[0])
    own = float(slope.flat[i])
    found = own + _off(value, slope, f, _only(u, entries)) / float(u.flat[i])
    row, *output = np.unravel_index(i, f.shape)
    where = f"test row {row}" + "".join(f", output {k}" for k in output)
    return (
        f"{what}: slope gives {own:.8g} for {where}, but central finite differences of value give "
        f"{found:.8g}: return the derivative of value by each prediction, both in float64"
    )


def _off(value: Value, slope: FloatArray, f: FloatArray, u: FloatArray) -> float:
    """What finite differences give along u beyond the slope."""
    norm = float(np.linalg.norm(slope * u))
    found, _ = derivative(lambda h: value(f + h * u), SETTLED * norm)
    return found - float(np.sum(slope * u))


def _only(u: FloatArray, entries: IntArray) -> FloatArray:
    out = np.zeros_like(u)
    out.flat[entries] = u.flat[entries]
    return out
