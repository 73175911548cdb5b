"""A multinomial model at parameters other than the engine's own: what removals ask for."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from fastinfluence.backend import contiguous
from fastinfluence.engines.sums import add
from fastinfluence.problem import Problem, TestRows
from fastinfluence.rows.base import Block
from fastinfluence.rows.features import Features
from fastinfluence.types import FloatArray, IntArray


class OtherThetas:
    """Values and gradients at every column of Theta (p, k)."""

    problem: Problem
    theta: FloatArray
    K: int
    width: int
    y: IntArray
    f: FloatArray
    P: FloatArray
    D: FloatArray

    @property
    def xp(self) -> Any:
        """The module of the arrays."""
        return self.problem.backend.xp

    @property
    def kernels(self) -> Any:
        """What happens to K numbers of one row."""
        return self.problem.backend.kernels.multinomial

    @abstractmethod
    def raw(self, X: Features, table: FloatArray, offset: FloatArray | None) -> FloatArray:
        """Logits of some rows for a table (d [+ 1], K·t), shape (b, K·t)."""

    @abstractmethod
    def table(self, V: FloatArray) -> FloatArray:
        """Vectors (p, t) as a table (d [+ 1], K·t)."""

    @abstractmethod
    def split(self, F: FloatArray) -> FloatArray:
        """Predictions (b, K·t) as (b, K, t)."""

    @abstractmethod
    def threads(self, n_sides: int) -> int:
        """Threads of a pass that multiplies by so many parameter vectors."""

    @abstractmethod
    def _test_slopes(self, test: TestRows, Theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Losses (t, k) and slopes (t, K, k) of the test rows."""

    def test_losses(self, test: TestRows, Theta: FloatArray) -> FloatArray:
        """Loss of each test row at every column of Theta (p, k), shape (t, k)."""
        return self._test_slopes(test, Theta)[0]

    def predictions(self, test: TestRows, Theta: FloatArray, output: str) -> FloatArray:
        """Logits ("raw") or probabilities ("mean") of the test rows, shape (t, k, K)."""
        F = self.split(self.raw(test.X, self.table(Theta), test.offset))
        out = contiguous(F.transpose(0, 2, 1))
        if output == "mean":
            flat = out.reshape(-1, self.K)
            self.kernels.probabilities_block(flat, self.xp.empty(len(flat), dtype=np.intp))
        return out

    def total_gradients(self, Theta: FloatArray) -> FloatArray:
        """Σ_i w_i ∇l_i at every column of Theta (p, k), shape (p, k); no penalty."""
        problem, table = self.problem, self.table(Theta)

        def task(block: Block) -> FloatArray:
            at = block.rows
            offset = None if problem.offset is None else problem.offset[at]
            F = contiguous(self.raw(block.X, table, offset))
            self._slopes(self.split(F), self.y[at])
            F *= problem.w[at, None]
            return block.X.transposed(F, self.width)

        out = problem.rows.map_reduce(task, add, self.threads(Theta.shape[1]))
        return out.reshape(Theta.shape)

    def set_gradients(
        self, Theta: FloatArray, rows: IntArray, owner: IntArray, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i over the rows of each owner j, at column j of Theta, shape (k, p)."""
        X, k = self.problem.rows.take(rows), Theta.shape[1]
        each = contiguous(Theta.reshape(self.width, self.K, k).transpose(1, 2, 0))
        F = np.stack([X.paired(T, owner) for T in each], axis=1)
        if self.problem.offset is not None:
            F += self.problem.offset[rows]
        self._slopes(F[:, :, None], self.y[rows])
        return self._grouped(X, F * scale[:, None], owner, k)

    def grouped_gradients(
        self, rows: IntArray, owner: IntArray, k: int, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i at the engine's own theta over the rows of each owner, shape (k, p)."""
        X = self.problem.rows.take(rows)
        return self._grouped(X, self.D[rows] * scale[:, None], owner, k)

    def _grouped(self, X: Features, slopes: FloatArray, owner: IntArray, k: int) -> FloatArray:
        columns = contiguous(slopes.T)
        sums = [X.grouped(column, owner, k, self.width) for column in columns]
        return np.stack(sums, axis=2).reshape(k, -1)

    def _slopes(self, F: FloatArray, y: IntArray) -> None:
        """Replace logits F (b, K, t) by p − e_y."""
        self.kernels.softmax_block(F, y, self.xp.empty((F.shape[0], F.shape[2])), F)
