"""The stochastic recursion over single rows of K predictions each."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.kernels.cpu.jit import jit_fast, jit_helper

Array = NDArray[np.floating[Any]]
Indices = NDArray[np.signedinteger[Any]]


@jit_helper
def curve_row(p: Array, top: int, step: float, f: Array) -> None:
    """Replace f (K,) by step·p∘(f − p·f)."""
    base, mean = f[top], 0.0
    for k in range(len(f)):
        f[k] -= base
        mean += p[k] * f[k]
    for k in range(len(f)):
        f[k] = step * p[k] * (f[k] - mean)


@jit_fast
def recurse(
    X: Array,
    places: Indices,
    rows: Indices,
    step: Array,
    P: Array,
    top: Indices,
    shrink: Array,
    V: Array,
    limits: Array,
    cur: Array,
) -> None:
    """Advance ``cur ← v + shrink∘cur − Σ_m step_m x̃_m ⊗ S_m(x̃_m·cur)`` for each row of ``rows``.

    ``places`` and ``rows`` (T, b) name each step's batch in ``X`` and in ``P`` (n, K) and ``top``
    (n,); ``step`` (T, b) holds its coefficients. ``V`` and ``cur`` are (t, K, d), or (t, K, d + 1)
    where an intercept column of ones is implied; ``shrink`` (K, d [+ 1]). A right-hand side
    with a prediction above its limit has diverged: it becomes NaN and costs no further updates.
    """
    d, K, width = X.shape[1], V.shape[1], V.shape[2]
    steps, b = rows.shape
    F = np.empty((b, K))
    for s in range(steps):
        for c in range(V.shape[0]):
            alive = True
            for m in range(b):
                x, f = X[places[s, m]], F[m]
                for k in range(K):
                    u = cur[c, k]
                    total = u[d] if width > d else 0.0
                    for j in range(d):
                        total += x[j] * u[j]
                    f[k] = total
                    alive = alive and abs(total) <= limits[c]
                curve_row(P[rows[s, m]], top[rows[s, m]], step[s, m], f)
            if not alive:
                cur[c, 0, 0] = np.nan
                continue
            x = X[places[s, 0]]
            for k in range(K):
                v, u, h, a = V[c, k], cur[c, k], shrink[k], F[0, k]
                for j in range(d):
                    u[j] = v[j] + h[j] * u[j] - a * x[j]
                if width > d:
                    u[d] = v[d] + h[d] * u[d] - a
            for m in range(1, b):
                x = X[places[s, m]]
                for k in range(K):
                    u, a = cur[c, k], F[m, k]
                    for j in range(d):
                        u[j] -= a * x[j]
                    if width > d:
                        u[d] -= a


@jit_fast
def recurse_csr(
    data: Array,
    indices: Indices,
    indptr: Indices,
    rows: Indices,
    step: Array,
    P: Array,
    top: Indices,
    shrink: Array,
    V: Array,
    limits: Array,
    cur: Array,
    d: int,
) -> None:
    """:func:`recurse` for compressed sparse rows with d columns."""
    K, width = V.shape[1], V.shape[2]
    steps, b = rows.shape
    F = np.empty((b, K))
    for s in range(steps):
        for c in range(V.shape[0]):
            alive = True
            for m in range(b):
                i, f = rows[s, m], F[m]
                for k in range(K):
                    u = cur[c, k]
                    total = u[d] if width > d else 0.0
                    for a in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
                        total += data[a] * u[np.uintp(indices[a])]
                    f[k] = total
                    alive = alive and abs(total) <= limits[c]
                curve_row(P[i], top[i], step[s, m], f)
            if not alive:
                cur[c, 0, 0] = np.nan
                continue
            for k in range(K):
                v, u, h = V[c, k], cur[c, k], shrink[k]
                for j in range(width):
                    u[j] = v[j] + h[j] * u[j]
            for m in range(b):
                i = rows[s, m]
                for k in range(K):
                    u, scaled = cur[c, k], F[m, k]
                    for a in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
                        u[np.uintp(indices[a])] -= scaled * data[a]
                    if width > d:
                        u[d] -= scaled
