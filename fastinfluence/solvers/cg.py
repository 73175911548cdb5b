"""Conjugate gradients for many right-hand sides, touching H only through products.

Hestenes & Stiefel (1952). Several sides share one Krylov space (``block_cg``). Those of other than
diagonal preconditioners, and those that a block left unfinished, run side by side: they share a
pass over the data per iteration, and each column stops on its own residual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from fastinfluence.backend import numbers
from fastinfluence.curvature import Curvature
from fastinfluence.errors import InputError, SolverError
from fastinfluence.inputs import positive, positive_count
from fastinfluence.lazy import cached_property
from fastinfluence.solvers.base import Conditioning, Prepared, Solution, residual_bound, units_of
from fastinfluence.solvers.block_cg import BLOCK_FROM, WIDEST, block_cg
from fastinfluence.solvers.gauge import prepared_on_range
from fastinfluence.solvers.rounding import Rounding, widened
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

    def __init__(
        self, config: CG, operator: Curvature, preconditioner: PreparedPreconditioner | None = None
    ) -> None:
        self.config, self.operator = config, operator
        self.preconditioner = preconditioner
        if preconditioner is None and config.preconditioner is not None:
            self.preconditioner = config.preconditioner.prepare(operator)
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
                f"(residual {float(solution.residual_norms[first]):.1e})"
            )
        return solution.x

    def solve(self, B: FloatArray) -> Solution:
        """H⁻¹ B, shape (p, t), with per-column residuals and iterations."""
        units = units_of(B)
        finite = np.isfinite(units)
        scaled = np.where(finite, B / units, 0.0)  # a NaN would spread over the whole block
        ended = self._together(scaled, np.linalg.norm(scaled, axis=0))
        converged, residuals = ended.converged & finite, ended.residuals * units
        known = self.conditioning
        wide = widened(self._rounding, ended.residuals, scaled, ended.X)
        ends = (numbers(a) for a in (converged, ended.negative, ended.iterations))
        advice = negative_advice(self.operator) if ended.negative.any() else ""
        return Solution(
            x=ended.X * units,
            converged=converged,
            iterations=ended.iterations,
            residual_norms=residuals,
            error_bound=residual_bound(wide * units, known.lambda_min or ended.smallest),
            std_error=None,
            status=tuple(
                "converged" if ok else (advice if bad else f"not converged in {count} iterations")
                for ok, bad, count in zip(*ends, strict=True)
            ),
            bound_is_certain=known.certain,
        )

    @cached_property
    def _rounding(self) -> Rounding | None:
        """Where residuals make a bound: a pass."""
        return Rounding.of(self.operator) if self.conditioning.certain else None

    def _together(self, B: FloatArray, norms: FloatArray) -> _Ended:
        """Blocks of sides first, where that may pay; what they leave goes side by side."""
        root = self._root()
        if root is None or B.shape[1] < BLOCK_FROM:
            return self._side_by_side(B, norms, self._limit)
        parts = np.array_split(self.operator.xp.arange(B.shape[1]), -(-B.shape[1] // WIDEST))
        runs = [self._block(B[:, part], norms[part], root) for part in parts]
        out = _Ended.joined(runs)
        left = np.flatnonzero(~out.converged & (out.iterations < self._limit))
        if len(left):
            more = self._limit - out.iterations[left]
            out.replace(left, self._side_by_side(B[:, left], norms[left], more))
        return out

    def _block(self, B: FloatArray, norms: FloatArray, root: FloatArray) -> _Ended:
        run = block_cg(self.operator, B, root, self.config.tol * norms, self._limit)
        steps = np.full_like(norms, run.steps, dtype=np.intp)
        return self._ended(B, norms, run.X, steps, steps < 0, run.rayleigh)

    def _side_by_side(self, B: FloatArray, norms: FloatArray, limit: int | IntArray) -> _Ended:
        limits = np.full_like(norms, limit, dtype=np.intp) if isinstance(limit, int) else limit
        run = _Run(self.operator, self._precondition, B, self.config.tol, limits)
        run.to_the_end()
        return self._ended(B, norms, run.X, run.iterations, run.negative, run.rayleigh)

    def _ended(
        self,
        B: FloatArray,
        norms: FloatArray,
        X: FloatArray,
        iterations: IntArray,
        negative: BoolArray,
        rayleigh: float,
    ) -> _Ended:
        residuals = np.linalg.norm(B - self.operator.matmat(X), axis=0)
        # The recurrence's residual drifts from the true one; what counts is the true one.
        converged = residuals <= np.maximum(10 * self.config.tol, 1e-14) * norms
        return _Ended(X, residuals, converged, iterations, negative & ~converged, rayleigh)

    def _root(self) -> FloatArray | None:
        """The square root of a diagonal preconditioner, shape (p,); None for any other."""
        if self.preconditioner is None:
            return cast("FloatArray", self.operator.xp.ones(self.operator.shape[0]))
        if isinstance(self.preconditioner, PreparedJacobi):
            return np.sqrt(self.preconditioner.inverse)
        return None

    def _precondition(self, R: FloatArray) -> FloatArray:
        return R if self.preconditioner is None else self.preconditioner.apply(R)


@dataclass
class _Ended:
    """Where some right-hand sides ended; one entry each but for ``rayleigh``, λ_min from above."""

    X: FloatArray
    residuals: FloatArray
    converged: BoolArray
    iterations: IntArray
    negative: BoolArray
    rayleigh: float

    @property
    def smallest(self) -> float:
        """The estimate of λ_min; 0 where no step was taken."""
        return self.rayleigh if np.isfinite(self.rayleigh) else 0.0

    @classmethod
    def joined(cls, parts: list[_Ended]) -> _Ended:
        """All of them, in order."""
        return cls(
            np.concatenate([part.X for part in parts], axis=1),
            np.concatenate([part.residuals for part in parts]),
            np.concatenate([part.converged for part in parts]),
            np.concatenate([part.iterations for part in parts]),
            np.concatenate([part.negative for part in parts]),
            min(part.rayleigh for part in parts),
        )

    def replace(self, which: IntArray, other: _Ended) -> None:
        """Put another run of some sides in the place of this one's; its steps come on top."""
        self.X[:, which] = other.X
        self.iterations[which] += other.iterations
        for name in ("residuals", "converged", "negative"):
            getattr(self, name)[which] = getattr(other, name)
        self.rayleigh = min(self.rayleigh, other.rayleigh)


