"""Kernels over a few columns of one block of rows, each an array of its own.

Columnar files hand columns out one by one; putting them side by side costs as much as a product
with them. Four at a time share each load and store of what has an entry per row.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.kernels.cpu.jit import jit_fast

Array = NDArray[np.floating[Any]]


@jit_fast
def add_one(a: Array, v: Array, out: Array) -> None:
    """Add v_0 a to ``out`` (b,)."""
    s = v[0]
    for i in range(len(out)):
        out[i] += s * a[i]


@jit_fast
def add_four(a: Array, b: Array, c: Array, e: Array, v: Array, out: Array) -> None:
    """Add v_0 a + v_1 b + v_2 c + v_3 e to ``out`` (b,)."""
    s, t, u, w = v[0], v[1], v[2], v[3]
    for i in range(len(out)):
        out[i] += (s * a[i] + t * b[i]) + (u * c[i] + w * e[i])


@jit_fast
def sum_one(a: Array, scale: Array, out: Array) -> None:
    """Write Σ_i scale_i a_i to ``out`` (1,)."""
    s = 0.0
    for i in range(len(scale)):
        s += scale[i] * a[i]
    out[0] = s


@jit_fast
def sum_four(a: Array, b: Array, c: Array, e: Array, scale: Array, out: Array) -> None:
    """Write Σ_i scale_i (a_i, b_i, c_i, e_i) to ``out`` (4,)."""
    s = t = u = w = 0.0
    for i in range(len(scale)):
        s += scale[i] * a[i]
        t += scale[i] * b[i]
        u += scale[i] * c[i]
        w += scale[i] * e[i]
    out[0] = s
    out[1] = t
    out[2] = u
    out[3] = w
