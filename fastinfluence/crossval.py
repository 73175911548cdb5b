"""What exact or one-step leave-one-out gives for free: a score, intervals, a covariance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.diagnostics import Diagnostics
from fastinfluence.engines.base import Engine
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.engines.streamed import of_blocks
from fastinfluence.engines.sums import add
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.problem import TestRows
from fastinfluence.progress import Progress, silent
from fastinfluence.removal import RemovalSets, leave_out
from fastinfluence.removal.sets import distinct
from fastinfluence.removal.system import refuse_too_large
from fastinfluence.residuals import row_outputs
from fastinfluence.rows.base import Block
from fastinfluence.solvers.base import Prepared
from fastinfluence.streaming import block_weights, stream_of
from fastinfluence.types import FloatArray, IntArray

METHODS = ("newton", "exact")
INTERVAL_BYTES = 1 << 26


@dataclass(frozen=True)
class CrossValidation:
    """Leave-one-out cross-validation.

    Attributes
    ----------
    loss : ndarray, shape (n,)
        Each row's loss under the model without it; NaN where that model does not exist.
    prediction : ndarray, shape (n,)
        Its linear predictor under that model.
    score : float
        Mean of ``loss``, by sample weight.
    std_error : float
        Standard error of ``score``, rows taken as independent.
    method : str
        "newton" (approximate leave-one-out, ALO) or "exact".
    """

    loss: FloatArray
    prediction: FloatArray
    score: float
    std_error: float
    method: str

    def __str__(self) -> str:
        return (
            f"leave-one-out loss ({self.method}) of {len(self.loss)} rows: "
            f"{self.score:.6g} ± {self.std_error:.2g}"
        )


def cross_validate(engine: GLMEngine, method: str, progress: Progress = silent) -> CrossValidation:
    """Leave-one-out loss of every row, its mean and standard error."""
    if method == "newton":
        f = Diagnostics(engine, progress).loo_prediction
    else:
        f = _own_predictions(engine, leave_one_out_thetas(engine, method, progress))
    (loss,) = row_outputs(engine, f, "value")
    w = engine.problem.w
    known = (w > 0) & np.isfinite(loss)
    share = w[known] / w[known].sum()
    score = float(share @ loss[known])
    n = int(known.sum())
    variance = float(share**2 @ (loss[known] - score) ** 2) * n / max(n - 1, 1)
    return CrossValidation(loss, f, score, math.sqrt(variance), method)


def leave_one_out_thetas(engine: GLMEngine, method: str, progress: Progress = silent) -> FloatArray:
    """Parameters without each row in turn, shape (n, p)."""
    sets = RemovalSets.single(None, engine.problem.n_rows)
    return leave_out(engine, None, sets, method, progress=progress).theta


def _own_predictions(engine: GLMEngine, thetas: FloatArray) -> FloatArray:
    """Linear predictor of row i at the i-th theta, shape (n,)."""
    out = np.empty(len(thetas))

    def task(block: Block) -> int:
        at = block.rows
        out[at] = block.X.paired(thetas[at], np.arange(len(block.X)))
        return block.stop

    engine.problem.rows.map_reduce(task, lambda _, stop: stop, 1)
    return out if engine.problem.offset is None else out + engine.problem.offset


def jackknife_plus(
    engine: GLMEngine, test: TestRows, alpha: float, method: str, progress: Progress = silent
) -> FloatArray:
    """Jackknife+ intervals of Barber, Candès, Ramdas & Tibshirani (2021), shape (t, 2)."""
    loss = engine.problem.spec.loss
    if "mean" not in loss.program.outputs or not isinstance(loss.y_domain, str):
        raise UnsupportedError(
            f"prediction intervals need a numeric target with a mean function, not {loss.name}"
        )
    if not 0 < alpha < 1:
        raise InputError(f"alpha={alpha!r} must lie between 0 and 1")
    thetas = leave_one_out_thetas(engine, method, progress)
    (own,) = row_outputs(engine, _own_predictions(engine, thetas), "mean")
    keep = np.isfinite(own) & (engine.problem.w > 0)
    residuals = np.abs(engine.problem.y - own)[keep]
    Theta, n = np.ascontiguousarray(thetas[keep].T), int(keep.sum())
    out = np.empty((len(test.X), 2))
    for at in test.X.pieces(n, INTERVAL_BYTES):
        part = TestRows(test.X[at], None, test.offset[at])
        mean = engine.predictions(part, Theta, "mean")
        out[at, 0] = -_order_statistic(residuals - mean, alpha)
        out[at, 1] = _order_statistic(residuals + mean, alpha)
    return out


def _order_statistic(values: FloatArray, alpha: float) -> FloatArray:
    """The ⌈(1 − α)(n + 1)⌉-th smallest of each row's values; infinite beyond the last."""
    n = values.shape[1]
    rank = math.ceil((1 - alpha) * (n + 1) - 1e-9)
    if rank > n:
        return np.full(len(values), np.inf)
    return np.partition(values, rank - 1, axis=1)[:, rank - 1]


