"""The choice behind ``solver="auto"``: a stated cost model, and a sentence saying why."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.problem import Problem
from fastinfluence.solvers import cost
from fastinfluence.solvers.base import Solver
from fastinfluence.solvers.cg import CG, Jacobi
from fastinfluence.solvers.direct import Direct
from fastinfluence.solvers.dual import has_dual
from fastinfluence.solvers.nystrom import Nystrom
from fastinfluence.streaming import stream_of

FEWEST_STEPS = 8
"""If direct solution beats even this many CG steps, nothing is tried out."""
PROBE_STEPS = 6
PROBE_SHARE = 0.4
"""A probe may cost this share of the direct solution it may replace."""
BLIND_STEPS = 100
"""CG steps assumed where a probe would cost too much."""
NYSTROM_FROM = 120
"""CG steps from which the spectrum is uneven enough for a low-rank preconditioner."""
NYSTROM_RANK = 128
NYSTROM_GAIN = 4.0
"""Typical rank of the adaptive preconditioner, and how many times fewer steps it then needs."""
MAX_DIRECT_BYTES = 4 << 30
"""Largest matrix that is formed without being asked for."""


@dataclass(frozen=True)
class Choice:
    """A solver, the reason for it, and what each candidate was predicted to take.

    Attributes
    ----------
    solver : Solver
    reason : str
    seconds : dict of str to float
        Predicted seconds of every candidate, for a machine of the class in ``cost.py``.
    steps : float
        CG steps that the prediction rests on; NaN where CG was out of the question.
    """

    solver: Solver
    reason: str
    seconds: dict[str, float] | None = None
    steps: float = float("nan")


def choose(operator: Curvature, n_sides: int = 100) -> Choice:
    """The solver predicted to be fastest for ``n_sides`` right-hand sides.

    Parameters
    ----------
    operator : Curvature
        ``infl.hessian``.
    n_sides : int, default 100
        Questions: test rows, targets, or training rows for self-influence.

    Returns
    -------
    Choice
        ``.solver``, ``.reason``, and ``.seconds`` predicted for each candidate.

    Notes
    -----
    Candidates are direct solution over the parameters or over the rows, and CG with either
    preconditioner. How many steps CG needs is found by six steps on a random side, where
    the answer could matter.
    """
    size = _size(operator, n_sides)
    seconds = _direct_costs(operator, size)
    best_direct = min(seconds.values(), default=np.inf)
    steps = float("nan")
    if best_direct > cost.cg(size, FEWEST_STEPS):
        steps = _predicted_steps(operator, size, best_direct)
        if np.isfinite(steps) or not seconds:
            expected = steps if np.isfinite(steps) else float(BLIND_STEPS)
            seconds["CG"] = cost.cg(size, cost.together(size, expected))
            if expected >= NYSTROM_FROM:
                rank, fewer = min(NYSTROM_RANK, size.p), expected / NYSTROM_GAIN
                seconds["CG with Nyström"] = cost.nystrom(size, rank, fewer)
    name = min(seconds, key=lambda key: seconds[key])
    return Choice(_SOLVERS[name], _reason(name, seconds, size, steps), seconds, steps)


_SOLVERS: dict[str, Solver] = {
    "direct": Direct("primal"),
    "direct, dual": Direct("dual"),
    "CG": CG(),
    "CG with Nyström": CG(preconditioner=Nystrom()),
}


def _size(operator: Curvature, n_sides: int) -> cost.Size:
    problem = operator.engine.problem
    rows = problem.rows
    return cost.Size(
        n=problem.n_rows,
        p=operator.shape[0],
        t=n_sides,
        density=float(getattr(rows, "density", 1.0)) * operator.engine.passes,
        block_rows=int(getattr(rows, "block_rows", problem.n_rows)),
        reading=_reading(problem),
    )


def _reading(problem: Problem) -> float:
    """Seconds that a pass takes to read a streamed table; nothing for one in memory."""
    rows = problem.rows
    if stream_of(problem) is None:
        return 0.0
    return cost.READ_ENTRY * rows.n_rows * rows.n_features * rows.density


def _direct_costs(operator: Curvature, size: cost.Size) -> dict[str, float]:
    found = {}
    if 8 * size.p**2 <= MAX_DIRECT_BYTES:
        engine = operator.engine
        more = getattr(engine, "matrix_passes", engine.passes) / engine.passes
        found["direct"] = cost.primal(replace(size, density=more * size.density))
    K = operator.engine.problem.n_outputs
    m = size.n * K  # the dual has K rows for each of the table's
    if m < size.p and 8 * m**2 <= MAX_DIRECT_BYTES and has_dual(operator):
        rows = replace(size, n=m, density=size.density / K)
        found["direct, dual"] = cost.dual(rows)
    return found


def _predicted_steps(operator: Curvature, size: cost.Size, direct: float) -> float:
    """Steps of Jacobi-preconditioned CG from a short run; NaN where H bends downwards."""
    single = replace(size, t=1)
    if cost.cg(single, PROBE_STEPS) > PROBE_SHARE * direct:
        return float(min(BLIND_STEPS, size.p))
    side = operator.xp.asarray(np.random.default_rng(0).standard_normal((size.p, 1)))
    config = CG(preconditioner=Jacobi(), max_iterations=PROBE_STEPS)
    run = config.prepare(operator).solve(side)
    if (~run.converged & (run.iterations < PROBE_STEPS)).any():
        return float("nan")
    if run.converged.all():
        return float(run.iterations[0])
    fall = float(run.residual_norms[0]) / float(np.linalg.norm(side))
    rate = -np.log(min(fall, 0.99)) / PROBE_STEPS
    return float(min(-np.log(config.tol) / rate, size.p))


def _reason(name: str, seconds: dict[str, float], size: cost.Size, steps: float) -> str:
    order = sorted(seconds, key=lambda key: seconds[key])
    told = ", ".join(f"{key} {seconds[key]:.1e} s" for key in order)
    if "direct" not in seconds:
        gib = 8 * size.p**2 / 2**30
        told += f" (the {size.p}×{size.p} matrix would take {gib:.0f} GiB)"
    about = f", about {steps:.0f} CG steps" if np.isfinite(steps) else ""
    return (
        f"{name}: predicted fastest for {size.t} right-hand sides, n = {size.n}, "
        f"p = {size.p}{about}: {told}"
    )
