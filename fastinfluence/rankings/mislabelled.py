"""Rows whose label the others contradict: the loss of each by a model that has not seen it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax, logsumexp

from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import linearize
from fastinfluence.errors import FastInfluenceWarning, NoOptimumError, UnsupportedError
from fastinfluence.influence import Influence
from fastinfluence.kernels.cpu.pointwise import evaluate
from fastinfluence.labels import LabelCodec
from fastinfluence.problem import Problem
from fastinfluence.progress import Progress, silent
from fastinfluence.rankings.held_out import FOLDS, affordable, by_folds, refitted, without_each
from fastinfluence.spec.multinomial import LABELS
from fastinfluence.types import FloatArray, IntArray

PROBABILITIES = ("logistic", "probit", "cloglog")
"""Losses of two classes that are −log of a probability."""
FIRST_NOISE = 0.1
"""Share of wrong labels, spread evenly, from which the estimate of their noise starts."""


@dataclass(frozen=True)
class Judged:
    """Every row by a model that has not seen it.

    Attributes
    ----------
    log_p : ndarray, shape (n, K)
        log of the probability of each class, in nats; NaN where that model is undetermined.
    given : ndarray of int, shape (n,)
        Place of the given label among the classes.
    """

    log_p: FloatArray
    given: IntArray

    @property
    def loss(self) -> FloatArray:
        """−log of the probability of the given label, shape (n,)."""
        return -self._own(self.log_p)

    def _own(self, table: FloatArray) -> FloatArray:
        """The entry of each row's given label, shape (n,)."""
        return np.asarray(table[np.arange(len(table)), self.given])

    def truth(self, w: FloatArray) -> FloatArray:
        """Log of the probability of each class to be the true one, label known, shape (n, K).

        That is p_k·T[k, given], normalised, where T[k, j] is the probability that a row of class
        k is labelled j. T is the first step of EM from labels that go wrong in one row of ten, to
        any other class alike. Further steps would go on to take classes that overlap for noise.
        """
        K = self.log_p.shape[1]
        even = np.full((K, K), FIRST_NOISE / (K - 1))
        np.fill_diagonal(even, 1.0 - FIRST_NOISE)
        first = np.nan_to_num(np.exp(self._with_noise(even))) * w[:, None]
        counts = np.zeros((K, K))
        np.add.at(counts, self.given, first)  # (label, true class)
        total = counts.sum(axis=0)
        noise = np.where(
            total[:, None] > 0, counts.T / np.where(total > 0, total, 1)[:, None], even
        )
        return self._with_noise(noise)

    def _with_noise(self, noise: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            joint = self.log_p + np.log(noise.T[self.given])
        return np.asarray(joint - logsumexp(joint, axis=1, keepdims=True))

    def right(self, w: FloatArray) -> FloatArray:
        """Log of the probability that each given label is right, shape (n,)."""
        return self._own(self.truth(w))


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
        given = np.asarray(engine.problem.y).astype(np.intp)
        if engine.problem.n_outputs > 1:
            return Judged(log_softmax(f, axis=1), given)
        loss, each = engine.problem.spec.loss, (np.full(len(f), k) for k in (0.0, 1.0))
        values = [evaluate(loss.program, loss.param_values, f, y, ("value",))[0] for y in each]
        return Judged(-np.stack(values, axis=1), given)


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

    Each refit weighs a row by the probability that its label is right, by the model before, which
    had not seen the row.
    """
    problem = infl._problem
    engine = linearize(problem, infl._engine.theta)
    found, w = judge(engine), problem.w
    for _ in range(refits):
        part = replace(problem, w=w * np.nan_to_num(np.exp(found.right(w)), nan=1.0))
        try:
            theta = refitted(part, engine.theta)
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