def infinitesimal_jackknife(engine: Engine, prepared: Prepared, groups: Any = None) -> FloatArray:
    """Σ_c u_c u_cᵀ with u_i = (w_i/W)·H⁻¹g_i summed by cluster and centred, shape (p, p)."""
    refuse_too_large(engine.n_params)
    if groups is None:
        count = engine.problem.n_rows
        total, gram = _gradient_moments(engine)
    else:
        member = _membership(groups, engine.problem.n_rows)
        count = int(member.max()) + 1
        sums = _gradient_sums(engine, member, count)
        total, gram = sums.sum(axis=0), sums.T @ sums
    half = prepared.apply(gram - np.outer(total, total) / count)
    return np.asarray(prepared.apply(np.ascontiguousarray(half.T)))


def _gradient_moments(engine: Engine) -> tuple[FloatArray, FloatArray]:
    """Σ_i u_i and Σ_i u_i u_iᵀ of u_i = (w_i/W)·g_i, shapes (p,) and (p, p)."""
    if not isinstance(engine, GLMEngine) or stream_of(engine.problem) is not None:
        return _moments_by_blocks(engine)
    problem, fold = engine.problem, engine.fold
    share = problem.w / problem.W
    slopes = share * engine.d1
    C = np.stack([slopes, share * slopes], axis=1)
    sums = problem.rows.map_reduce(
        lambda block: block.X.transposed(C[block.rows], engine.n_params), np.add, 1
    )
    cross = np.outer(sums[:, 1], fold)
    gram = engine.weighted_gram(slopes**2) + cross + cross.T
    gram += float(share @ share) * np.outer(fold, fold)
    return sums[:, 0] + fold, gram


def _moments_by_blocks(engine: Engine) -> tuple[FloatArray, FloatArray]:
    """The same from the rows' gradients, written out block by block."""
    p, fold, rows = engine.n_params, engine.fold, of_blocks(engine)

    def task(block: Block) -> tuple[FloatArray, FloatArray]:
        total, gram = np.zeros(p), np.zeros((p, p))
        for part in block.parts(p):
            u = rows.block_gradients(part) + fold
            u *= (block_weights(rows.problem, part) / rows.problem.W)[:, None]
            total += u.sum(axis=0)
            gram += u.T @ u
        return total, gram

    def both(
        a: tuple[FloatArray, FloatArray], b: tuple[FloatArray, FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        return add(a[0], b[0]), add(a[1], b[1])

    return engine.problem.rows.map_reduce(task, both, 1)


def _gradient_sums(engine: Engine, member: IntArray, count: int) -> FloatArray:
    """Σ of (w_i/W)·g_i over the rows of each cluster, shape (count, p)."""
    problem, rows = engine.problem, of_blocks(engine)
    out = np.zeros((count, engine.n_params))

    def task(block: Block) -> int:
        for part in block.parts(engine.n_params):
            g = rows.block_gradients(part) + engine.fold
            share = block_weights(problem, part) / problem.W
            np.add.at(out, member[part.rows], g * share[:, None])
        return block.stop

    problem.rows.map_reduce(task, max, 1)
    return out


def _membership(groups: Any, n: int) -> IntArray:
    values = np.asarray(groups)
    if values.shape != (n,):
        raise InputError(f"groups has shape {values.shape}: give one cluster label per row, ({n},)")
    return distinct(values)[1]
