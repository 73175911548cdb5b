"""The stochastic recursion on the device: :mod:`fastinfluence.kernels.cpu.lissa`.

Beside the arguments of the CPU's functions, both take many repeats at once, which then run side
by side: ``rows`` and ``step`` (r, T, b) with ``cur`` (r, t, p). Rows are int64; floats but the
stored table are float64.
"""

from fastinfluence.kernels.cuda.launcher import SHARED_BYTES, Array, empty, launch


def recurse(
    X: Array,
    rows: Array,
    step: Array,
    shrink: Array,
    V: Array,
    limits: Array,
    cur: Array,
) -> None:
    """Advance ``cur ← v + shrink∘cur − Σ_k step_k (x̃_k·cur) x̃_k`` once for each row of ``rows``.

    ``X`` (n, d) holds the rows; ``rows`` and ``step`` ([r,] T, b) name the batch of every step and
    its coefficients; ``V`` (t, p) and ``cur`` ([r,] t, p) hold one right-hand side per row, p = d
    or, where an intercept column of ones is implied, d + 1; ``shrink`` (p,). A right-hand side
    with |x̃_k·cur| above its limit has diverged: it becomes NaN and costs no further updates.
    """
    _advance("recurse", (X,), rows, step, shrink, V, limits, cur, X.shape[1])


def recurse_csr(
    data: Array,
    indices: Array,
    indptr: Array,
    rows: Array,
    step: Array,
    shrink: Array,
    V: Array,
    limits: Array,
    cur: Array,
    d: int,
) -> None:
    """:func:`recurse` for compressed sparse rows with d columns: O(p + stored) a step."""
    table = (data, indices, indptr)
    _advance("recurse_csr", table, rows, step, shrink, V, limits, cur, d)


def _advance(
    name: str,
    table: tuple[Array, ...],
    rows: Array,
    step: Array,
    shrink: Array,
    V: Array,
    limits: Array,
    cur: Array,
    d: int,
) -> None:
    sides, p = V.shape
    steps, b = rows.shape[-2:]
    blocks = cur.size // p
    if not blocks:
        return
    fits = 8 * b <= SHARED_BYTES
    shared = 8 * b if fits else 0
    dots = None if fits else empty(blocks, b)
    in_shared = shared + 8 * p <= SHARED_BYTES
    shared += 8 * p if in_shared else 0
    args = (*table, rows, step, shrink, V, limits, cur, dots, d, p, steps, b, sides, in_shared)
    threads = min(256, -(-p // 32) * 32)
    launch(name, blocks, args, threads=threads, shared=shared)
