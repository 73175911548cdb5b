"""The stochastic recursion over single rows: one loop, ignorant of the loss."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.kernels.cpu.jit import jit_fast

Array = NDArray[np.floating[Any]]


@jit_fast
def recurse(
    X: Array,
    rows: NDArray[np.intp],
    step: Array,
    shrink: Array,
    V: Array,
    limits: Array,
    cur: Array,
) -> None:
    """Advance ``cur ← v + shrink∘cur − Σ_k step_k (x̃_k·cur) x̃_k`` once for each row of ``rows``.

    ``X`` (n, d) is C-contiguous; ``rows`` and ``step`` (T, b) name the batch of every step and
    its coefficients; ``V`` and ``cur`` (t, p) hold one right-hand side per row, p = d or, where
    an intercept column of ones is implied, d + 1; ``shrink`` (p,). A right-hand side with
    |x̃_k·cur| above its limit has diverged: it becomes NaN and costs no further updates.
    """
    d, p = X.shape[1], V.shape[1]
    steps, b = rows.shape
    dots = np.empty(b)
    for k in range(steps):
        for c in range(V.shape[0]):
            v, u = V[c], cur[c]
            alive = True
            for m in range(b):
                x = X[rows[k, m]]
                total = u[d] if p > d else 0.0
                for j in range(d):
                    total += x[j] * u[j]
                alive = alive and abs(total) <= limits[c]
                dots[m] = step[k, m] * total
            if not alive:
                u[0] = np.nan
                continue
            x, first, rest = X[rows[k, 0]], dots[0], dots[0]
            for j in range(d):
                u[j] = v[j] + shrink[j] * u[j] - first * x[j]
            for m in range(1, b):
                x, scaled = X[rows[k, m]], dots[m]
                rest += scaled
                for j in range(d):
                    u[j] -= scaled * x[j]
            if p > d:
                u[d] = v[d] + shrink[d] * u[d] - rest


@jit_fast
def recurse_csr(
    data: Array,
    indices: NDArray[np.signedinteger[Any]],
    indptr: NDArray[np.signedinteger[Any]],
    rows: NDArray[np.intp],
    step: Array,
    shrink: Array,
    V: Array,
    limits: Array,
    cur: Array,
    d: int,
) -> None:
    """:func:`recurse` for compressed sparse rows with d columns: O(p + stored) a step."""
    p = V.shape[1]
    steps, b = rows.shape
    dots = np.empty(b)
    for k in range(steps):
        for c in range(V.shape[0]):
            v, u = V[c], cur[c]
            alive, rest = True, 0.0
            for m in range(b):
                i = rows[k, m]
                total = u[d] if p > d else 0.0
                for a in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
                    total += data[a] * u[np.uintp(indices[a])]
                alive = alive and abs(total) <= limits[c]
                dots[m] = step[k, m] * total
                rest += dots[m]
            if not alive:
                u[0] = np.nan
                continue
            for j in range(p):
                u[j] = v[j] + shrink[j] * u[j]
            for m in range(b):
                i, scaled = rows[k, m], dots[m]
                for a in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
                    u[np.uintp(indices[a])] -= scaled * data[a]
            if p > d:
                u[d] -= rest
