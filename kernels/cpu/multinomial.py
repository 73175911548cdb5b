"""Kernels of K predictions a row: softmax, its slopes, its curvature, and stochastic recursions.

Predictions come as F (b, K, t): K classes for each of b rows, side by side for t parameter vectors
or right-hand sides. With p = softmax(f): ∇l = p − e_y and ∇²l = diag(p) − ppᵀ, applied as
p∘(v − p·v), so no K×K block is ever stored. Sums that would cancel are written without the
likeliest class: 1 − p_top is Σ of the other probabilities, and v − p·v is taken from v − v_top.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.kernels.cpu.jit import jit_fast

Array = NDArray[np.floating[Any]]
Indices = NDArray[np.signedinteger[Any]]


@jit_fast
def softmax_block(F: Array, y: Indices, value: Array, D: Array) -> None:
    """Write losses to ``value`` (b, t), and p − e_y to ``D`` (b, K, t), which may be ``F``.

    The label's own entry of D is minus the sum of the other probabilities, exact when tiny.
    """
    b, K, t = F.shape
    top, rest, others = np.empty(t), np.empty(t), np.empty(t)
    arg = np.empty(t, dtype=np.intp)
    for i in range(b):
        own = y[i]
        for a in range(t):
            top[a], arg[a] = F[i, 0, a], 0
        for k in range(1, K):
            for a in range(t):
                if F[i, k, a] > top[a]:
                    top[a], arg[a] = F[i, k, a], k
        for a in range(t):
            value[i, a] = top[a] - F[i, own, a]
            rest[a] = others[a] = 0.0
        for k in range(K):
            for a in range(t):
                e = np.exp(F[i, k, a] - top[a])
                D[i, k, a] = e
                rest[a] += e if k != arg[a] else 0.0
                others[a] += e if k != own else 0.0
        for a in range(t):
            value[i, a] += np.log1p(rest[a])
        for k in range(K):
            for a in range(t):
                D[i, k, a] /= 1.0 + rest[a]
        for a in range(t):
            D[i, own, a] = -others[a] / (1.0 + rest[a])


@jit_fast
def probabilities_block(F: Array, top: Indices) -> None:
    """Turn F (b, K) into probabilities in place; write the likeliest class to ``top`` (b,)."""
    b, K = F.shape
    for i in range(b):
        best = 0
        for k in range(1, K):
            if F[i, k] > F[i, best]:
                best = k
        largest, total = F[i, best], 0.0
        for k in range(K):
            F[i, k] = np.exp(F[i, k] - largest)
            total += F[i, k]
        for k in range(K):
            F[i, k] /= total
        top[i] = best


@jit_fast
def curve_block(P: Array, top: Indices, scale: Array, F: Array) -> None:
    """Replace F (b, K, t) by scale_i p_i∘(f_i − p_i·f_i), in place."""
    b, K, t = F.shape
    mean, base = np.empty(t), np.empty(t)
    for i in range(b):
        for a in range(t):
            base[a], mean[a] = F[i, top[i], a], 0.0
        for k in range(K):
            for a in range(t):
                F[i, k, a] -= base[a]
                mean[a] += P[i, k] * F[i, k, a]
        for k in range(K):
            c = scale[i] * P[i, k]
            for a in range(t):
                F[i, k, a] = c * (F[i, k, a] - mean[a])


@jit_fast
def contract_block(F: Array, D: Array, out: Array) -> None:
    """Write Σ_k D[i, k] F[i, k, a] to ``out`` (t, b)."""
    b, K, t = F.shape
    total = np.empty(t)
    for i in range(b):
        for a in range(t):
            total[a] = D[i, 0] * F[i, 0, a]
        for k in range(1, K):
            for a in range(t):
                total[a] += D[i, k] * F[i, k, a]
        for a in range(t):
            out[a, i] = total[a]
