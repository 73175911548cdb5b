"""The choice behind ``solver="auto"``: a stated cost model, and a sentence saying why."""

from __future__ import annotations

from dataclasses import dataclass

from fastinfluence.curvature import Curvature
from fastinfluence.solvers.base import Solver
from fastinfluence.solvers.cg import CG
from fastinfluence.solvers.direct import Direct

CG_STEPS = 100
"""Iterations per right-hand side that the cost model expects of CG."""
GEMM_SPEEDUP = 8.0
"""How much faster a multiply-add runs in a matrix product than in a pass bound by memory."""
MAX_DIRECT_BYTES = 4 << 30
"""Largest p×p matrix that is formed without being asked for."""


@dataclass(frozen=True)
class Choice:
    """A solver and the reason for it."""

    solver: Solver
    reason: str


def choose(operator: Curvature, n_sides: int = 100) -> Choice:
    """Direct or CG for ``n_sides`` right-hand sides, by operation counts.

    Direct: n p² + p³/3 + 2 p² t multiply-adds at matrix-product speed. CG: 2 n p t·CG_STEPS
    at the same speed once t ≥ 8, at memory speed below.
    """
    n, p = operator.engine.problem.n_rows, operator.shape[0]
    if 8 * p * p > MAX_DIRECT_BYTES:
        return Choice(CG(), f"CG: the {p}×{p} curvature would take {8 * p * p / 2**30:.0f} GiB")
    direct = (n * p * p + p**3 / 3 + 2 * p * p * n_sides) / GEMM_SPEEDUP
    per_step = 2 * n * p * n_sides / (GEMM_SPEEDUP if n_sides >= 8 else 1.0)
    cg = CG_STEPS * per_step
    solver: Solver = Direct() if direct <= cg else CG()
    name = "direct" if direct <= cg else "CG"
    return Choice(
        solver,
        f"{name}: for {n_sides} right-hand sides, n = {n}, p = {p}, direct costs {direct:.1e} "
        f"and CG about {cg:.1e} multiply-adds at memory speed",
    )
