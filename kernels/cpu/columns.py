"""Kernels over one block of rows stored column after column, as columnar files hand them out.

X (d, b) holds a column in each of its rows. A tile of rows is taken through all columns before the
next, so that it stays in the first-level cache between its uses; four columns at a time share each
load and store of what has an entry per row.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.kernels.cpu.jit import jit_fast, jit_fast_helper

Array = NDArray[np.floating[Any]]

TILE = 256
"""Rows of a tile: 30 columns of single precision take 30 kB."""


@jit_fast_helper
def _linear_tile(X: Array, first: int, last: int, v: Array, intercept: float, out: Array) -> None:
    """Write x_i·v + intercept of rows ``first`` to ``last`` to ``out`` from 0 on."""
    d, m = len(X), last - first
    for i in range(m):
        out[i] = intercept
    j = 0
    while j + 4 <= d:
        a, b, c, e = v[j], v[j + 1], v[j + 2], v[j + 3]
        for i in range(m):
            k = first + i
            out[i] += (a * X[j, k] + b * X[j + 1, k]) + (c * X[j + 2, k] + e * X[j + 3, k])
        j += 4
    while j < d:
        a = v[j]
        for i in range(m):
            out[i] += a * X[j, first + i]
        j += 1


@jit_fast_helper
def _add_tile(X: Array, first: int, last: int, c: Array, out: Array) -> None:
    """Add Σ_i c_i x_i over rows ``first`` to ``last`` to ``out``; c counts from 0 on."""
    d, m = len(X), last - first
    j = 0
    while j + 4 <= d:
        s0 = s1 = s2 = s3 = 0.0
        for i in range(m):
            k = first + i
            s0 += c[i] * X[j, k]
            s1 += c[i] * X[j + 1, k]
            s2 += c[i] * X[j + 2, k]
            s3 += c[i] * X[j + 3, k]
        out[j] += s0
        out[j + 1] += s1
        out[j + 2] += s2
        out[j + 3] += s3
        j += 4
    while j < d:
        s0 = 0.0
        for i in range(m):
            s0 += c[i] * X[j, first + i]
        out[j] += s0
        j += 1


@jit_fast
def linear_columns(X: Array, v: Array, out: Array) -> None:
    """Write x̃_i·v, shape (b,), to ``out``; ``v`` has d entries, or d + 1 with an intercept."""
    d, b = X.shape
    intercept = float(v[d]) if len(v) > d else 0.0
    for first in range(0, b, TILE):
        last = min(first + TILE, b)
        _linear_tile(X, first, last, v, intercept, out[first:last])


@jit_fast
def add_columns(X: Array, c: Array, out: Array) -> None:
    """Add Σ_i c_i x̃_i to ``out``, which has d entries, or d + 1 with an intercept."""
    d, b = X.shape
    for first in range(0, b, TILE):
        last = min(first + TILE, b)
        _add_tile(X, first, last, c[first:last], out)
    if len(out) > d:
        total = 0.0
        for i in range(b):
            total += c[i]
        out[d] += total


@jit_fast
def gradient_columns(X: Array, slope: Array, out: Array, size: Array) -> None:
    """Add Σ_i slope_i x̃_i to ``out`` and Σ_i |slope_i x̃_i| to ``size``."""
    d, b = X.shape
    for first in range(0, b, TILE):
        last = min(first + TILE, b)
        for j in range(d):
            s = a = 0.0
            for i in range(first, last):
                product = slope[i] * X[j, i]
                s += product
                a += abs(product)
            out[j] += s
            size[j] += a
        if len(out) > d:
            s = a = 0.0
            for i in range(first, last):
                s += slope[i]
                a += abs(slope[i])
            out[d] += s
            size[d] += a


@jit_fast
def hvp_columns(X: Array, scale: Array, V: Array, out: Array) -> None:
    """Add Σ_i scale_i x̃_i (x̃_i·v) for every row v of V (t, p) to that of ``out`` (t, p)."""
    d, b = X.shape
    along = np.empty(TILE)
    for first in range(0, b, TILE):
        last = min(first + TILE, b)
        m = last - first
        for k in range(len(V)):
            v = V[k]
            intercept = v[d] if len(v) > d else 0.0
            _linear_tile(X, first, last, v, intercept, along)
            total = 0.0
            for i in range(m):
                along[i] *= scale[first + i]
                total += along[i]
            _add_tile(X, first, last, along, out[k])
            if len(v) > d:
                out[k, d] += total
