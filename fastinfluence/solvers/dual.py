"""Direct solution in the space of rows: n×n instead of p×p.

With H = D + ZᵀZ (Z of shape (n, p), D the penalty's diagonal) the Woodbury identity needs only
K = I + Z D⁻¹ Zᵀ. Parameters without a penalty (an intercept; columns F of Z) are eliminated
through their Schur complement, which simplifies to Z_Fᵀ K⁻¹ Z_F: with q = K⁻¹ Z D⁻¹ b,

    x_F = (Z_Fᵀ K⁻¹ Z_F)⁻¹ (b_F − Z_Fᵀ q),    x = D⁻¹ (b − Zᵀ (q + K⁻¹ Z_F x_F)) elsewhere.
"""

from __future__ import annotations

import numpy as np

from fastinfluence.curvature import Curvature, Gauge
from fastinfluence.lazy import cached_property
from fastinfluence.solvers.base import Conditioning, Solution, finite_columns, residual_bound
from fastinfluence.solvers.factor import Factor
from fastinfluence.solvers.rounding import Rounding, widened
from fastinfluence.solvers.spectrum import MAX_FREE, smallest_eigenvalue, unit_columns
from fastinfluence.types import FloatArray

REFINE = 1e-4
"""Below this reciprocal condition one step of iterative refinement follows each solve."""


def has_dual(operator: Curvature) -> bool:
    """Whether every parameter but a few free ones is penalised and every row convex."""
    free = int((operator.shift <= 0).sum())
    few = free <= min(MAX_FREE, len(operator.shift) - 1)
    if Gauge.of(operator.engine.problem, operator.damping) is not None:
        return False  # free parameters that are no directions of the data: no Schur complement
    return few and operator.engine.convex and operator.engine.curvature_root is not None


class PreparedDual:
    """K, factorised."""

    def __init__(self, operator: Curvature, factor: Factor | None = None) -> None:
        self._operator = operator
        root = operator.engine.curvature_root
        assert root is not None, "has_dual(operator) was not asked"
        self._root = root
        shift = operator.shift
        self._free = np.flatnonzero(shift <= 0)
        self._inverse = np.where(shift > 0, 1.0 / np.where(shift > 0, shift, 1.0), 0.0)
        self.factor = factor or Factor(self._kernel())
        self._eliminate()

    def _kernel(self) -> FloatArray:
        K = self._root.gram(self._inverse)
        K[np.diag_indices_from(K)] += 1.0
        return K

    def _eliminate(self) -> None:
        """K⁻¹ Z_F and the Schur complement of the free parameters."""
        self._columns = self._root.apply(unit_columns(len(self._inverse), self._free))
        self._solved = self.factor.solve(self._columns)
        self._schur = Factor(self._columns.T @ self._solved) if len(self._free) else None

    @property
    def regular(self) -> bool:
        """Whether both factors are definite: otherwise the primal form must answer."""
        return self.factor.definite and (self._schur is None or self._schur.definite)

    @cached_property
    def conditioning(self) -> Conditioning:
        """λ_min from the penalty, condition of K (that of H scaled by D)."""
        lower = smallest_eigenvalue(self._operator)
        return Conditioning(
            lambda_min=lower.value,
            certain=lower.certain,
            condition=1.0 / self.factor.rcond,
            null_space=self._operator.xp.zeros((len(self._inverse), 0)),
            note=f"dual form: {len(self._columns)}×{len(self._columns)} over the rows",
        )

    @cached_property
    def _rounding(self) -> Rounding | None:
        """Where residuals make a bound: a pass."""
        return Rounding.of(self._operator) if self.conditioning.certain else None

    def apply(self, B: FloatArray) -> FloatArray:
        """H⁻¹ B without diagnostics."""
        x = self._once(B)
        if self.factor.rcond < REFINE:
            x += self._once(B - self._operator.matmat(x))
        return x

    def solve(self, B: FloatArray) -> Solution:
        """H⁻¹ B, shape (p, t), with residuals."""
        x, t = self.apply(B), B.shape[1]
        residuals = np.linalg.norm(B - self._operator.matmat(x), axis=0)
        known = self.conditioning
        wide = widened(self._rounding, residuals, B, x)
        return Solution(
            x=x,
            converged=finite_columns(x),
            iterations=np.zeros_like(residuals, dtype=np.intp),
            residual_norms=residuals,
            error_bound=residual_bound(wide, known.lambda_min),
            std_error=None,
            status=("converged",) * t,
            bound_is_certain=known.certain,
        )

    def _once(self, B: FloatArray) -> FloatArray:
        D_inverse = self._inverse[:, None]
        q = self.factor.solve(self._root.apply(D_inverse * B))
        if self._schur is None:
            whole: FloatArray = D_inverse * (B - self._root.adjoint(q))
            return whole
        free = self._schur.solve(B[self._free] - self._columns.T @ q)
        x: FloatArray = D_inverse * (B - self._root.adjoint(q + self._solved @ free))
        x[self._free] = free
        return x
