"""Kernels over one block of dense rows. They know nothing of the loss: only per-row scales.

Each is serial and releases the GIL; the rows' ``map_reduce`` runs blocks side by side.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.kernels.cpu.jit import jit_fast, jit_fast_helper
from fastinfluence.kernels.cpu.prefetch import LINE_BYTES, prefetch

Array = NDArray[np.floating[Any]]

AHEAD_BYTES = 1 << 14
"""How far ahead of its use memory is asked for. The processor reads ahead by itself, but stops
while a row that is in its cache already is used for the second time."""
WIDE = 64
"""Columns from which four rows are taken at a time, and two below."""
CHUNK = 16
"""Columns between two requests for memory; a constant, so that the loop over them unrolls."""


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


@jit_fast_helper
def _hvp_rest(X: Array, first: int, scale: Array, intercept: float, v: Array, out: Array) -> float:
    total = 0.0
    for i in range(first, len(X)):
        s = 0.0
        for j in range(X.shape[1]):
            s += X[i, j] * v[j]
        s = scale[i] * (s + intercept)
        for j in range(X.shape[1]):
            out[j] += s * X[i, j]
        total += s
    return total


@jit_fast_helper
def _hvp_pairs(X: Array, scale: Array, intercept: float, v: Array, out: Array) -> float:
    """:func:`hvp_block` for short rows, two at a time; returns what the intercept gets."""
    b, d = X.shape
    flat, line, ahead = X.reshape(b * d), LINE_BYTES // X.itemsize, AHEAD_BYTES // X.itemsize
    total = 0.0
    for i in range(0, b - 1, 2):
        for k in range(i * d + ahead, (i + 2) * d + ahead, line):
            prefetch(flat, k)
        s0 = s1 = 0.0
        for j in range(d):
            s0 += X[i, j] * v[j]
            s1 += X[i + 1, j] * v[j]
        s0 = scale[i] * (s0 + intercept)
        s1 = scale[i + 1] * (s1 + intercept)
        for j in range(d):
            out[j] += s0 * X[i, j] + s1 * X[i + 1, j]
        total += s0 + s1
    return total + _hvp_rest(X, b - b % 2, scale, intercept, v, out)


@jit_fast_helper
def _hvp_fours(X: Array, scale: Array, intercept: float, v: Array, out: Array) -> float:
    """:func:`hvp_block` for long rows, four at a time; returns what the intercept gets."""
    b, d = X.shape
    flat, line = X.reshape(b * d), LINE_BYTES // X.itemsize
    total = 0.0
    for i in range(0, b - 3, 4):
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
        ahead = i * d + max(AHEAD_BYTES // X.itemsize, 4 * d)
        for chunk in range(d // CHUNK):
            for k in range(ahead, ahead + 4 * CHUNK, line):
                prefetch(flat, k)
            ahead += 4 * CHUNK
            for j in range(chunk * CHUNK, (chunk + 1) * CHUNK):
                out[j] += (s0 * X[i, j] + s1 * X[i + 1, j]) + (s2 * X[i + 2, j] + s3 * X[i + 3, j])
        for j in range(d - d % CHUNK, d):
            out[j] += (s0 * X[i, j] + s1 * X[i + 1, j]) + (s2 * X[i + 2, j] + s3 * X[i + 3, j])
        total += (s0 + s1) + (s2 + s3)
    return total + _hvp_rest(X, b - b % 4, scale, intercept, v, out)


@jit_fast
def hvp_block(X: Array, scale: Array, v: Array, out: Array) -> None:
    """Add Xᵀ(scale ∘ (Xv)) to ``out``, reading each row of X (b, d) from memory once.

    ``v`` and ``out`` have d entries, or d + 1 where an intercept column of ones is implied.
    Neighbouring rows share each load of ``v`` and each load and store of ``out``.
    """
    d = X.shape[1]
    intercept = float(v[d]) if len(v) > d else 0.0
    if d < WIDE:
        total = _hvp_pairs(X, scale, intercept, v, out)
    else:
        total = _hvp_fours(X, scale, intercept, v, out)
    if len(v) > d:
        out[d] += total


@jit_fast
def hvp_four(X: Array, scale: Array, V: Array, out: Array) -> None:
    """:func:`hvp_block` for four vectors at once: V and ``out`` (4, d) or (4, d + 1).

    Two rows and four vectors at a time, so that a number of X is loaded twice for eight uses.
    """
    b, d = X.shape
    flat, line, ahead = X.reshape(b * d), LINE_BYTES // X.itemsize, AHEAD_BYTES // X.itemsize
    intercept = np.zeros(4)
    total = np.zeros(4)
    if V.shape[1] > d:
        intercept[:] = V[:, d]
    for i in range(0, b - 1, 2):
        for k in range(i * d + ahead, (i + 2) * d + ahead, line):
            prefetch(flat, k)
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
        for j in range(d):
            x, y = X[i, j], X[i + 1, j]
            a0 += x * V[0, j]
            b0 += y * V[0, j]
            a1 += x * V[1, j]
            b1 += y * V[1, j]
            a2 += x * V[2, j]
            b2 += y * V[2, j]
            a3 += x * V[3, j]
            b3 += y * V[3, j]
        c, e = scale[i], scale[i + 1]
        a0, b0 = c * (a0 + intercept[0]), e * (b0 + intercept[0])
        a1, b1 = c * (a1 + intercept[1]), e * (b1 + intercept[1])
        a2, b2 = c * (a2 + intercept[2]), e * (b2 + intercept[2])
        a3, b3 = c * (a3 + intercept[3]), e * (b3 + intercept[3])
        for j in range(d):
            x, y = X[i, j], X[i + 1, j]
            out[0, j] += a0 * x + b0 * y
            out[1, j] += a1 * x + b1 * y
            out[2, j] += a2 * x + b2 * y
            out[3, j] += a3 * x + b3 * y
        total[0] += a0 + b0
        total[1] += a1 + b1
        total[2] += a2 + b2
        total[3] += a3 + b3
    if b % 2:
        for k in range(4):
            total[k] += _hvp_rest(X, b - 1, scale, intercept[k], V[k], out[k])
    if V.shape[1] > d:
        out[:, d] += total
