"""The paper's training-set attack: small changes of training rows that flip predictions.

Koh & Liang (2017, section 5.2): step a training row along the sign of I_pert,loss, project it
onto what is allowed, retrain from where the model was, and repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastinfluence.boxes import Allowed
from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import linearize
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.inputs import checked_rows, positive, positive_count
from fastinfluence.labels import LabelCodec
from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem, TestRows
from fastinfluence.progress import Progress
from fastinfluence.replaced import NearbyInverse, Optimum, Retrainer, with_rows_replaced
from fastinfluence.rows.sources import as_rows
from fastinfluence.spec.oracle import Oracle
from fastinfluence.types import BoolArray, FloatArray, IntArray

ACCURACY = 1e-8
"""Relative residual of s = H⁻¹∇l, whose signs give a step's direction."""


class Settings(Protocol):
    """What an attack takes from an Influence object's settings."""

    @property
    def damping(self) -> float:
        """Added to H for the direction of a step; never enters training."""

    @property
    def progress(self) -> Progress:
        """Told of every step."""


class Attacked(Protocol):
    """An Influence object."""

    _engine: Engine
    _settings: Any


@dataclass(frozen=True)
class Step:
    """One step of an attack, after retraining.

    Attributes
    ----------
    loss : ndarray, shape (t,)
        Loss of each test row.
    flipped : ndarray of bool, shape (t,)
        Rightly classified before the attack, wrongly now.
    change : float
        Largest |change| of a number in the attacked rows since the start.
    gradient_norm : float
        ‖∇R‖₂ of the retrained model.
    newton_steps : int
        Steps that retraining took.
    """

    loss: FloatArray
    flipped: BoolArray
    change: float
    gradient_norm: float
    newton_steps: int


@dataclass(frozen=True)
class Attack:
    """What became of an attack.

    Attributes
    ----------
    rows : ndarray of int, shape (k,)
        The attacked training rows.
    flipped : ndarray of bool, shape (t,)
        Test rows rightly classified before and wrongly at the end.
    history : tuple of Step
        One entry a step.
    correct_before : ndarray of bool, shape (t,)
    loss_before : ndarray, shape (t,)
    theta : ndarray, shape (p,)
        The model at the end.
    stopped : str
        Why: "every prediction flipped", "no allowed move left", "out of steps", or "no test
        row was rightly classified".
    problem : Problem
        The training table at the end.
    """

    rows: IntArray
    flipped: BoolArray
    history: tuple[Step, ...]
    correct_before: BoolArray
    loss_before: FloatArray
    theta: FloatArray
    stopped: str
    problem: Problem

    @cached_property
    def X(self) -> Any:  # noqa: N802 - as everywhere
        """The whole training table with the attacked rows as they are at the end, (n, d)."""
        return self.problem.rows.take(slice(None)).native()

    def __str__(self) -> str:
        change = self.history[-1].change if self.history else 0.0
        return (
            f"{int(self.flipped.sum())} of {int(self.correct_before.sum())} rightly classified "
            f"test rows flipped by {len(self.rows)} training row(s) in {len(self.history)} "
            f"steps, each number changed by at most {change:.3g}: {self.stopped}"
        )


def attack(
    infl: Attacked,
    X_test: Any,
    y_test: Any,
    rows: Any,
    step: float,
    n_steps: int,
    box: Any = None,
    grid: float | None = None,
    offset_test: Any = None,
    tol: float = 1e-8,
) -> Attack:
    """Change training rows step by step so that test rows are misclassified.

    Each step moves every feature of the rows by ``step`` along the sign of the summed test
    losses' derivative (eq. 5), projects onto box and grid, and retrains exactly from the last
    theta. Stops once every test row that was rightly classified is flipped. Features are
    the columns that the model sees; labels never change.

    Parameters
    ----------
    infl : Influence
        Is not changed. The attack starts from its optimum.
    X_test : array_like, shape (t, d)
    y_test : array_like, shape (t,)
        True labels of the test rows; their losses are raised together.
    rows : array_like of int, shape (k,)
        Training rows that may be changed.
    step : float
        Change of each feature in a step.
    n_steps : int
        Most steps.
    box : float or (low, high), optional
        How far each feature may move from where it was, or bounds of it; each bound a number
        or an array that broadcasts to (k, d).
    grid : float, optional
        Features stay on multiples of it: 1/255 for 8-bit pixels scaled to [0, 1].
    offset_test : array_like, shape (t,), optional
        Required where the model was trained with an offset.
    tol : float, default 1e-8
        ‖∇R‖ of each retrained model.

    Returns
    -------
    Attack
        ``.X`` (n, d), the changed training table; ``.flipped`` (t,); ``.history``, a
        :class:`Step` for each step.

    Raises
    ------
    UnsupportedError
        If the model does not classify.
    """
    engine, settings = _parts(infl)
    problem = engine.problem
    chosen = checked_rows(rows, problem.n_rows)
    _check_rows(problem, chosen)
    test = problem.test_rows(X_test, y_test, offset_test)
    if test.y is None:
        raise InputError("y_test is needed: an attack flips labelled rows")
    start = problem.rows.take(chosen).toarray()
    allowed = Allowed.of(start, positive(step, "step"), box, grid)
    run = _Run(engine, settings.damping, test, chosen, positive(tol, "tol"))
    return run.attack(allowed, positive_count(n_steps, "n_steps"), settings.progress)


