"""Rows whose label the others contradict: the loss of each by a model that has not seen it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax

from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import linearize
from fastinfluence.errors import FastInfluenceWarning, NoOptimumError, UnsupportedError
from fastinfluence.fit import minimize
from fastinfluence.influence import Influence
from fastinfluence.labels import LabelCodec
from fastinfluence.problem import Problem
from fastinfluence.progress import Progress, silent
from fastinfluence.rankings.held_out import FOLDS, affordable, by_folds, without_each
from fastinfluence.residuals import row_outputs
from fastinfluence.spec.multinomial import LABELS
from fastinfluence.types import FloatArray, IntArray

PROBABILITIES = ("logistic", "probit", "cloglog")
"""Losses of two classes that are −log of a probability."""
FIRST_GUESS = 0.1
"""Share of wrong labels from which its estimate starts."""
STEPS = 20
LEAST_NOISE, MOST_NOISE = 1e-4, 0.5


@dataclass(frozen=True)
class Judged:
    """Every row by a model that has not seen it.

    Attributes
    ----------
    loss : ndarray, shape (n,)
        −log of the probability of the given label, in nats; NaN where that model is undetermined.
    given, likeliest : ndarray of int, shape (n,)
        Places among the classes: of the given label, and of the likeliest one.
    """

    loss: FloatArray
    given: IntArray
    likeliest: IntArray


@dataclass(frozen=True)
class Judge:
    """How rows are held out.

    Attributes
    ----------
    folds : int
        1 leaves out each row by itself, by a Newton step.
    seed : int
        Of the deal into folds.
    """

    folds: int = 1
    seed: int = 0
    progress: Progress = silent

    @classmethod
    def affordable(cls, engine: Engine, seed: int = 0, progress: Progress = silent) -> Judge:
        """One by one where that takes minutes at most, else by folds."""
        return cls(1 if affordable(engine) else FOLDS, seed, progress)

    def __call__(self, engine: Engine) -> Judged:
        """Judge the rows of a model."""
        if self.folds == 1:
            f = without_each(engine, self.progress)
        else:
            f = by_folds(engine, self.folds, self.seed, self.progress)
        y = np.asarray(engine.problem.y).astype(np.intp)
        if engine.problem.n_outputs > 1:
            every = np.arange(len(y))
            known = np.asarray(np.isfinite(f).all(axis=1))
            place = np.where(known, np.where(known[:, None], f, 0.0).argmax(axis=1), y)
            return Judged(-log_softmax(f, axis=1)[every, y], y, place)
        (loss,) = row_outputs(engine, f, "value")  # type: ignore[arg-type]
        wrong = loss > np.log(2.0)
        return Judged(np.asarray(loss), y, np.where(wrong, 1 - y, y))


def check_classes(problem: Problem) -> LabelCodec:
    """The encoding of the classes; UnsupportedError where the model gives them no probability."""
    codec, loss = problem.codec, problem.spec.loss
    known = loss.y_domain == LABELS or loss.name in PROBABILITIES
    if not known or not isinstance(codec, LabelCodec) or codec.classes is None:
        raise UnsupportedError(
            f"the loss {loss.name} gives classes no probability, by which labels are judged: fit "
            f'fi.GLM("logistic") or fi.GLM("multinomial"), or rank infl.self_influence()'
        )
    return codec


def judged(infl: Influence, refits: int, judge: Judge) -> Judged:
    """The rows by the given model, then by refits that trust suspected labels less.

    Each refit weighs row i by the probability that its label is right, estimated from the model
    before, which had not seen it: (1 − ε)p / ((1 − ε)p + ε(1 − p)/(K − 1)), with p the
    probability of the given label and ε the share of wrong labels that is likeliest (labels go
    wrong at random; Bootkrajang & Kabán 2012).
    """
    problem = infl._problem
    engine = linearize(problem, infl._engine.theta)
    found, w = judge(engine), problem.w
    for _ in range(refits):
        part = replace(problem, w=w * trust(found.loss, w, len(_classes(problem))))
        try:
            theta, _ = minimize(part, engine.theta)
        except NoOptimumError as error:
            warnings.warn(
                f"labels are judged without a further refit, which has no optimum ({error})",
                FastInfluenceWarning,
                stacklevel=3,
            )
            break
        engine = linearize(part, theta)
        found = judge(engine)
    return found


def _classes(problem: Problem) -> FloatArray:
    return np.asarray(check_classes(problem).classes)


def trust(loss: FloatArray, w: FloatArray, n_classes: int) -> FloatArray:
    """Probability that each label is right, shape (n,), with the likeliest share of wrong ones."""
    p = np.exp(-np.where(np.isnan(loss), 0.0, loss))  # of what is not known nothing is suspected
    other = (1.0 - p) / (n_classes - 1)
    share = FIRST_GUESS
    right = np.ones_like(p)
    for _ in range(STEPS):
        right = (1.0 - share) * p / ((1.0 - share) * p + share * other)
        share = float(np.clip(1.0 - w @ right / w.sum(), LEAST_NOISE, MOST_NOISE))
    return right
