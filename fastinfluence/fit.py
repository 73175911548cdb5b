"""To the optimum: Newton's method with an honest account of where it stopped."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastinfluence.curvature import Curvature, scales
from fastinfluence.descent import descend
from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import linearize
from fastinfluence.errors import NoOptimumError, SolverError, UnsupportedError
from fastinfluence.inputs import listed
from fastinfluence.problem import Problem
from fastinfluence.progress import Progress, silent
from fastinfluence.search import gradient_norm, line_search
from fastinfluence.solvers.base import Solver
from fastinfluence.solvers.carried import chosen, prepare
from fastinfluence.solvers.cg import CG
from fastinfluence.spec.mlp import MLP
from fastinfluence.spec.oracle import Oracle
from fastinfluence.types import BoolArray, FloatArray

MAX_ITERATIONS = 200
RUNAWAY_STEPS = 5
"""Steps that stay long after the gradient has vanished, and R falls by next to nothing of what it
was, before the optimum is called absent."""
STALLED = 1e-6
"""Relative gradient above which no point is stationary, however small the units of the loss."""
ROUNDING_SHARE = 1e-12
"""A gradient below this share of what its sum cancels from has no correct digits left."""
ROUNDING = "stopped where rounding hides further progress"
LOOSE = 0.1
"""Relative residual of the first step where CG takes it."""


@dataclass(frozen=True)
class FitStatus:
    """How a fit ended.

    Attributes
    ----------
    gradient_norm : float
        ‖∇R‖₂ in the spec's own reduction.
    step : float
        max_j |(H⁻¹∇R)_j|: how far the optimum still is, in theta.
    iterations : int
    message : str
        ``"converged"``, or that rounding forbids the tolerance.
    """

    gradient_norm: float
    step: float
    iterations: int
    message: str

    @property
    def stationary(self) -> bool:
        """Whether it ended where the gradient vanishes, as far as rounding lets it."""
        return self.message in ("converged", ROUNDING)


@dataclass(frozen=True)
class _Tolerance:
    """The conditions of convergence: a small gradient, a small Newton step, a small fall.

    The first two have units: where columns differ by many orders of magnitude, the largest
    entry of theta lets the others' steps be long. What R would still fall by has none.
    """

    tol: float

    def gradient(self, engine: Engine) -> bool:
        return gradient_norm(engine) <= self.tol

    def step(self, engine: Engine, step: FloatArray) -> bool:
        return float(np.abs(step).max()) <= self.tol * (1 + float(np.abs(engine.theta).max()))

    def fall(self, engine: Engine, step: FloatArray) -> bool:
        return float(step @ engine.gradient) <= self.tol**2 * _mean_objective(engine)


def minimize(
    problem: Problem,
    theta: FloatArray,
    tol: float = 1e-9,
    solver: Solver | None = None,
    progress: Progress = silent,
) -> tuple[FloatArray, FitStatus]:
    """Minimise the problem's objective from ``theta`` by Newton's method.

    An MLP or an oracle goes to a stationary point near ``theta`` (:mod:`fastinfluence.descent`),
    with solves of its own whatever the ``solver``; its status says so where none is reached.

    Stops when ‖∇R‖ ≤ tol, max_j |(H⁻¹∇R)_j| ≤ tol·(1 + ‖theta‖∞) and ∇RᵀH⁻¹∇R ≤ tol²·|R| (or
    rounding hides that fall), or where rounding forbids the first, which the status then says.

    Raises
    ------
    NoOptimumError
        If the objective keeps falling along a direction: separable data, an empty category.
    SolverError
        If the gradient overflows.
    """
    if isinstance(problem.spec, Oracle) and "loss" not in problem.spec.calls:
        raise UnsupportedError(
            "fitting, polishing and exact removals follow the objective: give fi.Oracle(..., "
            "loss=...), a function of (theta, X, y) that returns each row's loss"
        )
    if isinstance(problem.spec, (MLP, Oracle)):
        end = descend(problem, theta, tol, progress)
        return end.engine.theta, _status(end.engine, end.step, end.iterations, end.message)
    tolerance = _Tolerance(tol)
    engine = linearize(problem, theta)
    newton, start = _Newton(solver, _finite(gradient_norm(engine))), _mean_objective(engine)
    runaway = 0
    for iteration in range(MAX_ITERATIONS):
        progress("fitting", iteration, MAX_ITERATIONS)
        flat = tolerance.gradient(engine)
        step = newton.step(engine, flat)
        if flat and tolerance.step(engine, step) and _stationary(engine, step):
            nearer = None if tolerance.fall(engine, step) else line_search(engine, step)
            if nearer is None:
                return engine.theta, _status(engine, step, iteration, "converged")
            engine = nearer
            continue
        fall = float(step @ engine.gradient)
        runaway = runaway + 1 if flat and fall <= tol * start else 0
        if runaway > RUNAWAY_STEPS and not _bounded_below(engine):
            raise NoOptimumError(_runaway_message(engine, step))
        moved = line_search(engine, step)
        if moved is None:
            if not _stationary(engine, step):
                raise NoOptimumError(_edge_message(engine))
            return engine.theta, _status(engine, step, iteration, ROUNDING)
        engine = moved
    raise NoOptimumError(_runaway_message(engine, step))


def _finite(norm: float) -> float:
    if not np.isfinite(norm):
        raise SolverError(
            f"‖∇R‖ is {norm} at the start: squares of the columns of X overflow. Rescale them"
        )
    return norm


class _Newton:
    """H⁻¹∇R at one theta after another.

    Far from the optimum a solution by CG need not be exact: its tolerance follows the fall of
    the gradient (Dembo, Eisenstat & Steihaug 1982) and is CG's own where convergence is judged.
    A solver that the caller chose is used as it is.
    """

    def __init__(self, solver: Solver | None, start: float) -> None:
        noisy = getattr(solver, "stochastic", False)  # noise is no Newton step
        self._given = None if noisy else solver
        self._chosen: Solver | None = None
        self._start = start

    def step(self, engine: Engine, last: bool) -> FloatArray:
        """H⁻¹∇R, or a descent direction near it where H is indefinite; exact where ``last``."""
        operator, side = Curvature(engine), engine.gradient[:, None]
        if not np.any(side):
            return np.zeros(len(side))
        try:
            step = prepare(self._solver(operator, last), operator).apply(side)[:, 0]
        except SolverError:  # negative curvature, or CG out of steps: scaled steepest descent
            step, self._chosen = np.zeros(len(side)), None
        if float(step @ engine.gradient) > 0:
            return step
        bend = np.abs(operator.diagonal())
        return engine.gradient / np.where(bend > 0, bend, 1.0)

    def _solver(self, operator: Curvature, last: bool) -> Solver:
        if self._given is not None:
            return self._given
        if not isinstance(self._chosen, CG):  # the search costs products: once is enough for CG
            self._chosen = chosen(operator, n_sides=1).solver
        if last or not isinstance(self._chosen, CG):
            return self._chosen
        fall = gradient_norm(operator.engine) / self._start
        return replace(self._chosen, tol=max(self._chosen.tol, LOOSE * min(1.0, fall) ** 0.5))


def _status(engine: Engine, step: FloatArray, iterations: int, message: str) -> FitStatus:
    return FitStatus(gradient_norm(engine), float(np.abs(step).max()), iterations, message)


def _mean_objective(engine: Engine) -> float:
    """|R| in mean form: the unit of what a step lowers R by."""
    return abs(engine.objective) / (1.0 if engine.problem.mean_form else engine.problem.W)


def reachable(engine: Engine, tol: float) -> float:
    """The tolerance on ‖∇R‖, or what rounding in its own sum allows if that is larger."""
    unit = 1.0 if engine.problem.mean_form else engine.problem.W
    return max(tol, ROUNDING_SHARE * float(np.linalg.norm(engine.gradient_scale)) * unit)


def relative_gradient(engine: Engine) -> float:
    """Largest |∇R_j| relative to what its sum cancels from: 0 at the optimum, at most 1.

    Left out are coordinates along which R cannot fall by more than its share ``STALLED``²: in a
    column that is zero but for a row or two, a gradient far below any tolerance cancels nothing.
    """
    scale, g = engine.gradient_scale, np.abs(engine.gradient)
    share = np.where(scale > 0, g / np.where(scale > 0, scale, 1.0), 0.0)
    worst = int(share.argmax())
    if share[worst] <= STALLED:
        return float(share[worst])
    unit = np.zeros((len(g), 1))
    unit[worst] = 1.0
    bend = engine.hvp(unit)[worst]  # one pass; the whole diagonal only where it could matter
    if not _idle(engine, g[[worst]], bend)[0]:
        return float(share[worst])
    return float(share[~_idle(engine, g, scales(engine))].max(initial=0.0))


def _idle(engine: Engine, g: FloatArray, bend: FloatArray) -> BoolArray:
    """Whether R cannot fall noticeably along coordinates of gradient g and curvature bend."""
    with np.errstate(over="ignore", invalid="ignore"):
        bend = np.abs(bend)
        known = (bend > 0) & np.isfinite(bend)
        fall = 0.5 * g**2 / np.where(known, bend, 1.0)
        return np.asarray(known & (fall <= STALLED**2 * _mean_objective(engine)))


def _stationary(engine: Engine, step: FloatArray) -> bool:
    """Whether theta is an optimum whatever the units: the gradient cancels, or the step is nil.

    The second holds where the residuals themselves vanish, which leaves nothing to cancel.
    """
    nil = float(np.abs(step).max()) <= STALLED * float(np.abs(engine.theta).max())
    return nil or relative_gradient(engine) <= STALLED


def _edge_message(engine: Engine) -> str:
    """No step lowers the objective though the gradient is not small: mostly a domain's edge."""
    low, high = engine.problem.spec.loss.f_domain
    if np.isinf([low, high]).all():
        return (
            f"no Newton step lowers the objective though ‖∇R‖ = {gradient_norm(engine):.1e}: "
            f"{engine.problem.spec.loss.name} bends too sharply near this theta. Start elsewhere "
            "with theta=, add l2 > 0, or smooth the loss more widely"
        )
    nearest = int(np.argmin(np.minimum(engine.f - low, high - engine.f)))
    return (
        f"no optimum inside the domain of {engine.problem.spec.loss.name}: the fit stopped at "
        f"‖∇R‖ = {gradient_norm(engine):.1e} with f = {engine.f[nearest]:.3g} in row {nearest}, "
        f"where f must lie in ({low:g}, {high:g}). Choose a link whose domain is the real line, "
        "add l2 > 0, or start elsewhere with theta="
    )


def _bounded_below(engine: Engine) -> bool:
    return bool((engine.problem.penalty > 0).all())


def _runaway_message(engine: Engine, step: FloatArray) -> str:
    problem = engine.problem
    share = np.abs(step) / max(float(np.abs(step).max()), np.finfo(np.float64).tiny)
    order = np.argsort(-share)
    names = [problem.param_names[j] for j in order if share[j] > 0.1]
    return (
        f"no finite optimum: the {problem.spec.loss.name} objective keeps falling as theta grows "
        f"along {listed(names)} (‖theta‖ = {np.linalg.norm(engine.theta):.3g}, "
        f"‖∇R‖ = {gradient_norm(engine):.1e}). The classes may be separable or a category may "
        "hold one outcome only: add l2 > 0, or drop or merge those columns"
    )