def _parts(infl: Attacked) -> tuple[Engine, Settings]:
    if isinstance(infl, type) or not hasattr(infl, "_engine"):
        raise InputError(f"infl={infl!r} is no fi.Influence object")
    engine = infl._engine
    if isinstance(engine.problem.spec, Oracle):
        raise UnsupportedError(
            "an attack moves rows of numbers, an oracle's rows may be anything: step with "
            "infl.perturbation and infl.replacement, retraining on your own"
        )
    if isinstance(engine.problem.spec.loss.y_domain, str) and engine.problem.n_outputs == 1:
        raise UnsupportedError(
            f"the loss {engine.problem.spec.loss.name} has no classes, so no prediction can flip: "
            "use infl.perturbation for the direction that raises a loss"
        )
    if engine.problem.space is not None:
        raise UnsupportedError(
            "moving a training row of a kernel machine moves its features: attack step by step "
            "with infl.perturbation and infl.replacement, refitting the machine"
        )
    return engine, infl._settings


def _check_rows(problem: Problem, rows: IntArray) -> None:
    if len(np.unique(rows)) < len(rows):
        raise InputError("rows names a row twice: name each row to attack once")
    absent = rows[problem.w[rows] == 0]
    if len(absent):
        raise InputError(f"row {absent[0]} weighs nothing: changing it changes no model")


def classified(engine: Engine, test: TestRows) -> BoolArray:
    """Whether each test row is classified as its label says, shape (t,)."""
    f = engine.predictions(test, engine.theta[:, None], "raw")[:, 0]
    if engine.problem.n_outputs > 1:
        return np.asarray(f.argmax(axis=1) == test.y)
    codec = engine.problem.codec
    assert isinstance(codec, LabelCodec)
    positive_label = max(codec.values)
    return np.asarray((f > 0) == (test.y == positive_label))


class _Run:
    """The state of one attack: the changed table, its model, two inverses that follow it."""

    def __init__(
        self, engine: Engine, damping: float, test: TestRows, rows: IntArray, tol: float
    ) -> None:
        self._base, self._test, self._rows, self._tol = engine.problem, test, rows, tol
        self._trainer, self._engine = Retrainer(engine), engine
        self._retrain(engine.problem)
        self._inverse = NearbyInverse(self._engine, damping)
        self._correct = classified(self._engine, test)

    def attack(self, allowed: Allowed, n_steps: int, progress: Progress) -> Attack:
        """Step until every prediction has flipped, nothing moves, or the steps are used up."""
        X, before = allowed.start, self._losses()
        history: list[Step] = []
        stopped = "" if self._correct.any() else "no test row was rightly classified"
        while not stopped:
            moved = allowed.moved(X, self._direction())
            if np.array_equal(moved, X):
                stopped = "no allowed move left"
                break
            X = moved
            history.append(self._train_on(X, float(np.abs(X - allowed.start).max())))
            progress("attacking", len(history), n_steps)
            if np.array_equal(history[-1].flipped, self._correct):
                stopped = "every prediction flipped"
            elif len(history) == n_steps:
                stopped = "out of steps"
        return Attack(
            rows=self._rows,
            flipped=self._flipped(),
            history=tuple(history),
            correct_before=self._correct,
            loss_before=before,
            theta=self._engine.theta,
            stopped=stopped,
            problem=self._engine.problem,
        )

    def _direction(self) -> FloatArray:
        """−∇x(∇l_i·s) of the summed test loss, shape (k, d); the weight changes no sign."""
        side = self._engine.loss_gradients(self._test).sum(axis=0)
        s = self._inverse.solve(self._engine, side, ACCURACY)
        return -self._engine.mixed_vjp(self._rows, s)

    def _train_on(self, X: FloatArray, change: float) -> Step:
        new = TestRows(as_rows(X).take(slice(None)), None, self._base.no_offset(len(X)))
        found = self._retrain(with_rows_replaced(self._base, self._rows, new))
        return Step(self._losses(), self._flipped(), change, found.gradient_norm, found.steps)

    def _retrain(self, problem: Problem) -> Optimum:
        found = self._trainer.optimum(problem, self._engine.theta, self._tol)
        self._engine = linearize(problem, found.theta)
        return found

    def _losses(self) -> FloatArray:
        theta = self._engine.theta[:, None]
        value = self._engine.test_losses(self._test, theta)
        return value[:, 0]

    def _flipped(self) -> BoolArray:
        return self._correct & ~classified(self._engine, self._test)
