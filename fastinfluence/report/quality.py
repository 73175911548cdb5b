"""How well a model fits the rows it was fitted to, and rows that it has not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastinfluence.crossval import CrossValidation
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.influence import Influence
from fastinfluence.report.html import number
from fastinfluence.spec.oracle import Oracle
from fastinfluence.spec.units import loss_unit
from fastinfluence.types import FloatArray

SQUARED = ("squared", "gaussian")


class Quality(NamedTuple):
    """What there is to say, each a name and a value in words.

    ``headline`` holds the one or two that matter most. ``guess`` is the accuracy of always
    answering the larger class and ``accuracy`` that of the model without each row where it is
    known, else with it; None where there are no classes.
    """

    facts: list[tuple[str, str]]
    headline: list[tuple[str, str]]
    accuracy: float | None
    guess: float | None


def quality(infl: Influence, left_out: CrossValidation | None) -> Quality:
    """Mean loss, and accuracy or R², with each row in the fit and, where known, without it."""
    problem, engine = infl._problem, infl._engine
    unit = loss_unit(problem.spec.loss.name)
    found = [("mean training loss", f"{number(mean_loss(infl), 4)} ({unit})")]
    if left_out is not None:
        error = f"{number(left_out.score, 4)} ± {number(left_out.std_error, 2)} ({unit})"
        found.append(("mean loss of each row, left out", error))
    if isinstance(problem.spec, Oracle):
        return Quality(found, found[:1], None, None)
    accuracy = guess = None
    predictions = [("training", np.asarray(engine.f))]
    if left_out is not None and isinstance(engine, GLMEngine):
        predictions.append(("leave-one-out", left_out.prediction))
    for word, f in predictions:
        if problem.codec.classes is not None:
            accuracy, guess = _accuracy(infl, f)
            found.append((f"{word} accuracy", f"{accuracy:.1%}"))
        elif problem.spec.loss.name in SQUARED and f.ndim == 1:
            found.append((f"{word} R²", number(_r2(infl, f), 4)))
    measured = [pair for pair in found if not pair[0].startswith("mean")]
    if guess is not None:
        found.append(("accuracy of always guessing the larger class", f"{guess:.1%}"))
    return Quality(found, measured or found[:1], accuracy, guess)


def mean_loss(infl: Influence) -> float:
    """Mean loss of the training rows by weight, without the penalty."""
    problem, engine = infl._problem, infl._engine
    own = engine.objective - problem.price(engine.theta)
    return float(own if problem.mean_form else own / problem.W)


def _accuracy(infl: Influence, f: FloatArray) -> tuple[float, float]:
    """Weighted share of right answers, and that of the larger class alone."""
    problem = infl._problem
    y, w = np.asarray(problem.y), np.asarray(problem.w)
    values = np.array(problem.codec.values)  # type: ignore[union-attr]
    if f.ndim == 2:
        answer = values[f.argmax(axis=1)]
    else:
        cut = f
        if "mean" in problem.spec.loss.program.outputs:
            (cut,) = problem.spec.loss.evaluate(f, y, "mean")
            cut = cut - 0.5
        answer = np.where(cut > 0, values[1], values[0])
    known = np.isfinite(f).reshape(len(f), -1).all(axis=1)
    share = w[known] / w[known].sum()
    largest = max(float(share[y[known] == value].sum()) for value in values)
    return float(share @ (answer == y)[known]), largest


def _r2(infl: Influence, f: FloatArray) -> float:
    problem = infl._problem
    y, w, known = np.asarray(problem.y), np.asarray(problem.w), np.isfinite(f)
    y, w, f = y[known], w[known], f[known]
    spread = float(w @ (y - np.average(y, weights=w)) ** 2)
    return 1.0 - float(w @ (y - f) ** 2) / spread if spread > 0 else float("nan")
