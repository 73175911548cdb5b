"""How the results of two blocks of rows, or of a block's rows, become one: added in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastinfluence.types import FloatArray, IntArray


def add(a: FloatArray, b: FloatArray) -> FloatArray:
    """A + b, in a."""
    a += b
    return a


def add_grouped(out: FloatArray, each: FloatArray, owner: IntArray, scale: FloatArray) -> None:
    """Add Σ scale_i each_i over the rows of each owner to ``out`` (k, p); each (b, p)."""
    entries = (scale, (owner, np.arange(len(each))))
    out += csr_array(entries, shape=(len(out), len(each))) @ each


def add_all(
    a: tuple[Any, FloatArray, FloatArray], b: tuple[Any, FloatArray, FloatArray]
) -> tuple[Any, FloatArray, FloatArray]:
    """The same for a number and two arrays."""
    return a[0] + b[0], add(a[1], b[1]), add(a[2], b[2])
