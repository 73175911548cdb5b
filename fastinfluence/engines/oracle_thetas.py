"""Gradients of single rows of an oracle, and its values at parameters other than the engine's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from fastinfluence.engines.oracle_calls import Calls
from fastinfluence.engines.sums import add_grouped
from fastinfluence.errors import InputError
from fastinfluence.problem import Problem, TestRows
from fastinfluence.rows.base import Block
from fastinfluence.rows.indexed import Indexed
from fastinfluence.types import FloatArray, IntArray

Task: TypeAlias = Callable[[slice, Indexed], None]
"""Takes the place of some rows in arrays of one entry per row, and the rows."""


class OracleThetas:
    """What an oracle's engine answers row by row, and at every column of Theta (p, k)."""

    problem: Problem
    theta: FloatArray
    calls: Calls

    @property
    def n_params(self) -> int:
        """Length p of theta."""
        return len(self.theta)

    # -- rows in blocks ----------------------------------------------------------------

    def each(self, task: Task, numbers: int = 0) -> None:
        """Call ``task`` with every training row once, in order.

        As many rows at a time as the oracle wants, or with ``numbers`` as many as so many float64
        numbers a row allow.
        """

        def run(block: Block) -> int:
            for part in block.parts(numbers) if numbers else (block,):
                task(part.rows, indexed(part))
            return block.stop

        self.problem.rows.map_reduce(run, max, 1)

    def _pieces(self, rows: Indexed) -> Iterator[tuple[slice, FloatArray]]:
        """Gradients of some rows, part by part."""
        for at in rows.pieces(self.n_params):
            yield at, self.calls.gradient(self.theta, rows[at])

    # -- gradients of single rows ------------------------------------------------------

    def row_gradients(self, rows: IntArray) -> FloatArray:
        """∇l_i of the chosen rows, shape (k, p); no penalty."""
        chosen = self.taken(rows)
        return np.concatenate([each for _, each in self._pieces(chosen)])

    def block_gradients(self, block: Block) -> FloatArray:
        """∇l_i of a block's rows, shape (b, p); no penalty."""
        return self.calls.gradient(self.theta, indexed(block))

    def grouped_gradients(
        self, rows: IntArray, owner: IntArray, k: int, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i at the engine's own theta over the rows of each owner, shape (k, p)."""
        out = np.zeros((k, self.n_params))
        for at, each in self._pieces(self.taken(rows)):
            add_grouped(out, each, owner[at], scale[at])
        return out

    def loss_gradients(self, test: TestRows) -> FloatArray:
        """∇l(z_test), shape (t, p); no penalty."""
        return np.concatenate([each for _, each in self._pieces(labelled(test))])

    def prediction_gradients(self, test: TestRows, output: str) -> FloatArray:
        """Gradient of each output, raw or mean, of each test row, shape (t·K, p)."""
        name = "prediction_gradient" if output == "raw" else "mean_gradient"
        rows, numbers = _rows(test), self.n_params * self.problem.n_outputs
        parts = [
            self.calls.prediction_gradients(name, self.theta, rows[at])
            for at in rows.pieces(numbers)
        ]
        return np.concatenate(parts).reshape(-1, self.n_params)

    # -- values at other parameters ----------------------------------------------------

    def test_losses(self, test: TestRows, Theta: FloatArray) -> FloatArray:
        """Loss of each test row at every column of Theta (p, k), shape (t, k)."""
        rows = labelled(test)
        out = np.empty((len(rows), Theta.shape[1]))
        for j, theta in enumerate(np.ascontiguousarray(Theta.T)):
            out[:, j] = self.calls.loss(theta, rows)
        return out

    def predictions(self, test: TestRows, Theta: FloatArray, output: str) -> FloatArray:
        """Predictions of the test rows, shape (t, k), or (t, k, K) for K outputs."""
        name, rows = "prediction" if output == "raw" else "mean", _rows(test)
        out = np.empty((len(rows), Theta.shape[1], self.problem.n_outputs))
        for j, theta in enumerate(np.ascontiguousarray(Theta.T)):
            out[:, j] = self.calls.predictions(name, theta, rows)
        return out[:, :, 0] if out.shape[2] == 1 else out

    def total_gradients(self, Theta: FloatArray) -> FloatArray:
        """Σ_i w_i ∇l_i at every column of Theta (p, k), shape (p, k); no penalty."""
        out = np.zeros_like(Theta)

        def task(at: slice, rows: Indexed) -> None:
            for j, theta in enumerate(np.ascontiguousarray(Theta.T)):
                out[:, j] += self.problem.w[at] @ self.calls.gradient(theta, rows)

        self.each(task, self.n_params)
        return out

    def set_gradients(
        self, Theta: FloatArray, rows: IntArray, owner: IntArray, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i over the rows of each owner j, at column j of Theta, shape (k, p)."""
        out = np.zeros((Theta.shape[1], len(Theta)))
        for j, theta in enumerate(np.ascontiguousarray(Theta.T)):
            mine = np.flatnonzero(owner == j)
            chosen = self.taken(rows[mine])
            for at in chosen.pieces(self.n_params):
                each = self.calls.gradient(theta, chosen[at])
                out[j] += scale[mine[at]] @ each
        return out

    def taken(self, rows: IntArray) -> Indexed:
        """The chosen training rows."""
        chosen = self.problem.rows.take(rows)
        assert isinstance(chosen, Indexed)
        return chosen


def indexed(block: Block) -> Indexed:
    """A block's rows in the caller's containers."""
    assert isinstance(block.X, Indexed)
    return block.X


def _rows(test: TestRows) -> Indexed:
    assert isinstance(test.X, Indexed)
    return test.X


def labelled(test: TestRows) -> Indexed:
    """Test rows with their targets."""
    if test.y is None:
        raise InputError("y_test is needed to evaluate the loss of test rows")
    assert isinstance(test.y, Indexed)
    return Indexed(_rows(test).X, test.y.X)
