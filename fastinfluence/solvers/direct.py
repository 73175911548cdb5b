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
from fastinfluence.solvers.rounding import RESOLVED, Rounding, widened
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
        with np.errstate(over="ignore", invalid="ignore"):  # the factor refuses what overflowed
            self.matrix = operator.dense()
        self._operator, self._floor = operator, operator.floor()
        self.factor = factor or Factor(self.matrix)

    @cached_property
    def _rounding(self) -> Rounding | None:
        return Rounding.of(self._operator, np.diagonal(self.matrix))

    @cached_property
    def _unit_floor(self) -> float:
        """Smallest eigenvalue of the exact H scaled to a unit diagonal, from below; 0: unknown."""
        if self._rounding is None or not self.factor.definite:
            return 0.0
        known, moved = self.factor.scaled_lambda_min(), self._rounding.moved(self.factor.scale)
        return known - 2 * moved if known > RESOLVED * moved else 0.0

    @cached_property
    def conditioning(self) -> Conditioning:
        """Smallest eigenvalue (a lower bound), condition, dropped and negative directions."""
        factor, known = self.factor, self._unit_floor
        share = known / factor.scaled_lambda_min() if known > 0 else 1.0
        dropped = factor.null_space.shape[1]
        return Conditioning(
            lambda_min=max(self._floor, share * factor.lambda_min()),
            certain=known > 0 or (self._floor > 0 and not dropped),
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
        x, sides = self.factor.solve(B), self.factor.project(B)
        left = sides - self.matrix @ x
        residuals = np.linalg.norm(left, axis=0)
        t = B.shape[1]
        return Solution(
            x=x,
            converged=finite_columns(x),
            iterations=np.zeros_like(residuals, dtype=np.intp),
            residual_norms=residuals,
            error_bound=self._bound(left, sides, x, residuals),
            std_error=None,
            status=(self._status(),) * t,
            bound_is_certain=self.conditioning.certain,
        )

    def _bound(
        self, left: FloatArray, B: FloatArray, x: FloatArray, residuals: FloatArray
    ) -> FloatArray:
        """The error of x at most, shape (t,), or an estimate where λ_min is one."""
        if not self.conditioning.certain:
            return residual_bound(residuals, self.conditioning.lambda_min)
        rounding, scale, bounds = self._rounding, self.factor.scale[:, None], []
        if self._unit_floor > 0 and rounding is not None:
            inner = np.linalg.norm(scale * left, axis=0)
            inner = widened(rounding.scaled(scale[:, 0]), inner, scale * B, x / scale)
            bounds.append(float(scale.max()) * residual_bound(inner, self._unit_floor))
        if self._floor > 0:
            bounds.append(residual_bound(widened(rounding, residuals, B, x), self._floor))
        if not bounds:  # a state that an older version saved
            return residual_bound(residuals, self.conditioning.lambda_min)
        return bounds[0] if len(bounds) == 1 else np.minimum(*bounds)

    def _status(self) -> str:
        dropped = self.factor.null_space.shape[1]
        if dropped:
            return f"minimum-norm solution: {dropped} directions without curvature dropped"
        if self.factor.negative:
            return f"indefinite: {self.factor.negative} directions of negative curvature"
        return "converged"
