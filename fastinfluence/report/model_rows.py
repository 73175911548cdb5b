"""Training rows of a model as people read them: target, prediction, loss, own features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.influence import Influence
from fastinfluence.problem import Problem, TestRows
from fastinfluence.report.html import MISSING, Child, number, shown, user
from fastinfluence.report.pieces import Value
from fastinfluence.rows.base import Block
from fastinfluence.rows.features import squared
from fastinfluence.spec.oracle import Oracle
from fastinfluence.types import FloatArray, IntArray

SHOWN = 12
"""Values of one row at most, those furthest from their column's mean."""
LONGEST_NAME = 80
FAR = 3.0
"""Standard deviations from the mean beyond which a value is marked."""


@dataclass(frozen=True)
class ModelRows:
    """Chosen training rows, ready to be shown.

    Attributes
    ----------
    heads : tuple of str
        Of the columns.
    columns : list of lists
        One cell for each row in each column.
    values : list of lists of Value
        Each row's own features, the most unusual first; empty where they mean nothing to people.
    more : int
        Features of each row that are not in ``values``.
    """

    heads: tuple[str, ...]
    columns: list[list[Child]]
    values: list[list[Value]]
    more: int

    @classmethod
    def of(cls, infl: Influence, rows: IntArray) -> ModelRows:
        """The chosen rows of a model; of an oracle their names alone."""
        problem = infl._problem
        names = [_name(problem, int(row)) for row in rows]
        if isinstance(problem.spec, Oracle):
            return cls(("row",), [names], [[] for _ in rows], 0)
        own = TestRows(problem.rows.take(rows), np.asarray(problem.y[rows]), _offset(problem, rows))
        theta = np.ascontiguousarray(infl.theta[:, None])
        loss = infl._engine.test_losses(own, theta)[:, 0]
        word, predicted = _predictions(infl, own, theta)
        target: list[Child] = [_target(label) for label in _labels(problem, rows)]
        heads = ("row", "target", word, "loss")
        losses: list[Child] = [number(value, column=True) for value in loss]
        columns = [names, target, predicted, losses]
        values, more = _values(problem, rows)
        return cls(heads, columns, values, more)


def _name(problem: Problem, row: int) -> Child:
    """The caller's label of a row, or its position where there is none to read."""
    label = MISSING if problem.labels is None else shown(problem.labels[row], LONGEST_NAME)
    return user(f"{row:,}" if label == MISSING else label)


def _offset(problem: Problem, rows: IntArray) -> FloatArray:
    if problem.offset is None:
        return problem.no_offset(len(rows))
    return np.asarray(problem.offset[rows])


def _labels(problem: Problem, rows: IntArray) -> list[Any]:
    """The caller's own targets."""
    y = np.asarray(problem.y[rows], dtype=np.float64)
    classes = problem.codec.classes
    if classes is None:
        return [float(value) for value in y] if y.ndim == 1 else [str(value) for value in y]
    values = list(problem.codec.values)  # type: ignore[union-attr]
    return [classes[values.index(float(value))] for value in y]


def _target(label: Any) -> Child:
    return number(label, 6) if isinstance(label, float) else user(label, LONGEST_NAME)


def _predictions(infl: Influence, own: TestRows, theta: FloatArray) -> tuple[str, list[Child]]:
    """What the model predicts for each row, and what to call it."""
    problem, engine = infl._problem, infl._engine
    classes = problem.codec.classes
    has_mean = problem.n_outputs > 1 or "mean" in problem.spec.loss.program.outputs
    found = engine.predictions(own, theta, "mean" if has_mean else "raw")[:, 0]
    if found.ndim == 2 and classes is not None:
        best = found.argmax(axis=1)
        cells = [
            [user(classes[k]), f" {share[k]:.3f}"] for k, share in zip(best, found, strict=True)
        ]
        return "prediction", list(cells)
    if found.ndim == 2:
        return "prediction", [", ".join(number(v) for v in row) for row in found]
    if has_mean and classes is not None:
        return f"P({str(classes[1])[:12]})", [f"{value:.4f}" for value in found]
    return ("prediction" if has_mean else "raw prediction"), [number(v, 4) for v in found]


def _values(problem: Problem, rows: IntArray) -> tuple[list[list[Value]], int]:
    """Own features of the rows, by how far they lie from their column's mean."""
    if problem.space is not None:  # features of a kernel are nobody's columns
        return [[] for _ in rows], 0
    X, names = problem.rows.take(rows).toarray(), problem.feature_names
    centre, spread = _moments(problem)
    z = np.where(spread > 0, (X - centre) / np.where(spread > 0, spread, 1.0), 0.0)
    order = np.argsort(-np.abs(z), axis=1, kind="stable")[:, :SHOWN]
    listed = [
        [Value(names[j], float(X[i, j]), _mark(z[i, j])) for j in columns]
        for i, columns in enumerate(order)
    ]
    return listed, max(0, X.shape[1] - SHOWN)


def _mark(z: float) -> str:
    return "" if abs(z) <= FAR else ("▲" if z > 0 else "▼")


def _moments(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each feature, from one pass over the rows."""
    d = problem.rows.n_features

    def task(block: Block) -> FloatArray:
        ones = np.ones((len(block.X), 1))
        return np.concatenate(
            [block.X.transposed(ones, d), block.X.mapped(squared).transposed(ones, d)], axis=1
        )

    sums = problem.rows.map_reduce(task, np.add, 1) / problem.n_rows
    centre = sums[:, 0]
    return centre, np.sqrt(np.maximum(sums[:, 1] - centre**2, 0.0))
