"""Every row's raw prediction by the model without it: a Newton step a row, or fold by fold."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from fastinfluence.backend import contiguous
from fastinfluence.curvature import Curvature
from fastinfluence.diagnostics import Diagnostics
from fastinfluence.engines.base import Engine
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.engines.linearize import linearize
from fastinfluence.engines.multinomial import MultinomialEngine
from fastinfluence.engines.streamed import at_home
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.fit import minimize
from fastinfluence.problem import Problem
from fastinfluence.progress import Progress, silent
from fastinfluence.removal.by_classes import class_blocks
from fastinfluence.removal.leave_out import drift
from fastinfluence.removal.system import SINGULAR, too_large
from fastinfluence.rows.base import Block
from fastinfluence.solvers.base import Prepared
from fastinfluence.solvers.direct import ROOT_BELOW, Direct
from fastinfluence.solvers.gauge import inverse_root_of
from fastinfluence.streaming import reserve, stream_of
from fastinfluence.types import FloatArray, IntArray

MOST_OPERATIONS = 1e12
"""Multiply-adds, a few minutes on one core, above which no row is left out by itself."""
FOLDS = 5
REFIT_TOL = 1e-6
"""‖∇R‖, in mean form, of a fit whose rows are then judged: far below what moves a ranking."""


def without_each(engine: Engine, progress: Progress = silent) -> FloatArray:
    """Raw prediction of each row by one Newton step of the objective without it.

    Shape (n,), or (n, K) for K classes; NaN where the model without the row is undetermined. For
    one prediction a row as ``Diagnostics.loo_prediction``. For classes the 1/W by which the
    penalty of the mean form shifts is left out of the Hessian.
    """
    if not isinstance(engine, MultinomialEngine):
        return np.asarray(Diagnostics(cast("GLMEngine", engine), progress).loo_prediction)
    return _of_classes(engine, progress)


def affordable(engine: Engine) -> bool:
    """Whether leaving out every row by itself takes minutes at most."""
    problem, p = engine.problem, engine.n_params
    sides = problem.n_outputs if p > ROOT_BELOW else 1
    return not too_large(p) and float(problem.n_rows) * p * p * sides + p**3 <= MOST_OPERATIONS


def _of_classes(engine: MultinomialEngine, progress: Progress) -> FloatArray:
    problem, K = engine.problem, engine.K
    n = problem.n_rows
    reserve(problem, 8 * n * K, f"predictions of all {n} rows")
    prepared = Direct("primal").prepare(Curvature(engine))
    root, common = inverse_root_of(prepared), prepared.apply(drift(engine)[:, None])
    out = np.empty((n, K))

    def task(block: Block) -> int:
        for part in block.parts(K * engine.n_params):
            local, rows = at_home(engine, part)
            out[part.rows] = _stepped(local, rows, prepared, root, common)
        progress("leave-one-out", block.stop, n)
        return block.stop

    problem.rows.map_reduce(task, max, 1)
    return out


def _stepped(
    engine: MultinomialEngine,
    rows: IntArray,
    prepared: Prepared,
    root: FloatArray | None,
    common: FloatArray,
) -> FloatArray:
    """Logits of some rows, each by the model without it, shape (b, K).

    With C = x̃ᵀ(WH)⁻¹x̃ (K×K), curvature S and slope r of the row, w times each, and a drift
    u = (WH)⁻¹·(common slope): f + (I − C S)⁻¹(C r + w x̃ᵀu).
    """
    problem, K = engine.problem, engine.K
    X = problem.rows.take(rows)
    if root is not None:
        along = contiguous(X.linear(engine.table(root))).reshape(len(X), K, -1)
        C = along @ along.transpose(0, 2, 1)
    else:
        design = X.design(engine.width)
        sides = np.einsum("ij,ab->jaib", design, np.eye(K)).reshape(engine.n_params, -1)
        solved = prepared.apply(contiguous(sides)).reshape(engine.width, K, len(X), K)
        C = np.einsum("ij,jaib->iab", design, solved)
    C /= problem.W
    w = problem.w[rows]
    push = np.einsum("ikl,il->ik", C, w[:, None] * engine.D[rows])
    push += w[:, None] * X.linear(engine.table(common)) / problem.W
    core = np.eye(K) - C @ class_blocks(engine, rows)
    core[np.linalg.svd(core, compute_uv=False)[:, -1] < SINGULAR] = np.nan
    out: FloatArray = engine.f[rows] + np.linalg.solve(core, push[:, :, None])[:, :, 0]
    return out


def by_folds(engine: Engine, folds: int, seed: int, progress: Progress = silent) -> FloatArray:
    """Raw prediction of each row by the optimum without its fold, shape (n,) or (n, K).

    Rows are dealt at random, each class spread evenly over the folds. The only row of a class is
    NaN: a model that has not seen it knows no such class.
    """
    problem = engine.problem
    if stream_of(problem) is not None:
        raise UnsupportedError("folds need rows in memory: leave folds= out for a streamed table")
    if not 2 <= folds <= problem.n_rows:
        raise InputError(f"folds={folds} of {problem.n_rows} rows: give 2 or more, at most n")
    fold = _dealt(problem.y, folds, seed)
    out = np.full_like(engine.f, np.nan)
    for k in range(folds):
        progress("folds held out", k, folds)
        held = fold == k
        part = replace(problem, w=np.where(held, 0.0, problem.w))
        theta = refitted(part, engine.theta)
        out[held] = linearize(part, theta).f[held]
    progress("folds held out", folds, folds)
    return out


def refitted(problem: Problem, theta: FloatArray) -> FloatArray:
    """The optimum from a theta near it, to ``REFIT_TOL``."""
    unit = 1.0 if problem.mean_form else problem.W
    return minimize(problem, theta, REFIT_TOL * unit)[0]


def _dealt(y: FloatArray, folds: int, seed: int) -> IntArray:
    """The fold of each row; −1 for the only row of its class."""
    order = np.random.default_rng(seed).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), dtype=np.intp)
    fold[order] = np.arange(len(y)) % folds
    _, place, count = np.unique(y, return_inverse=True, return_counts=True)
    return np.where(count[place] == 1, -1, fold)
