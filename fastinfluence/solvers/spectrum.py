"""What can be said about the ends of the spectrum without a factor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

from fastinfluence.backend import namespace
from fastinfluence.curvature import Curvature
from fastinfluence.types import FloatArray, IntArray

LANCZOS_STEPS = 40
SPECTRUM_STEPS = 80
"""Lanczos steps where the answer is shown to a reader."""
NEGATIVE = "negative curvature: add damping, or use curvature='gauss-newton'"
MAX_FREE = 8
"""Unpenalised parameters up to which the bordered bound is worth its products."""
EPS = float(np.finfo(np.float64).eps)


class LowerEnd(NamedTuple):
    """The smallest eigenvalue: a proven lower bound, or an estimate from above."""

    value: float
    certain: bool


def smallest_eigenvalue(operator: Curvature, seed: int = 0) -> LowerEnd:
    """A positive lower bound of λ_min where one is known, else the smallest Ritz value.

    Known are the penalty's floor, and :func:`bordered_floor` where a few parameters (an
    intercept) carry no penalty. A negative estimate proves that H is indefinite.
    """
    floor = operator.floor()
    if floor > 0:
        return LowerEnd(floor, True)
    if operator.engine.convex:
        floor = bordered_floor(operator)
        if floor > 0:
            return LowerEnd(floor, True)
    return LowerEnd(lanczos(operator, seed)[0], False)


def unit_columns(p: int, chosen: IntArray) -> FloatArray:
    """The chosen columns of the identity, shape (p, k)."""
    xp = namespace(chosen)
    out: FloatArray = xp.zeros((p, len(chosen)))
    out[chosen, xp.arange(len(chosen))] = 1.0
    return out


def bordered_floor(operator: Curvature) -> float:
    """A lower bound of λ_min where few parameters are unpenalised; 0 where none is found.

    Order the parameters as penalised, free: the data's part of H is G = [[A, B], [Bᵀ, C]] ⪰ 0,
    so A ⪰ BC⁻¹Bᵀ and, with ρ the smallest penalty, H ⪰ [[ρI + BC⁻¹Bᵀ, B], [Bᵀ, C]]. With
    B = QR that matrix is [[ρI + RC⁻¹Rᵀ, R], [Rᵀ, C]] on the range of Q and the free
    parameters, and ρ elsewhere. Costs one product with as many columns as free parameters.
    """
    shift = operator.shift
    free = np.flatnonzero(shift == 0)
    k, p = len(free), len(shift)
    few = max(MAX_FREE, operator.engine.problem.n_outputs)  # an intercept for every class
    if not 0 < k <= min(few, p - 1):
        return 0.0
    columns = operator.matmat(unit_columns(p, free))
    C = columns[free]
    rho = float(shift[shift > 0].min())
    R = np.linalg.qr(columns[shift != 0])[1]
    try:
        inner = R @ np.linalg.solve(C, R.T)
    except np.linalg.LinAlgError:
        return 0.0
    m = len(R)
    small: FloatArray = operator.xp.empty((m + k, m + k))
    small[:m, :m], small[:m, m:] = rho * operator.xp.eye(m) + inner, R
    small[m:, :m], small[m:, m:] = R.T, C
    if not np.isfinite(small).all():  # where a singular C is no error
        return 0.0
    values = np.linalg.eigvalsh(0.5 * (small + small.T))
    rounding = 16 * len(small) * EPS * float(np.abs(values).max())
    return max(0.0, min(rho, float(values[0]) - rounding))


def needed_damping(operator: Curvature, seed: int = 0) -> tuple[float, float]:
    """The smallest eigenvalue by Lanczos, and a damping that makes H positive definite.

    The damping is all of it, what the operator has included, and 0 where H needs none: a quarter
    more than the eigenvalue asks for, since a Ritz value is an estimate from above.
    """
    lowest, _ = lanczos(operator, seed, SPECTRUM_STEPS)
    if lowest > 0:
        return lowest, 0.0
    return lowest, float(f"{operator.damping + 1.25 * abs(lowest):.2g}")


def negative_advice(operator: Curvature) -> str:
    """What to do about negative curvature, with the damping that it takes."""
    lowest, damping = needed_damping(operator)
    if damping == 0.0:
        return NEGATIVE
    return (
        f"negative curvature: add damping or use curvature='gauss-newton'; H's smallest "
        f"eigenvalue is about {lowest:.2g} (Lanczos), so damping={damping:.2g} would do"
    )


def lanczos(operator: Curvature, seed: int = 0, steps: int = LANCZOS_STEPS) -> tuple[float, float]:
    """Smallest and largest Ritz value after a few steps, reorthogonalised (Lanczos 1950).

    Both lie inside the spectrum: the smallest is an estimate of λ_min from above.
    """
    p = operator.shape[0]
    basis: FloatArray = operator.xp.zeros((min(steps, p), p))
    q = operator.xp.asarray(np.random.default_rng(seed).standard_normal(p))
    q /= np.linalg.norm(q)
    diagonal: list[float] = []
    off: list[float] = []
    for k in range(len(basis)):
        basis[k] = q
        r: FloatArray = operator.matvec(q)
        diagonal.append(float(q @ r))
        for _ in range(2):
            r = r - basis[: k + 1].T @ (basis[: k + 1] @ r)
        size = float(np.linalg.norm(r))
        if size <= EPS * p * max(map(abs, diagonal)):
            break
        off.append(size)
        q = r / size
    values = eigh_tridiagonal(diagonal, off[: len(diagonal) - 1], eigvals_only=True)
    return float(values[0]), float(values[-1])
