"""A GLM at parameters other than the engine's own: what removals and test rows ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.backend import contiguous
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.kernels.program import PointwiseProgram
from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem, TestRows
from fastinfluence.rows.base import Block
from fastinfluence.spec.loss import Loss
from fastinfluence.types import FloatArray, IntArray


class GLMValues:
    """Values and gradients at every column of Theta (p, k)."""

    problem: Problem
    f: FloatArray
    d1: FloatArray
    d2: FloatArray

    @property
    def _program(self) -> PointwiseProgram:
        return self.problem.spec.loss.program

    @property
    def _params(self) -> NDArray[np.float64]:
        return self.problem.spec.loss.param_values

    @property
    def _pointwise(self) -> Any:
        return self.problem.backend.kernels.pointwise

    @cached_property
    def _params_here(self) -> FloatArray:
        """The loss's parameters where the problem's arrays live."""
        out: FloatArray = self.problem.backend.array(self._params)
        return out

    def _evaluate(
        self, loss: Loss, f: FloatArray, y: FloatArray, outputs: tuple[str, ...]
    ) -> tuple[FloatArray, ...]:
        """Pointwise outputs of a loss at f, where the problem's arrays live."""
        own = loss is self.problem.spec.loss
        params = self._params_here if own else self.problem.backend.array(loss.param_values)
        out: tuple[FloatArray, ...] = self._pointwise.evaluate(loss.program, params, f, y, outputs)
        return out

    def test_pointwise(
        self,
        test: TestRows,
        Theta: FloatArray,
        outputs: tuple[str, ...],
        loss: Loss | None = None,
    ) -> tuple[FloatArray, ...]:
        """Pointwise outputs at the test rows for every column of Theta (p, k), each (t, k).

        ``loss``: another loss of the same labels, by default the model's own.
        """
        if test.y is None:
            raise InputError("y_test is needed to evaluate the loss of test rows")
        F = test.X.linear(Theta) + test.offset[:, None]
        own = self.problem.spec.loss if loss is None else loss
        return self._evaluate(own, F, test.y, outputs)

    def test_losses(self, test: TestRows, Theta: FloatArray) -> FloatArray:
        """Loss of each test row at every column of Theta (p, k), shape (t, k)."""
        return self.test_pointwise(test, Theta, ("value",))[0]

    def total_gradients(self, Theta: FloatArray) -> FloatArray:
        """Σ_i w_i ∇l_i at every column of Theta (p, k), shape (p, k); no penalty."""
        problem, Theta = self.problem, contiguous(Theta)
        kernel, params = self._pointwise.kernel(self._program, ("d1",)), self._params_here

        def task(block: Block) -> FloatArray:
            F = block.X.linear(Theta)
            if problem.offset is not None:
                F += problem.offset[block.rows, None]
            kernel(F, problem.y[block.rows], params, F)
            F *= problem.w[block.rows, None]
            return block.X.transposed(F, len(Theta))

        return problem.rows.map_reduce(task, np.add, problem.n_threads)

    def set_gradients(
        self, Theta: FloatArray, rows: IntArray, owner: IntArray, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i over the rows of each owner j, at column j of Theta, shape (k, p)."""
        X, problem = self.problem.rows.take(rows), self.problem
        f = X.paired(contiguous(Theta.T), owner)
        if problem.offset is not None:
            f += problem.offset[rows]
        (d1,) = self._evaluate(problem.spec.loss, f, problem.y[rows], ("d1",))
        return X.grouped(scale * d1, owner, Theta.shape[1], len(Theta))

    def predictions(self, test: TestRows, Theta: FloatArray, output: str) -> FloatArray:
        """Predictions of the test rows at every column of Theta (p, k), shape (t, k)."""
        F = test.X.linear(Theta) + test.offset[:, None]
        if output == "raw":
            return F
        if output not in self._program.outputs:
            loss = self.problem.spec.loss.name
            raise UnsupportedError(f'the loss {loss} has no mean function: use output="raw"')
        y = self.problem.backend.xp.zeros(len(F)) if test.y is None else test.y
        (mean,) = self._evaluate(self.problem.spec.loss, F, y, (output,))
        return mean
