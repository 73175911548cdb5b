"""The recursion over rows of K predictions: :mod:`fastinfluence.kernels.cpu.multinomial_lissa`.

Beside the arguments of the CPU's functions, both take many repeats at once, which then run side
by side: ``places``, ``rows`` and ``step`` (r, T, b) with ``cur`` (r, t, K, width).
"""

from fastinfluence.kernels.cuda.launcher import SHARED_BYTES, Array, empty, launch


def recurse(
    X: Array,
    places: Array,
    rows: Array,
    step: Array,
    P: Array,
    top: Array,
    shrink: Array,
    V: Array,
    limits: Array,
    cur: Array,
) -> None:
    """Advance ``cur ← v + shrink∘cur − Σ_m step_m x̃_m ⊗ S_m(x̃_m·cur)`` for each row of ``rows``.

    ``places`` and ``rows`` ([r,] T, b) name each step's batch in ``X`` and in ``P`` (n, K) and
    ``top`` (n,); ``step`` ([r,] T, b) holds its coefficients. ``V`` is (t, K, d), or (t, K, d + 1)
    where an intercept column of ones is implied, ``cur`` the same for each repeat; ``shrink``
    (K, d [+ 1]). A right-hand side with a prediction above its limit has diverged: it becomes NaN
    and costs no further updates.
    """
    table = (X, places, rows)
    _advance("recurse_classes", table, rows, step, P, top, shrink, V, limits, cur, X.shape[1])


def recurse_csr(
    data: Array,
    indices: Array,
    indptr: Array,
    rows: Array,
    step: Array,
    P: Array,
    top: Array,
    shrink: Array,
    V: Array,
    limits: Array,
    cur: Array,
    d: int,
) -> None:
    """:func:`recurse` for compressed sparse rows with d columns."""
    table = (data, indices, indptr, rows)
    _advance("recurse_classes_csr", table, rows, step, P, top, shrink, V, limits, cur, d)


def _advance(
    name: str,
    table: tuple[Array, ...],
    rows: Array,
    step: Array,
    P: Array,
    top: Array,
    shrink: Array,
    V: Array,
    limits: Array,
    cur: Array,
    d: int,
) -> None:
    sides, K, width = V.shape
    steps, b = rows.shape[-2:]
    blocks = cur.size // (K * width)
    if not blocks:
        return
    fits = 8 * b * K <= SHARED_BYTES
    products = None if fits else empty(blocks, b * K)
    args = (*table, step, P, top, shrink, V, limits, cur, products, d, width, K, steps, b, sides)
    launch(name, blocks, args, shared=8 * b * K if fits else 0)
