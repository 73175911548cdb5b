"""Block conjugate gradients: many right-hand sides that share one Krylov space.

O'Leary (1980), in the form of Dubrulle (2001) that keeps the residuals as Q C with orthonormal Q:
sides that are nearly dependent, or have converged, then cost no accuracy. A side is approximated
from the products of all, so t sides need far fewer steps than each alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.solvers.algebra import algebra_of
from fastinfluence.types import FloatArray

BLOCK_FROM = 2
"""Right-hand sides from which they share a Krylov space."""
WIDEST = 256
"""Most sides in one block: beyond, orthogonalising costs as much as the products."""


@dataclass(frozen=True)
class BlockRun:
    """Where a block ended.

    Attributes
    ----------
    X : ndarray, shape (p, t)
        Good to the tolerance only where the residuals say so: a block ends early at negative
        curvature.
    steps : int
        Products with p×k blocks.
    rayleigh : float
        Smallest Rayleigh quotient of a direction: λ_min from above; infinity without a step.
    """

    X: FloatArray
    steps: int
    rayleigh: float


def block_cg(
    operator: Curvature, B: FloatArray, root: FloatArray, targets: FloatArray, limit: int
) -> BlockRun:
    """Solve H X = B for all columns of B (p, t) together, t at most :data:`WIDEST`.

    Parameters
    ----------
    root : ndarray, shape (p,)
        D of a diagonal preconditioner D²: the block runs on D H D.
    targets : ndarray, shape (t,)
        Norms of H x − b at which each column may stop; all go on until every one may.
    """
    D = root[:, None]
    X = np.zeros_like(B)
    Q, C = np.linalg.qr(D * B)
    P, rayleigh, steps = Q.copy(), np.inf, 0
    positive = algebra_of(B).positive
    while steps < limit and (np.linalg.norm((Q @ C) / D, axis=0) > targets).any():
        moved = D * P
        S = D * operator.matmat(moved)
        curvature = P.T @ S
        if not np.isfinite(curvature).all():
            break
        try:
            solve = positive(0.5 * (curvature + curvature.T))
        except np.linalg.LinAlgError:  # negative curvature, or directions that ran out
            break
        steps += 1
        Y = solve(C)
        taken = moved @ Y
        rayleigh = min(rayleigh, _smallest(np.diagonal(curvature), moved), _smallest(Y * C, taken))
        X += taken
        Q, Z = np.linalg.qr(Q - S @ solve(operator.xp.eye(len(C))))
        C = Z @ C
        P = Q + P @ Z.T
    return BlockRun(X, steps, rayleigh)


def _smallest(curvatures: FloatArray, directions: FloatArray) -> float:
    """The smallest quotient dᵀHd/‖d‖² of directions (p, t), given dᵀHd or terms of it (k, t).

    The steps that sides take lean to the flattest directions of the block, which has few others
    where it is as wide as the space.
    """
    bent = curvatures if curvatures.ndim == 1 else curvatures.sum(axis=0)
    sizes = np.einsum("ij,ij->j", directions, directions)
    known = (sizes > np.finfo(np.float64).tiny) & (bent > 0)
    quotients = bent[known] / sizes[known]
    return float(quotients.min()) if len(quotients) else np.inf
