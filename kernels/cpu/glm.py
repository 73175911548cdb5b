"""Kernels over one block of dense rows. They know nothing of the loss: only per-row scales.

Each is serial and releases the GIL; the rows' ``map_reduce`` runs blocks side by side.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.kernels.cpu.jit import jit, jit_fast

Array = NDArray[np.floating[Any]]


@jit_fast
def linear_block(X: Array, v: Array, out: Array) -> None:
    """Write Xv, shape (b,), to ``out``; ``v`` has d entries, or d + 1 with an intercept."""
    b, d = X.shape
    intercept = v[d] if len(v) > d else 0.0
    for i in range(b):
        product = 0.0
        for j in range(d):
            product += X[i, j] * v[j]
        out[i] = product + intercept


@jit_fast
def gradient_block(X: Array, slope: Array, out: Array, size: Array) -> None:
    """Add Xᵀ slope to ``out`` and |X|ᵀ|slope| to ``size`` in one pass over X (b, d)."""
    b, d = X.shape
    for i in range(b):
        s, a = slope[i], abs(slope[i])
        for j in range(d):
            x = X[i, j]
            out[j] += s * x
            size[j] += a * abs(x)
        if len(out) > d:
            out[d] += s
            size[d] += a


@jit_fast
def hvp_block(X: Array, scale: Array, v: Array, out: Array) -> None:
    """Add Xᵀ(scale ∘ (Xv)) to ``out``, reading each row of X (b, d) from memory once.

    ``v`` and ``out`` have d entries, or d + 1 where an intercept column of ones is implied.
    Four rows share each load of ``v`` and each load and store of ``out``.
    """
    b, d = X.shape
    intercept = v[d] if len(v) > d else 0.0
    fours = b - b % 4
    total = 0.0
    for i in range(0, fours, 4):
        s0 = s1 = s2 = s3 = 0.0
        for j in range(d):
            s0 += X[i, j] * v[j]
            s1 += X[i + 1, j] * v[j]
            s2 += X[i + 2, j] * v[j]
            s3 += X[i + 3, j] * v[j]
        s0 = scale[i] * (s0 + intercept)
        s1 = scale[i + 1] * (s1 + intercept)
        s2 = scale[i + 2] * (s2 + intercept)
        s3 = scale[i + 3] * (s3 + intercept)
        for j in range(d):
            out[j] += (s0 * X[i, j] + s1 * X[i + 1, j]) + (s2 * X[i + 2, j] + s3 * X[i + 3, j])
        total += (s0 + s1) + (s2 + s3)
    for i in range(fours, b):
        s0 = 0.0
        for j in range(d):
            s0 += X[i, j] * v[j]
        s0 = scale[i] * (s0 + intercept)
        for j in range(d):
            out[j] += s0 * X[i, j]
        total += s0
    if len(v) > d:
        out[d] += total


@jit
def merge_top(
    scores: NDArray[np.float64],
    first_row: int,
    sign: float,
    values: NDArray[np.float64],
    rows: NDArray[np.intp],
) -> None:
    """Merge a block of scores (t, b) into the k largest of ``sign * score`` per test row.

    ``values`` and ``rows`` (t, k) stay sorted, best first. Blocks arrive in row order and a
    later row must be strictly better, so ties go to the lower row.
    """
    t, b = scores.shape
    k = values.shape[1]
    for a in range(t):
        worst = values[a, k - 1]
        for i in range(b):
            score = sign * scores[a, i]
            if score > worst or (rows[a, k - 1] < 0 and not score < worst):
                slot = k - 1
                while slot > 0 and (rows[a, slot - 1] < 0 or values[a, slot - 1] < score):
                    values[a, slot] = values[a, slot - 1]
                    rows[a, slot] = rows[a, slot - 1]
                    slot -= 1
                values[a, slot] = score
                rows[a, slot] = first_row + i
                worst = values[a, k - 1]
