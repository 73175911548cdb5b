"""One stretch of the stochastic recursion, compiled where the model kind offers it."""

from __future__ import annotations

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.types import FloatArray, IntArray


def advance(
    operator: Curvature,
    cur: FloatArray,
    V: FloatArray,
    rows: IntArray,
    weights: FloatArray,
    scale: float,
    limits: FloatArray,
) -> None:
    """Advance ``cur ← V + (I − H_k/scale) cur`` in place, once for each batch of ``rows``.

    Parameters
    ----------
    cur, V : ndarray, shape (t, p)
        One right-hand side per row; one whose norm passes its limit becomes NaN.
    rows : ndarray of int, shape (T, b)
    weights : ndarray, shape (T, b)
        H_k = Σ_j weights_kj ∇²l_{rows_kj} + penalty + damping.
    limits : ndarray, shape (t,)
    """
    engine = operator.engine
    compiled = getattr(engine.row_curvature, "recurse", None)
    if compiled is not None:
        compiled(cur, V, rows, weights / scale, 1.0 - operator.shift / scale, limits)
        return
    for drawn, carried in zip(rows, weights, strict=True):
        cur += V - operator.matmat(cur.T, drawn, carried).T / scale
        cur[~(np.linalg.norm(cur, axis=1) <= limits)] = np.nan
