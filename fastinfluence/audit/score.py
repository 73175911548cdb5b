"""From encoded rows to scores: one fit of all rows, and one for each held-out fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from fastinfluence.audit.options import Options
from fastinfluence.audit.target import Target
from fastinfluence.influence import Influence
from fastinfluence.progress import Progress, silent
from fastinfluence.solvers import Direct
from fastinfluence.spec.models import GLM
from fastinfluence.types import FloatArray, IntArray


@dataclass(frozen=True)
class Scores:
    """Scores of the rows that have a target; units and signs as in ``MEANING``.

    Attributes
    ----------
    prediction, loss, self_influence, harm : ndarray, shape (n,)
    held_out : ndarray, shape (n,)
        Prediction of each row by the model that was not fitted to its fold.
    fold : ndarray of int, shape (n,)
        The fold in which each row was held out.
    l2 : float
        The ridge penalty used.
    model : Influence
        Fitted to all rows, encoded; of numbers, on the scale of ``target.y``.
    """

    prediction: FloatArray
    loss: FloatArray
    self_influence: FloatArray
    harm: FloatArray
    held_out: FloatArray
    fold: IntArray
    l2: float
    model: Influence


def score(X: FloatArray, target: Target, options: Options, progress: Progress = silent) -> Scores:
    """Fit, and score every row by self-influence and by harm to held-out rows.

    The penalty is the same in every fit. A fold is held out by weight zero, so that a row's harm
    sums over exactly the folds that it trains in.

    Raises
    ------
    FastInfluenceError
        If a fit fails.
    """
    n = len(target.y)
    l2 = 1.0 / n if options.l2 is None else options.l2
    spec = GLM(LOSS[target.task], l2=l2)
    progress(PHASE, 0, options.folds + 1)
    whole = Influence.fit(spec, X, target.y, solver=Direct())
    own = whole.self_influence()
    fold = deal(target, options)
    harm, f_held_out = np.zeros(n), np.empty(n)
    for k in range(options.folds):
        progress(PHASE, k + 1, options.folds + 1)
        held = fold == k
        part = Influence.fit(
            spec, X, target.y, (~held).astype(np.float64), solver=Direct(), theta=whole.theta
        )
        f = raw(X[held], part.theta)
        f_held_out[held] = f
        harm -= part.on_function(_total_gradient(X[held], mean(f, target) - target.y[held]))[0]
    progress(PHASE, options.folds + 1, options.folds + 1)
    f, square = raw(X, whole.theta), target.unit**2
    return Scores(
        prediction=_in_unit(f, target),
        loss=losses(f, target) * square,
        self_influence=own * square,
        harm=harm * square,
        held_out=_in_unit(f_held_out, target),
        fold=fold,
        l2=l2,
        model=whole,
    )


PHASE = "models fitted"
LOSS = {"classify": "logistic", "regress": "squared"}


def deal(target: Target, options: Options) -> IntArray:
    """The fold of each row: at random, each class spread evenly."""
    n = len(target.y)
    order = np.random.default_rng(options.seed).permutation(n)
    if target.task == "classify":
        order = order[np.argsort(target.y[order], kind="stable")]
    fold = np.empty(n, dtype=np.intp)
    fold[order] = np.arange(n) % options.folds
    return fold


def raw(X: FloatArray, theta: FloatArray) -> FloatArray:
    """Linear predictor f, shape (n,)."""
    return np.asarray(X @ theta[:-1] + theta[-1])


def mean(f: FloatArray, target: Target) -> FloatArray:
    """Probability of the positive class, or f itself."""
    return np.asarray(expit(f)) if target.task == "classify" else f


def losses(f: FloatArray, target: Target) -> FloatArray:
    """Loss of each row, on the scale of ``target.y``."""
    if target.task == "classify":
        return np.asarray(np.logaddexp(0.0, (1 - 2 * target.y) * f))
    return np.asarray(0.5 * (f - target.y) ** 2)


def _total_gradient(X: FloatArray, slope: FloatArray) -> FloatArray:
    """Gradient in theta of the summed loss of some rows, shape (p,)."""
    return np.append(X.T @ slope, slope.sum())


def _in_unit(f: FloatArray, target: Target) -> FloatArray:
    return target.centre + target.unit * mean(f, target)
