"""The last step of a network: a loss of its K outputs, with its curvature in them.

A head knows the loss and nothing of the layers. Outputs f are (b, K), slopes ∂l/∂f likewise, and
directions in output space (b, t, K): t of them for each row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastinfluence.backend import Backend, contiguous
from fastinfluence.errors import UnsupportedError
from fastinfluence.problem import Problem
from fastinfluence.spec.loss import Loss
from fastinfluence.types import BoolArray, FloatArray

Curve = Callable[[FloatArray], FloatArray]
"""Directions U (b, t, K) to ∂²l/∂f² U."""


class AtOutputs(NamedTuple):
    """A loss at some rows' outputs."""

    value: FloatArray
    """l, shape (b,)."""
    slope: FloatArray
    """∂l/∂f, shape (b, K)."""
    curve: Curve
    bend: FloatArray | None = None
    """∂²l/∂f², shape (b,), where there is one output and it may be negative or not finite."""


class Head(ABC):
    """A loss of K outputs."""

    K: int

    @abstractmethod
    def at(self, f: FloatArray, y: FloatArray) -> AtOutputs:
        """Value, slopes and curvature at f (b, K)."""

    @abstractmethod
    def means(self, f: FloatArray) -> FloatArray:
        """Mean or probabilities, shape (b, K)."""

    @abstractmethod
    def mean_slopes(self, f: FloatArray) -> FloatArray:
        """∂ mean_k/∂ f_j, shape (b, K, K)."""


class ScalarHead(Head):
    """Any loss of one prediction."""

    K = 1

    def __init__(self, loss: Loss, curvature: str, backend: Backend) -> None:
        self._loss, self._backend = loss, backend
        self._params = backend.array(loss.param_values)
        self._second = "fisher" if curvature == "fisher" else "d2"
        if self._second not in loss.program.outputs:
            raise UnsupportedError(
                f'curvature="fisher" needs a loss with a mean function; {loss.name} has none: use '
                '"gauss-newton" or "hessian"'
            )

    def at(self, f: FloatArray, y: FloatArray) -> AtOutputs:
        """Value, slopes and curvature at f (b, 1)."""
        value, d1, d2 = self._evaluate(f[:, 0], y, "value", "d1", self._second)
        return AtOutputs(value, d1[:, None], lambda U: U * d2[:, None, None], d2)

    def _evaluate(self, f: FloatArray, y: FloatArray, *outputs: str) -> Any:
        kernels = self._backend.kernels.pointwise
        return kernels.evaluate(self._loss.program, self._params, f, y, outputs)

    def means(self, f: FloatArray) -> FloatArray:
        """The mean or probability, shape (b, 1)."""
        return self._mean(f, "mean")

    def mean_slopes(self, f: FloatArray) -> FloatArray:
        """∂ mean/∂ f, shape (b, 1, 1)."""
        return self._mean(f, "mean_d1")[:, :, None]

    def _mean(self, f: FloatArray, output: str) -> FloatArray:
        loss = self._loss
        if output not in loss.program.outputs:
            raise UnsupportedError(f'the loss {loss.name} has no mean function: use output="raw"')
        out: FloatArray = self._evaluate(f, self._backend.xp.zeros(len(f)), output)[0]
        return out


class SoftmaxHead(Head):
    """Softmax cross-entropy over K classes; y counts them from 0."""

    def __init__(self, K: int, backend: Backend) -> None:
        self.K, self._xp, self._kernels = K, backend.xp, backend.kernels.multinomial

    def at(self, f: FloatArray, y: FloatArray) -> AtOutputs:
        """Value, slopes p − e_y and curvature diag(p) − ppᵀ at f (b, K)."""
        value, slope = (self._xp.empty((len(f), *shape)) for shape in ((1,), (self.K, 1)))
        F, softmax = contiguous(f), self._kernels
        softmax.softmax_block(F[:, :, None], y.astype(np.intp), value, slope)
        P, top = self._probabilities(F)

        def curve(U: FloatArray) -> FloatArray:
            columns = contiguous(U.transpose(0, 2, 1))
            softmax.curve_block(P, top, self._xp.ones(len(P)), columns)
            return contiguous(columns.transpose(0, 2, 1))

        return AtOutputs(value[:, 0], slope[:, :, 0], curve)

    def _probabilities(
        self,
        f: FloatArray,
    ) -> tuple[FloatArray, np.ndarray[tuple[int], np.dtype[np.intp]]]:
        P, top = f.copy(), self._xp.empty(len(f), dtype=np.intp)
        self._kernels.probabilities_block(P, top)
        return P, top

    def means(self, f: FloatArray) -> FloatArray:
        """Probabilities, shape (b, K)."""
        return self._probabilities(contiguous(f))[0]

    def mean_slopes(self, f: FloatArray) -> FloatArray:
        """diag(p) − ppᵀ, shape (b, K, K)."""
        eye = np.broadcast_to(self._xp.eye(self.K), (len(f), self.K, self.K))
        return self.at(f, self._xp.zeros(len(f))).curve(eye)


class SquaredHead(Head):
    """½‖f − y‖² for y (b, K)."""

    def __init__(self, K: int, backend: Backend) -> None:
        self.K, self._xp = K, backend.xp

    def at(self, f: FloatArray, y: FloatArray) -> AtOutputs:
        """Value, slopes f − y, and the identity."""
        slope = f - y
        return AtOutputs(0.5 * np.square(slope).sum(axis=1), slope, np.copy)

    def means(self, f: FloatArray) -> FloatArray:
        """F itself."""
        return np.copy(f)

    def mean_slopes(self, f: FloatArray) -> FloatArray:
        """The identity for every row, shape (b, K, K)."""
        return np.broadcast_to(self._xp.eye(self.K), (len(f), self.K, self.K)).copy()


def head_of(problem: Problem, curvature: str) -> Head:
    """The head that the problem's loss asks for."""
    spec, K, backend = problem.spec, problem.n_outputs, problem.backend
    if spec.vector:
        return SoftmaxHead(K, backend)
    if problem.y.ndim == 2:
        return SquaredHead(K, backend)
    return ScalarHead(spec.loss, curvature, backend)


def flattened(end: AtOutputs, finite: BoolArray) -> AtOutputs:
    """The same with nothing in the rows that are not finite."""
    keep = finite[:, None, None]
    return AtOutputs(
        np.where(finite, end.value, 0.0),
        np.where(finite[:, None], end.slope, 0.0),
        lambda U: np.where(keep, end.curve(U), 0.0),
    )
