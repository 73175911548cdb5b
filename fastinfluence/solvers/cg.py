"""Conjugate gradients for many right-hand sides, touching H only through products.

Hestenes & Stiefel (1952); the recurrence runs side by side for all columns, which share one
pass over the data per iteration, and each column stops on its own residual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.errors import InputError, SolverError
from fastinfluence.inputs import positive, positive_count
from fastinfluence.solvers.base import Conditioning, Prepared, Solution, residual_bound
from fastinfluence.solvers.gauge import prepared_on_range
from fastinfluence.solvers.spectrum import negative_advice
from fastinfluence.types import BoolArray, FloatArray, IntArray


class Preconditioner(Protocol):
    """An approximate inverse of the curvature."""

    def prepare(self, operator: Curvature) -> PreparedPreconditioner:
        """Do the work that depends on the operator alone."""


class PreparedPreconditioner(Protocol):
    """A preconditioner that has seen its operator."""

    def apply(self, R: FloatArray) -> FloatArray:
        """The approximate inverse times R, shape (p, t)."""


@dataclass(frozen=True)
class Jacobi:
    """The inverse of the diagonal: removes the units of the columns."""

    def prepare(self, operator: Curvature) -> PreparedJacobi:
        """Read the diagonal, one pass over the data."""
        diagonal = operator.scales()
        return PreparedJacobi(1.0 / np.where(diagonal > 0, diagonal, 1.0))


@dataclass(frozen=True)
class PreparedJacobi:
    """Elementwise scaling."""

    inverse: FloatArray

    def apply(self, R: FloatArray) -> FloatArray:
        """Scale each row of R."""
        return self.inverse[:, None] * R


@dataclass(frozen=True)
class CG:
    """Conjugate gradients, O(np) per iteration and right-hand side.

    Parameters
    ----------
    tol : float, default 1e-8
        A column stops when ‖b − H x‖ ≤ tol·‖b‖.
    max_iterations : int, optional
        Default: 10 p, at least 100.
    preconditioner : Jacobi or None, default Jacobi()
        Anything with ``prepare(operator)`` returning an object with ``apply(R)``.
    """

    tol: float = 1e-8
    max_iterations: int | None = None
    preconditioner: Preconditioner | None = Jacobi()

    def __post_init__(self) -> None:
        if not 0 < positive(self.tol, "tol") < 1:
            raise InputError(f"tol={self.tol!r} must lie between 0 and 1")
        if self.max_iterations is not None:
            positive_count(self.max_iterations, "max_iterations")

    def prepare(self, operator: Curvature) -> Prepared:
        """Prepare the preconditioner."""
        return prepared_on_range(operator, lambda H: PreparedCG(self, H))


class PreparedCG:
    """Conjugate gradients on one operator."""

    def __init__(self, config: CG, operator: Curvature) -> None:
        self.config = config
        self.operator = operator
        chosen = config.preconditioner
        self._preconditioner = None if chosen is None else chosen.prepare(operator)
        self._limit = config.max_iterations or max(100, 10 * operator.shape[0])

    @cached_property
    def conditioning(self) -> Conditioning:
        """The floor that penalty and damping give where the loss is convex."""
        floor = self.operator.floor()
        return Conditioning(lambda_min=floor, certain=floor > 0)

    def apply(self, B: FloatArray) -> FloatArray:
        """H⁻¹ B; raises SolverError naming the first column that did not converge."""
        solution = self.solve(B)
        if not solution.converged.all():
            first = int(np.flatnonzero(~solution.converged)[0])
            raise SolverError(
                f"CG stopped on right-hand side {first}: {solution.status[first]} "
                f"(residual {solution.residual_norms[first]:.1e})"
            )
        return solution.x

    def solve(self, B: FloatArray) -> Solution:
        """H⁻¹ B, shape (p, t), with per-column residuals and iterations."""
        run = _Run(self.operator, self._precondition, B, self.config.tol, self._limit)
        run.to_the_end()
        residuals = np.linalg.norm(B - self.operator.matmat(run.X), axis=0)
        # The recurrence's residual drifts from the true one; what counts is the true one.
        converged = residuals <= np.maximum(10 * run.targets, 1e-14 * run.norms)
        known = self.conditioning
        bends = run.negative & ~converged
        advice = negative_advice(self.operator) if bends.any() else ""
        return Solution(
            x=run.X,
            converged=converged,
            iterations=run.iterations,
            residual_norms=residuals,
            error_bound=residual_bound(residuals, known.lambda_min or run.smallest_ritz()),
            std_error=None,
            status=tuple(
                "converged" if ok else (advice if bad else f"not converged in {count} iterations")
                for ok, bad, count in zip(converged, run.negative, run.iterations, strict=True)
            ),
            bound_is_certain=known.certain,
        )

    def _precondition(self, R: FloatArray) -> FloatArray:
        return R if self._preconditioner is None else self._preconditioner.apply(R)


class _Run:
    """The state of one block of right-hand sides."""

    def __init__(
        self,
        operator: Curvature,
        precondition: Callable[[FloatArray], FloatArray],
        B: FloatArray,
        tol: float,
        limit: int,
    ) -> None:
        self.operator, self.precondition, self.limit = operator, precondition, limit
        self.X = np.zeros_like(B)
        self.R = B.copy()
        self.norms = np.linalg.norm(B, axis=0)
        self.targets = tol * self.norms
        self.negative: BoolArray = np.zeros(B.shape[1], dtype=bool)
        self.iterations = np.zeros(B.shape[1], dtype=np.intp)
        self._rayleigh = np.inf

    def to_the_end(self) -> None:
        """Iterate until every column has converged, met negative curvature or run out."""
        active = np.flatnonzero(self.norms > 0)
        Z = self.precondition(self.R)
        P = Z.copy()
        rz = (self.R * Z).sum(axis=0)
        while len(active):
            P_a = P[:, active]
            HP = self.operator.matmat(P_a)
            curvature = (P_a * HP).sum(axis=0)
            self._note_curvature(active, P_a, curvature)
            going = curvature > 0
            active, P_a, HP, curvature = (
                active[going],
                P_a[:, going],
                HP[:, going],
                curvature[going],
            )
            step = rz[active] / curvature
            self.X[:, active] += step * P_a
            self.R[:, active] -= step * HP
            self.iterations[active] += 1
            residuals = np.linalg.norm(self.R[:, active], axis=0)
            going = (residuals > self.targets[active]) & (self.iterations[active] < self.limit)
            active, P_a = active[going], P_a[:, going]
            Z_a = self.precondition(self.R[:, active])
            rz_new = (self.R[:, active] * Z_a).sum(axis=0)
            P[:, active] = Z_a + (rz_new / rz[active]) * P_a
            rz[active] = rz_new

    def _note_curvature(self, active: IntArray, P: FloatArray, curvature: FloatArray) -> None:
        self.negative[active[curvature <= 0]] = True
        quotients = curvature / np.maximum((P * P).sum(axis=0), np.finfo(np.float64).tiny)
        if len(quotients) and quotients.min() > 0:
            self._rayleigh = min(self._rayleigh, float(quotients.min()))

    def smallest_ritz(self) -> float:
        """Smallest Rayleigh quotient seen: an estimate, from above, of λ_min."""
        return self._rayleigh if np.isfinite(self._rayleigh) else 0.0
