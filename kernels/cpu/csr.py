"""Kernels over one block of compressed sparse rows.

A block of b rows holds ``data`` and ``indices`` (one entry per stored number) and ``indptr``
(b + 1,), with distinct column indices in each row. Blocks of right-hand sides are row-major, so
that the innermost loop runs over neighbouring columns. Each kernel is serial, releases the GIL
and accumulates in double precision; the rows' ``map_reduce`` runs blocks side by side.

Indices are cast to unsigned before use: a signed index costs a test for negative positions.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.kernels.cpu.jit import jit, jit_fast

Array = NDArray[np.floating[Any]]
Indices = NDArray[np.signedinteger[Any]]


@jit
def hvp_block(
    data: Array, indices: Indices, indptr: Indices, scale: Array, v: Array, out: Array, d: int
) -> None:
    """Add Xᵀ(scale ∘ (Xv)) to ``out``, reading each row from memory once.

    ``v`` and ``out`` have d entries, or d + 1 where an intercept column of ones is implied.
    Four sums by hand: left to itself the compiler gathers vectors, which is slower for rows as
    short as sparse ones are.
    """
    intercept = v[d] if len(v) > d else 0.0
    total = 0.0
    one, two, three, four = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4)
    for i in range(len(indptr) - 1):
        low, high = np.uintp(indptr[i]), np.uintp(indptr[i + 1])
        k, s0, s1, s2, s3 = low, intercept, 0.0, 0.0, 0.0
        while k + four <= high:
            s0 += data[k] * v[np.uintp(indices[k])]
            s1 += data[k + one] * v[np.uintp(indices[k + one])]
            s2 += data[k + two] * v[np.uintp(indices[k + two])]
            s3 += data[k + three] * v[np.uintp(indices[k + three])]
            k += four
        while k < high:
            s0 += data[k] * v[np.uintp(indices[k])]
            k += one
        s = scale[i] * ((s0 + s1) + (s2 + s3))
        for m in range(low, high):
            out[np.uintp(indices[m])] += s * data[m]
        total += s
    if len(v) > d:
        out[d] += total


@jit_fast
def hvp_columns(
    data: Array, indices: Indices, indptr: Indices, scale: Array, V: Array, out: Array, d: int
) -> None:
    """Add Xᵀ(scale ∘ (XV)) to ``out`` for all columns of V, both (d, t) or (d + 1, t)."""
    t = V.shape[1]
    intercept = len(V) > d
    s = np.empty(t)
    for i in range(len(indptr) - 1):
        low, high = np.uintp(indptr[i]), np.uintp(indptr[i + 1])
        for a in range(t):
            s[a] = V[d, a] if intercept else 0.0
        for k in range(low, high):
            x, j = data[k], np.uintp(indices[k])
            for a in range(t):
                s[a] += x * V[j, a]
        for a in range(t):
            s[a] *= scale[i]
        for k in range(low, high):
            x, j = data[k], np.uintp(indices[k])
            for a in range(t):
                out[j, a] += x * s[a]
        if intercept:
            for a in range(t):
                out[d, a] += s[a]


@jit_fast
def linear_block(data: Array, indices: Indices, indptr: Indices, V: Array, out: Array) -> None:
    """Write XV to ``out`` (b, t); rows of V beyond the columns of X are not read."""
    t = V.shape[1]
    for i in range(len(indptr) - 1):
        low, high = np.uintp(indptr[i]), np.uintp(indptr[i + 1])
        if t == 1:
            s = 0.0
            for k in range(low, high):
                s += data[k] * V[np.uintp(indices[k]), 0]
            out[i, 0] = s
            continue
        for a in range(t):
            out[i, a] = 0.0
        for k in range(low, high):
            x, j = data[k], np.uintp(indices[k])
            for a in range(t):
                out[i, a] += x * V[j, a]


@jit_fast
def transposed_block(data: Array, indices: Indices, indptr: Indices, C: Array, out: Array) -> None:
    """Add XᵀC to ``out``, for C (b, t)."""
    t = C.shape[1]
    for i in range(len(indptr) - 1):
        for k in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
            x, j = data[k], np.uintp(indices[k])
            for a in range(t):
                out[j, a] += x * C[i, a]


@jit_fast
def gradient_block(
    data: Array, indices: Indices, indptr: Indices, slope: Array, out: Array, size: Array
) -> None:
    """Add Xᵀ slope to ``out`` and |X|ᵀ|slope| to ``size``, in one pass over the rows."""
    for i in range(len(indptr) - 1):
        for k in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
            step, j = slope[i] * data[k], np.uintp(indices[k])
            out[j] += step
            size[j] += abs(step)


@jit_fast
def gram_block(data: Array, indices: Indices, indptr: Indices, scale: Array, out: Array) -> None:
    """Add Σ_i scale_i x_i x_iᵀ to ``out``, at a cost of the squared row lengths.

    Both halves get the same number, so the result is symmetric to the last bit.
    """
    for i in range(len(indptr) - 1):
        low, high = np.uintp(indptr[i]), np.uintp(indptr[i + 1])
        for k in range(low, high):
            x, j = scale[i] * data[k], np.uintp(indices[k])
            for m in range(low, k):
                product, j2 = x * data[m], np.uintp(indices[m])
                out[j, j2] += product
                out[j2, j] += product
            out[j, j] += x * data[k]


@jit_fast
def paired_block(
    data: Array, indices: Indices, indptr: Indices, T: Array, owner: Indices, out: Array
) -> None:
    """Write x_i·T[owner_i] to ``out`` (b,), for T (k, at least d)."""
    for i in range(len(indptr) - 1):
        s, row = 0.0, np.uintp(owner[i])
        for k in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
            s += data[k] * T[row, np.uintp(indices[k])]
        out[i] = s
