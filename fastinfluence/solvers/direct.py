"""Direct solution: form the p×p curvature, factorise it once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.solvers.base import Conditioning, Solution, residual_bound
from fastinfluence.solvers.factor import Factor
from fastinfluence.types import FloatArray


@dataclass(frozen=True)
class Direct:
    """Cholesky of the dense curvature, O(np² + p³) once, then O(p²) per right-hand side.

    A singular matrix gets the minimum-norm solution and an indefinite one is solved as it
    is; both are reported in ``Solution.status`` and by ``Influence.report()``.
    """

    def prepare(self, operator: Curvature) -> PreparedDirect:
        """Form and factorise the operator."""
        return PreparedDirect(operator)


class PreparedDirect:
    """A factorised operator."""

    def __init__(self, operator: Curvature) -> None:
        self._matrix = operator.dense()
        self._floor = operator.floor()
        self.factor = Factor(self._matrix)

    @cached_property
    def conditioning(self) -> Conditioning:
        """Smallest eigenvalue (a lower bound), condition, dropped and negative directions."""
        factor = self.factor
        return Conditioning(
            lambda_min=max(self._floor, factor.lambda_min()),
            certain=True,
            condition=1.0 / factor.rcond if factor.rcond > 0 else np.inf,
            null_space=factor.null_space,
            negative=factor.negative,
        )

    def apply(self, B: FloatArray) -> FloatArray:
        """H⁻¹ B without diagnostics."""
        return self.factor.solve(B)

    def solve(self, B: FloatArray) -> Solution:
        """H⁻¹ B, shape (p, t), with residuals against the dense matrix."""
        x = self.factor.solve(B)
        residuals = np.linalg.norm(self.factor.project(B) - self._matrix @ x, axis=0)
        t = B.shape[1]
        return Solution(
            x=x,
            converged=np.asarray(np.isfinite(x).all(axis=0)),
            iterations=np.zeros(t, dtype=np.intp),
            residual_norms=residuals,
            error_bound=residual_bound(residuals, self.conditioning.lambda_min),
            std_error=None,
            status=(self._status(),) * t,
            bound_is_certain=self.conditioning.certain,
        )

    def _status(self) -> str:
        dropped = self.factor.null_space.shape[1]
        if dropped:
            return f"minimum-norm solution: {dropped} directions without curvature dropped"
        if self.factor.negative:
            return f"indefinite: {self.factor.negative} directions of negative curvature"
        return "converged"
