"""Diagonals of quadratic forms in H⁻¹ from a few solves.

For z = Zᵀε₁ + √D ε₂ with standard normal ε, Cov(z) = ZᵀZ + D = H, so s = H⁻¹z has covariance H⁻¹
and (x·s)² has mean xᵀH⁻¹x. The mean of k such squares is xᵀH⁻¹x·χ²_k/k: unbiased, positive, with
relative standard error √(2/k) whatever n and p (Hutchinson 1990; Johnson & Lindenstrauss 1984).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.errors import UnsupportedError
from fastinfluence.solvers.base import Prepared
from fastinfluence.streaming import stream_of
from fastinfluence.types import FloatArray

AT_ONCE = 32
"""Sides drawn and solved together: memory is this many times n + p numbers."""


def normal_draws(
    operator: Curvature, prepared: Prepared, k: int, seed: int = 0
) -> Iterator[FloatArray]:
    """Blocks (p, some) of k independent normal vectors with covariance H⁻¹."""
    engine, shift = operator.engine, operator.shift
    if stream_of(engine.problem) is not None:
        raise UnsupportedError(
            "a sketch draws a number for every row and is not made of a streamed table: ask about "
            "chosen rows with on_params(rows) or leave_one_out(rows), or leave out sketch="
        )
    root = engine.curvature_root
    if root is None or not engine.convex:
        raise UnsupportedError(
            "a sketch needs H = ZᵀZ + penalty, so a model whose rows all bend upwards: "
            'use curvature="fisher" or sketch=None'
        )
    rng = np.random.default_rng(seed)
    for first in range(0, k, AT_ONCE):
        some = min(AT_ONCE, k - first)
        sizes = (root.n_rows, operator.shape[0])
        rows, params = (operator.xp.asarray(rng.standard_normal((size, some))) for size in sizes)
        yield prepared.apply(root.adjoint(rows) + np.sqrt(shift)[:, None] * params)
