"""How the results of two blocks of rows become one: added in place, into the first."""

from __future__ import annotations

from fastinfluence.types import FloatArray


def add(a: FloatArray, b: FloatArray) -> FloatArray:
    """A + b, in a."""
    a += b
    return a


def add_all(
    a: tuple[float, FloatArray, FloatArray], b: tuple[float, FloatArray, FloatArray]
) -> tuple[float, FloatArray, FloatArray]:
    """The same for a number and two arrays."""
    return a[0] + b[0], add(a[1], b[1]), add(a[2], b[2])
