"""What rounding may hide of a curvature, of a residual, and so of a solution's error.

An entry of H is a sum over rows, H_jk = Σ_i c_i x_ij x_ik, computed to within γ Σ_i |c_i x_ij x_ik|
≤ γ r_j r_k, where r_j² = Σ_i |c_i| x_ij² (the diagonal, where no row bends downwards) and γ is the
number of roundings that a term goes through, times the unit roundoff (Higham 2002, ch. 3). The same
holds of a product with H. The rows' curvatures c_i are taken as they were computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.types import FloatArray

EPS = float(np.finfo(np.float64).eps)
"""Twice the unit roundoff, which leaves room for products of roundings."""
OTHERS = 8
"""Roundings of a term beside those of its sums: its factors, the penalty, the damping."""
RESOLVED = 4.0
"""λ_min must be this many times what rounding moves eigenvalues by before it bounds anything."""


@dataclass(frozen=True)
class Rounding:
    """Bounds on what rounding did to one curvature.

    Attributes
    ----------
    gamma : float
    roots : ndarray, shape (p,)
        r_j: entry jk of H is known to within ``gamma`` r_j r_k.
    """

    gamma: float
    roots: FloatArray

    @classmethod
    def of(cls, operator: Curvature, diagonal: FloatArray | None = None) -> Rounding | None:
        """Of an operator whose terms' sizes are known, else None; a pass without its diagonal."""
        convex = operator.engine.convex and diagonal is not None
        sizes = diagonal if convex else operator.term_sizes()
        if sizes is None:
            return None
        problem = operator.engine.problem
        n, block = problem.n_rows, int(getattr(problem.rows, "block_rows", problem.n_rows))
        summed = min(n, block) + -(-n // max(block, 1))
        return cls((summed + len(sizes) + OTHERS) * EPS, np.sqrt(sizes))

    def of_residual(self, B: FloatArray, X: FloatArray) -> FloatArray:
        """What B − HX, for the exact H, may differ by from what was computed, shape (p, t)."""
        along = np.abs(X).T @ self.roots
        return self.gamma * (np.abs(B) + self.roots[:, None] * along)

    def scaled(self, scale: FloatArray) -> Rounding:
        """Of D H D, D = diag(scale)."""
        return Rounding(self.gamma, self.roots * scale)

    def moved(self, scale: FloatArray) -> float:
        """‖D ΔH D‖₂ at most, D = diag(scale)."""
        return self.gamma * float(((self.roots * scale) ** 2).sum())


def widened(
    rounding: Rounding | None, residuals: FloatArray, B: FloatArray, X: FloatArray
) -> FloatArray:
    """Norms of the exact residuals at most, given the computed ones, shape (t,).

    Without ``rounding`` the computed ones.
    """
    if rounding is None:
        return residuals
    hidden: FloatArray = np.linalg.norm(rounding.of_residual(B, X), axis=0)
    return residuals + hidden
