"""What every question needs: the linearised model, its curvature, a prepared solver."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from fastinfluence.backend import numbers
from fastinfluence.curvature import Curvature
from fastinfluence.engines.base import Engine
from fastinfluence.engines.glm import CURVATURES
from fastinfluence.engines.host_view import computing
from fastinfluence.engines.linearize import linearize
from fastinfluence.errors import FastInfluenceWarning, InputError
from fastinfluence.fit import FitStatus, relative_gradient
from fastinfluence.inputs import non_negative, one_of
from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem, Spec
from fastinfluence.progress import Progress, as_progress, silent
from fastinfluence.removal import Refit
from fastinfluence.removal.active import warn_if_changed
from fastinfluence.search import gradient_norm
from fastinfluence.solvers import Solver
from fastinfluence.solvers.base import Prepared
from fastinfluence.solvers.carried import chosen, prepare
from fastinfluence.solvers.cg import CG
from fastinfluence.solvers.choose import Choice
from fastinfluence.solvers.spectrum import negative_advice
from fastinfluence.types import FloatArray

FAR = 1e-2
"""Relative gradient above which theta is called far from the optimum."""


@dataclass(frozen=True)
class Settings:
    """How questions are answered; checked when made."""

    solver: Solver | str = "auto"
    damping: float = 0.0
    curvature: str = "hessian"
    progress: Progress = silent

    @classmethod
    def of(
        cls, solver: Solver | str, damping: float, curvature: str, progress: bool | Progress | None
    ) -> Settings:
        """Settings from what the caller gave, or one InputError."""
        if isinstance(solver, str):
            one_of(solver, ("auto",), "solver")
        elif isinstance(solver, type) or not hasattr(solver, "prepare"):
            raise InputError(f"solver={solver!r} is unknown: use 'auto' or fi.solvers.Direct(), …")
        one_of(curvature, tuple(CURVATURES), "curvature")
        return cls(solver, non_negative(damping, "damping"), curvature, as_progress(progress))


class InfluenceBase:
    """A model linearised at theta, and how to solve with its curvature."""

    fit_status: FitStatus | None
    """How the fit ended, where this library made it."""

    def _setup(
        self,
        problem: Problem,
        theta: FloatArray,
        settings: Settings,
        fit_status: FitStatus | None = None,
        refit: Refit | None = None,
    ) -> None:
        self._problem = problem
        self._settings = settings
        self._engine: Engine = linearize(problem, theta, settings.curvature)
        self._passes: Engine = computing(self._engine)
        self._refit = refit
        self.fit_status = fit_status
        if fit_status is not None:
            warn_if_changed(problem, theta)

    @property
    def theta(self) -> FloatArray:
        """Parameters, shape (p,): coefficients, then the intercept, in the layout of the spec."""
        return self._passes.theta if self._problem.keeps_results else self._engine.theta

    @property
    def spec(self) -> Spec:
        """What was minimised."""
        return self._problem.spec

    @property
    def n_rows(self) -> int:
        """Number of training rows n."""
        return self._problem.n_rows

    @property
    def gradient_norm(self) -> float:
        """‖∇R(theta)‖₂ in the spec's own reduction; zero at the optimum."""
        return gradient_norm(self._engine)

    @cached_property
    def hessian(self) -> Curvature:
        """Damped curvature in mean form: a SciPy LinearOperator, + .dense(), .diagonal()."""
        return Curvature(self._engine, self._settings.damping)

    @cached_property
    def _choice(self) -> Choice:
        solver = self._settings.solver
        if isinstance(solver, str):
            return chosen(self.hessian)
        return Choice(solver, f"{type(solver).__name__}: as asked for")

    @cached_property
    def _prepared(self) -> Prepared:
        prepared = prepare(self._choice.solver, self.hessian)
        self._warn_about_null_space(prepared)
        return prepared

    @cached_property
    def _choice_for_rows(self) -> Choice:
        """What solves for every row: a factorisation may be worth it that few sides are not."""
        choice = self._choice
        if not isinstance(self._settings.solver, str) or not isinstance(choice.solver, CG):
            return choice
        other = chosen(self.hessian, self._problem.n_rows)
        return choice if isinstance(other.solver, CG) else other

    @cached_property
    def _prepared_for_rows(self) -> Prepared:
        if self._choice_for_rows is self._choice:
            return self._prepared
        return prepare(self._choice_for_rows.solver, self.hessian)

    def _solve(self, sides: FloatArray) -> FloatArray:
        solution = self._prepared.solve(sides)
        bad = [j for j, good in enumerate(numbers(solution.converged)) if not good]
        if bad:
            warnings.warn(
                f"{len(bad)} of {sides.shape[1]} right-hand sides did not converge, first "
                f"{bad[0]}: {solution.status[bad[0]]} "
                f"(residual {float(solution.residual_norms[bad[0]]):.1e})",
                FastInfluenceWarning,
                stacklevel=4,
            )
        return solution.x

    @cached_property
    def relative_gradient(self) -> float:
        """Largest |∇R_j| relative to what its sum cancels from: 0 at the optimum, at most 1."""
        return relative_gradient(self._engine)

    def _warn_if_far(self) -> None:
        if self.relative_gradient > FAR:
            warnings.warn(
                f"theta is far from the optimum: ‖∇R‖ = {self.gradient_norm:.2e}, "
                f"{self.relative_gradient:.0%} of the largest it could be. Influence assumes a "
                "stationary theta: use infl.polish(), or check that spec (l2, reduction, "
                "intercept, weights) is the objective that was minimised",
                FastInfluenceWarning,
                stacklevel=3,
            )

    def _warn_about_null_space(self, prepared: Prepared) -> None:
        conditioning = prepared.conditioning
        dropped = conditioning.null_space.shape[1]
        if dropped:
            weight = np.abs(conditioning.null_space).max(axis=1)
            names = [self._problem.param_names[j] for j in np.flatnonzero(weight > 1e-6)]
            warnings.warn(
                f"H is singular: {dropped} combination(s) of {', '.join(names[:8])} have no "
                "curvature (collinear columns?); the minimum-norm solution is used. Drop a "
                "column or add l2 > 0",
                FastInfluenceWarning,
                stacklevel=4,
            )
        if conditioning.negative:
            warnings.warn(
                f"H has {conditioning.negative} negative eigenvalue(s): theta is no minimum. Use "
                f"infl.polish(), or act on {negative_advice(self.hessian)}",
                FastInfluenceWarning,
                stacklevel=4,
            )