class _Run:
    """The state of one block of right-hand sides."""

    def __init__(
        self,
        operator: Curvature,
        precondition: Callable[[FloatArray], FloatArray],
        B: FloatArray,
        tol: float,
        limits: IntArray,
    ) -> None:
        self.operator, self.precondition, self.limits = operator, precondition, limits
        self.X = np.zeros_like(B)
        self.R = B.copy()
        self.norms = np.linalg.norm(B, axis=0)
        self.targets = tol * self.norms
        self.negative: BoolArray = np.zeros_like(self.norms, dtype=bool)
        self.iterations = np.zeros_like(self.norms, dtype=np.intp)
        self.rayleigh = np.inf
        """Smallest Rayleigh quotient seen: an estimate, from above, of λ_min."""

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
            going = (residuals > self.targets[active]) & (
                self.iterations[active] < self.limits[active]
            )
            active, P_a = active[going], P_a[:, going]
            Z_a = self.precondition(self.R[:, active])
            rz_new = (self.R[:, active] * Z_a).sum(axis=0)
            P[:, active] = Z_a + (rz_new / rz[active]) * P_a
            rz[active] = rz_new

    def _note_curvature(self, active: IntArray, P: FloatArray, curvature: FloatArray) -> None:
        self.negative[active[curvature <= 0]] = True
        quotients = curvature / np.maximum((P * P).sum(axis=0), np.finfo(np.float64).tiny)
        if len(quotients) and quotients.min() > 0:
            self.rayleigh = min(self.rayleigh, float(quotients.min()))
