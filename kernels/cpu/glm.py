"""Kernels over one block of dense rows. They know nothing of the loss: only per-row scales.

Each is serial and releases the GIL; the rows' ``map_reduce`` runs blocks side by side.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.kernels.cpu.jit import jit, jit_fast

Array = NDArray[np.floating[Any]]


@jit_fast
def hvp_block(X: Array, scale: Array, v: Array, out: Array) -> None:
    """Add Xᵀ(scale ∘ (Xv)) to ``out``, reading each row of X (b, d) once.

    ``v`` and ``out`` have d entries, or d + 1 where an intercept column of ones is implied.
    """
    b, d = X.shape
    intercept = v[d] if len(v) > d else 0.0
    for i in range(b):
        product = 0.0
        for j in range(d):
            product += X[i, j] * v[j]
        weighted = scale[i] * (product + intercept)
        for j in range(d):
            out[j] += weighted * X[i, j]
        if len(v) > d:
            out[d] += weighted


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
