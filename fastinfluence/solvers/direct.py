"""Direct solution: form the p×p curvature (or its n×n dual), factorise it once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.errors import UnsupportedError
from fastinfluence.inputs import one_of
from fastinfluence.lazy import cached_property
from fastinfluence.solvers.base import (
    Conditioning,
    Prepared,
    Solution,
    finite_columns,
    residual_bound,
)
from fastinfluence.solvers.dual import PreparedDual, has_dual
from fastinfluence.solvers.factor import Factor
from fastinfluence.solvers.gauge import prepared_on_range
from fastinfluence.types import FloatArray

FORMS = ("auto", "primal", "dual")
ROOT_BELOW = 2048
"""Parameters up to which an explicit root of the inverse is kept for sums over all rows."""
DUAL_BELOW = 0.75
"""The n×n form is taken below this many rows per parameter."""


@dataclass(frozen=True)
class Direct:
    """Cholesky of the dense curvature, O(np² + p³) once, then O(p²) per right-hand side.

    A singular matrix gets the minimum-norm solution and an indefinite one is solved as it
    is; both are reported in ``Solution.status`` and by ``Influence.report()``.

    Parameters
    ----------
    form : {"auto", "primal", "dual"}, default "auto"
        ``"dual"`` factorises an n×n matrix instead, O(n²p + n³) once, then O(np) per
        right-hand side, without forming p×p. It needs convex rows and a penalty on every
        coefficient; an unpenalised intercept is eliminated. ``"auto"`` takes it where
        possible and n < 0.75 p.
    """

    form: str = "auto"

    def __post_init__(self) -> None:
        one_of(self.form, FORMS, "form")

    def prepare(self, operator: Curvature) -> Prepared:
        """Form and factorise the operator."""
        return prepared_on_range(operator, self._prepare)

    def _prepare(self, operator: Curvature) -> PreparedDirect | PreparedDual:
        problem, p = operator.engine.problem, operator.shape[0]
        n = problem.n_rows * problem.n_outputs
        possible = has_dual(operator)
        if self.form == "dual" and not possible:
            raise UnsupportedError(
                "the dual form needs convex rows and a penalty on every coefficient: "
                'use form="primal", or add l2 or damping'
            )
        if self.form == "dual" or (self.form == "auto" and possible and n < DUAL_BELOW * p):
            dual = PreparedDual(operator)
            if dual.regular:
                return dual
        return PreparedDirect(operator)


class PreparedDirect:
    """A factorised operator."""

    def __init__(self, operator: Curvature, factor: Factor | None = None) -> None:
        self.matrix = operator.dense()
        self._floor = operator.floor()
        self.factor = factor or Factor(self.matrix)

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
            note=f"primal form: {len(self.matrix)}×{len(self.matrix)} over the parameters",
        )

    def apply(self, B: FloatArray) -> FloatArray:
        """H⁻¹ B without diagnostics."""
        return self.factor.solve(B)

    @cached_property
    def inverse_root(self) -> FloatArray | None:
        """R (p, p) with H⁻¹ = RRᵀ, or None where H is not positive definite, or large."""
        return self.factor.inverse_root() if len(self.matrix) <= ROOT_BELOW else None

    def solve(self, B: FloatArray) -> Solution:
        """H⁻¹ B, shape (p, t), with residuals against the dense matrix."""
        x = self.factor.solve(B)
        residuals = np.linalg.norm(self.factor.project(B) - self.matrix @ x, axis=0)
        t = B.shape[1]
        return Solution(
            x=x,
            converged=finite_columns(x),
            iterations=np.zeros_like(residuals, dtype=np.intp),
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
