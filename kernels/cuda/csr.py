"""Kernels over compressed sparse rows on the device: :mod:`fastinfluence.kernels.cpu.csr`.

``data`` is float32 or float64, ``indices`` and ``indptr`` are both int32 or both int64 and name
distinct columns in each row; every other array is float64. Equal calls give equal bits.
"""

from fastinfluence.kernels.cuda.launcher import (
    SHARED_BYTES,
    WORK_BYTES,
    Array,
    add_partials,
    covering,
    empty,
    launch,
)

WARPS = 8
MOST_BLOCKS = 512
MOST_STRIPES = 1024


def hvp_block(
    data: Array, indices: Array, indptr: Array, scale: Array, v: Array, out: Array, d: int
) -> None:
    """Add Xᵀ(scale ∘ (Xv)) to ``out``, reading each row from memory once.

    ``v`` and ``out`` have d entries, or d + 1 where an intercept column of ones is implied.
    """
    hvp_columns(data, indices, indptr, scale, v.reshape(-1, 1), out.reshape(-1, 1), d)


def hvp_columns(
    data: Array, indices: Array, indptr: Array, scale: Array, V: Array, out: Array, d: int
) -> None:
    """Add Xᵀ(scale ∘ (XV)) to ``out`` for all columns of V, both (d, t) or (d + 1, t)."""
    _scatter(data, indices, indptr, scale, V, out, d)


def linear_block(data: Array, indices: Array, indptr: Array, V: Array, out: Array) -> None:
    """Write XV to ``out`` (b, t); rows of V beyond the columns of X are not read."""
    p, t = V.shape
    _linear(data, indices, indptr, V, None, out, p, t)


def transposed_block(data: Array, indices: Array, indptr: Array, C: Array, out: Array) -> None:
    """Add XᵀC to ``out``, for C (b, t)."""
    _scatter(data, indices, indptr, None, C, out, len(out))


def gradient_block(
    data: Array, indices: Array, indptr: Array, slope: Array, out: Array, size: Array
) -> None:
    """Add Xᵀ slope to ``out`` and |X|ᵀ|slope| to ``size``, in one pass over the rows."""
    n, p = len(indptr) - 1, len(out)
    blocks, shared = _blocks(n, 2 * p)
    work = empty(2, blocks, p)
    args = (data, indices, indptr, slope, work, n, p, shared > 0)
    launch("csr_gradient", blocks, args, shared=shared)
    add_partials(work[0], out)
    add_partials(work[1], size)


def gram_block(data: Array, indices: Array, indptr: Array, scale: Array, out: Array) -> None:
    """Add Σ_i scale_i x_i x_iᵀ to ``out``, at a cost of the squared row lengths.

    Both halves get the same number, so the result is symmetric to the last bit.
    """
    n, width = len(indptr) - 1, out.shape[1]
    stripes = 4
    while stripes < min(width, MOST_STRIPES):
        stripes *= 2
    args = (data, indices, indptr, scale, out, n, width, stripes)
    launch("csr_gram", stripes // 4, args, threads=128)


def paired_block(
    data: Array, indices: Array, indptr: Array, T: Array, owner: Array, out: Array
) -> None:
    """Write x_i·T[owner_i] to ``out`` (b,), for T (k, at least d) and owner int64."""
    _linear(data, indices, indptr, T, owner, out, T.shape[1], 1)


def _linear(
    data: Array,
    indices: Array,
    indptr: Array,
    V: Array,
    owner: Array | None,
    out: Array,
    p: int,
    t: int,
) -> None:
    n = len(indptr) - 1
    args = (data, indices, indptr, V, owner, out, n, p, t, _sides(t))
    launch("csr_linear", covering(n, WARPS), args)


def _scatter(
    data: Array,
    indices: Array,
    indptr: Array,
    scale: Array | None,
    C: Array,
    out: Array,
    d: int,
) -> None:
    n = len(indptr) - 1
    p, t = out.shape
    together = _sides(t)
    blocks, shared = _blocks(n, p * together, p * t)
    work = empty(blocks, p * t)
    args = (data, indices, indptr, scale, C, work, n, d, p, t, together, shared > 0)
    launch("csr_scatter", (blocks, max(1, -(-t // together))), args, shared=shared)
    add_partials(work, out)


def _sides(t: int) -> int:
    """Vectors that a warp takes side by side: a power of two, so that it divides 32."""
    return next(k for k in (1, 2, 4, 8, 16, 32) if k >= t or k == 32)


def _blocks(n: int, width: int, whole: int | None = None) -> tuple[int, int]:
    """Blocks along the rows, and bytes of shared memory for a block's result; 0: too many."""
    shared = 8 * width if 8 * width <= SHARED_BYTES else 0
    at_most = WORK_BYTES // (8 * max(1, width if whole is None else whole))
    return covering(n, WARPS, at_most=max(1, min(MOST_BLOCKS, at_most))), shared
