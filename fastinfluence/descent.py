"""To a stationary point of a network: L-BFGS from afar, then Newton with negative curvature used.

Networks are not convex, so Newton's steps are kept in a region where their quadratic model
foretells R. Small ones get the spectrum of H and a step through |H| (Dauphin et al. 2014), which
runs downhill along negative curvature too; large ones conjugate gradients, stopped at the region's
boundary and at the first direction of negative curvature. Nothing here raises where no stationary
point is reached: the message says what was.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize as scipy_minimize

from fastinfluence.curvature import Completed, Curvature, Gauge
from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import linearize
from fastinfluence.problem import Problem
from fastinfluence.progress import Progress, silent
from fastinfluence.search import EPS, attempt, gradient_norm, rounding
from fastinfluence.types import FloatArray

CLOSE = 1e-3
"""Relative gradient from which Newton takes over from L-BFGS."""
BFGS_STEPS = 2000
NEWTON_STEPS = 100
DENSE, DENSE_OPERATIONS = 1500, 3e10
"""Most parameters p, and most n·p², for which the Hessian is formed in each step."""
FLAT = 1e-10
"""Eigenvalues below this share of the largest are no curvature."""
CG_STEPS, KEPT = 500, 64
SMALL = 1e-6
"""Relative gradient below which a point counts as stationary."""


class Descent(NamedTuple):
    """Where a descent ended."""

    engine: Engine
    step: FloatArray
    """The last Newton step, shape (p,): what is left to go, to second order."""
    iterations: int
    message: str


def descend(
    problem: Problem, theta: FloatArray, tol: float, progress: Progress = silent
) -> Descent:
    """From theta (p,) to ‖∇R‖ ≤ tol with a Newton step ≤ tol·(1 + ‖theta‖∞)."""
    engine = linearize(problem, theta)
    if _relative(engine) > CLOSE:
        engine = _bfgs(engine, tol, progress)
    model = _model(engine)
    radius = max(1.0, float(np.linalg.norm(engine.theta)))
    for iteration in range(NEWTON_STEPS):
        progress("fitting", iteration, NEWTON_STEPS)
        step = model.step(radius)
        flat = gradient_norm(engine) <= tol
        short = np.abs(step).max() <= tol * (1 + np.abs(engine.theta).max())
        if flat and short and not model.negative:
            return Descent(engine, step, iteration, "converged")
        moved, radius = _within(engine, model, radius)
        if moved is None:
            return Descent(engine, step, iteration, _stopped(engine, model))
        engine = moved
        model = _model(engine)
    return Descent(engine, model.step(radius), NEWTON_STEPS, _unfinished(engine))


def _within(engine: Engine, model: Model, radius: float) -> tuple[Engine | None, float]:
    """The engine after a step that the quadratic model foretells, and the next radius."""
    smallest = EPS * max(1.0, float(np.linalg.norm(engine.theta)))
    unit = 1.0 if engine.problem.mean_form else engine.problem.W
    noise = rounding(engine)
    while radius > smallest:
        step = model.step(radius)
        length = float(np.linalg.norm(step))
        trial = attempt(engine, engine.theta - step)
        if trial is not None:
            told = unit * model.fall(step)
            fall = engine.objective - trial.objective
            if fall > noise and fall >= 0.1 * told:
                grown = fall > 0.75 * told and length > 0.9 * radius
                return trial, 3 * radius if grown else radius
            if abs(fall) <= noise and gradient_norm(trial) < 0.9 * gradient_norm(engine):
                return trial, radius
        radius = 0.25 * min(radius, length)
    return None, radius


def _bfgs(engine: Engine, tol: float, progress: Progress) -> Engine:
    """Where SciPy's L-BFGS gets from the engine's theta, in the units of the mean form."""
    unit = 1.0 if engine.problem.mean_form else engine.problem.W
    known: dict[bytes, Engine] = {}
    count = 0

    def value(theta: FloatArray) -> tuple[float, FloatArray]:
        nonlocal count
        trial = attempt(engine, theta.copy())
        count += 1
        progress("fitting", min(count, BFGS_STEPS), BFGS_STEPS)
        if trial is None:
            return np.inf, np.zeros_like(theta)
        known.clear()
        known[theta.tobytes()] = trial
        return trial.objective / unit, trial.gradient

    options = {"maxiter": BFGS_STEPS, "maxfun": 2 * BFGS_STEPS, "ftol": 0.0, "maxcor": 20}
    found = scipy_minimize(
        value,
        engine.theta,
        jac=True,
        method="L-BFGS-B",
        options={**options, "gtol": max(tol, 1e-6 * gradient_norm(engine) / unit)},
    )
    best = known.get(found.x.tobytes()) or attempt(engine, found.x)
    return engine if best is None else best


class Model(Protocol):
    """R near a theta, to second order."""

    negative: bool
    """Whether a direction of negative curvature is known."""

    def step(self, radius: float) -> FloatArray:
        """What to subtract from theta, no longer than the radius."""

    def fall(self, step: FloatArray) -> float:
        """How far R falls along a step, in mean form: ∇R·s − ½ sᵀHs."""


def _model(engine: Engine) -> Model:
    n, p = engine.problem.n_rows, engine.n_params
    operator = Curvature(engine)
    gauge = Gauge.of(engine.problem)
    if gauge is not None:
        operator = Completed(operator, gauge)
    dense = p <= DENSE and n * p**2 <= DENSE_OPERATIONS
    return _Spectral(operator) if dense else _Truncated(operator)


class _Spectral:
    """(|H| + μ)⁻¹∇R, with the smallest μ that keeps the step within the radius."""

    def __init__(self, operator: Curvature) -> None:
        self._values, self._vectors = eigh(operator.dense())
        self._along = self._vectors.T @ operator.engine.gradient
        size = np.abs(self._values)
        self._size = np.where(size > FLAT * size.max(), size, np.inf)
        self.negative = bool(self._values[0] < -FLAT * size.max())

    def step(self, radius: float) -> FloatArray:
        along, low, high = self._along.copy(), 0.0, float(np.linalg.norm(self._along)) / radius
        if self.negative and abs(along[0]) < 1e-6 * radius * self._size[0]:  # near a saddle
            along[0] = radius * self._size[0]
        shift = 0.0
        for _ in range(60):
            if np.linalg.norm(along / (self._size + shift)) > radius:
                low = shift
            elif shift == 0.0 or high - low < 0.05 * high:
                break
            else:
                high = shift
            shift = 0.5 * (low + high) if shift or high > 0 else high
        else:
            shift = high
        return np.asarray(self._vectors @ (along / (self._size + shift)))

    def fall(self, step: FloatArray) -> float:
        s = self._vectors.T @ step
        return float(self._along @ s - 0.5 * s @ (self._values * s))


class _Truncated:
    """Conjugate gradients to the radius, or to a negative curvature (Steihaug 1983)."""

    def __init__(self, operator: Curvature) -> None:
        self._operator, self._gradient = operator, operator.engine.gradient
        scale = operator.scales()
        self._root = np.sqrt(1.0 / np.where(scale > 0, scale, 1.0))
        self._path: list[FloatArray] = [np.zeros_like(scale)]
        self.negative = False
        self._beyond: FloatArray | None = None
        self._run()

    def _run(self) -> None:
        """The path of iterates, kept so that a smaller radius costs nothing."""
        g, root = self._gradient, self._root
        size = float(np.linalg.norm(root * g))
        target = size * min(0.1, np.sqrt(size))
        x, r = np.zeros_like(g), root * g
        d, rr = r, float(r @ r)
        for _ in range(CG_STEPS):
            Hd: FloatArray = root * self._operator.matvec(root * d)
            bend = float(d @ Hd)
            if bend <= 0:
                self.negative, self._beyond = True, root * d
                return
            x = x + rr / bend * d
            self._keep(root * x)
            r = r - rr / bend * Hd
            if np.linalg.norm(r) <= target:
                return
            rr, before = float(r @ r), rr
            d = r + rr / before * d

    def _keep(self, x: FloatArray) -> None:
        if len(self._path) >= KEPT:
            del self._path[1::2]
        self._path.append(x)

    def step(self, radius: float) -> FloatArray:
        sizes = np.array([np.linalg.norm(x) for x in self._path])
        beyond = np.flatnonzero(sizes > radius)
        inside = self._path[-1] if not len(beyond) else self._path[int(beyond[0]) - 1]
        if len(beyond):
            return _to_boundary(inside, self._path[int(beyond[0])] - inside, radius)
        return inside if self._beyond is None else _to_boundary(inside, self._beyond, radius)

    def fall(self, step: FloatArray) -> float:
        bend = float(step @ self._operator.matvec(step))
        return float(self._gradient @ step) - 0.5 * bend


def _to_boundary(x: FloatArray, d: FloatArray, radius: float) -> FloatArray:
    """The point of length ``radius`` from x along d."""
    a, b, c = float(d @ d), float(x @ d), float(x @ x) - radius**2
    return np.asarray(x + (np.sqrt(max(b * b - a * c, 0.0)) - b) / a * d)


def _relative(engine: Engine) -> float:
    """Largest |∇R_j| relative to what its sum cancels from, over coordinates where it counts."""
    scale = engine.gradient_scale
    return float(np.abs(engine.gradient).max() / max(float(scale.max()), np.finfo(float).tiny))


def _stopped(engine: Engine, model: Model) -> str:
    """No step lowers the objective any more."""
    if model.negative and _relative(engine) <= SMALL:
        return f"stopped at a saddle: ‖∇R‖ = {gradient_norm(engine):.1e}, negative curvature"
    if _relative(engine) <= SMALL:
        return "stopped where rounding hides further progress"
    return _unfinished(engine)


def _unfinished(engine: Engine) -> str:
    return (
        f"not stationary: no step lowers the objective enough at ‖∇R‖ = {gradient_norm(engine):.1e}"
    )
