"""Gradients of single rows of an MLP, and its values at parameters other than the engine's own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator

import numpy as np

from fastinfluence.backend import contiguous
from fastinfluence.engines.heads import AtOutputs, Head
from fastinfluence.engines.network import Network, Trace
from fastinfluence.engines.sums import add_grouped
from fastinfluence.errors import InputError
from fastinfluence.problem import Problem, TestRows
from fastinfluence.rows.base import Block
from fastinfluence.rows.features import Features
from fastinfluence.spec.mlp import MLP
from fastinfluence.types import FloatArray, IntArray


class MLPThetas:
    """What an MLP engine answers row by row, and at every column of Theta (p, k)."""

    problem: Problem
    spec: MLP
    theta: FloatArray
    K: int
    head: Head
    network: Network
    curvature: str

    @property
    def n_params(self) -> int:
        """Length p of theta."""
        return len(self.theta)

    @abstractmethod
    def _at_outputs(
        self, f: FloatArray, rows: slice | IntArray, head: Head | None = None
    ) -> AtOutputs:
        """Loss of training rows."""

    @abstractmethod
    def _offset(self, rows: slice | IntArray) -> FloatArray | None:
        """The rows' offset."""

    @abstractmethod
    def _each(self, sides: int, task: Callable[[Block], None]) -> None:
        """Every row once, in order, in parts whose passes fit the cache."""

    def network_at(self, theta: FloatArray) -> Network:
        """The layers at a theta (p,)."""
        d = self.problem.rows.n_features
        return Network(self.spec.shapes(d, self.K), self.spec.activation, theta)

    # -- gradients of single rows ------------------------------------------------------

    def row_gradients(self, rows: IntArray) -> FloatArray:
        """∇l_i of the chosen rows, shape (k, p); no penalty."""
        return self._gradients(self.problem.rows.take(rows), rows)

    def block_gradients(self, block: Block) -> FloatArray:
        """∇l_i of a block's rows, shape (b, p); no penalty."""
        return self._gradients(block.X, block.rows)

    def _gradients(self, X: Features, rows: slice | IntArray) -> FloatArray:
        trace = self.network.forward(X, self._offset(rows), 1)
        deltas, _ = self.network.backward(trace, self._at_outputs(trace.f, rows).slope)
        return self.network.row_gradients(trace, deltas)

    def grouped_gradients(
        self, rows: IntArray, owner: IntArray, k: int, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i at the engine's own theta over the rows of each owner, shape (k, p)."""
        out: FloatArray = self.problem.backend.xp.zeros((k, len(self.theta)))
        X = self.problem.rows.take(rows)
        for at in X.pieces(len(self.theta)):
            add_grouped(out, self.row_gradients(rows[at]), owner[at], scale[at])
        return out

    def loss_gradients(self, test: TestRows) -> FloatArray:
        """∇l(z_test), shape (t, p); no penalty."""
        trace = self.network.forward(test.X, test.offset, 1)
        deltas, _ = self.network.backward(trace, self.head.at(trace.f, _labels(test)).slope)
        return self.network.row_gradients(trace, deltas)

    def prediction_gradients(self, test: TestRows, output: str) -> FloatArray:
        """Gradient of each output, raw or mean, of each test row, shape (t·K, p)."""
        trace = self.network.forward(test.X, test.offset, 1)
        t, K = trace.f.shape
        xp = self.problem.backend.xp
        slopes: FloatArray = np.broadcast_to(xp.eye(K), (t, K, K))
        if output == "mean":
            slopes = self.head.mean_slopes(trace.f)
        out: FloatArray = xp.empty((t, K, len(self.theta)))
        for k in range(K):
            deltas, _ = self.network.backward(trace, contiguous(slopes[:, k]))
            out[:, k] = self.network.row_gradients(trace, deltas)
        return out.reshape(t * K, -1)

    # -- values at other parameters ----------------------------------------------------

    def test_losses(self, test: TestRows, Theta: FloatArray) -> FloatArray:
        """Loss of each test row at every column of Theta (p, k), shape (t, k)."""
        y = _labels(test)
        values = [self.head.at(trace.f, y).value for trace in self._traces(test, Theta)]
        return np.stack(values, axis=1)

    def predictions(self, test: TestRows, Theta: FloatArray, output: str) -> FloatArray:
        """Predictions of the test rows, shape (t, k), or (t, k, K) for K outputs."""
        means = self.head.means if output == "mean" else np.copy
        found = np.stack([means(trace.f) for trace in self._traces(test, Theta)], axis=1)
        return found[:, :, 0] if self.K == 1 else found

    def _traces(self, test: TestRows, Theta: FloatArray) -> Iterator[Trace]:
        for theta in Theta.T:
            yield self.network_at(theta).forward(test.X, test.offset, 0)

    def total_gradients(self, Theta: FloatArray) -> FloatArray:
        """Σ_i w_i ∇l_i at every column of Theta (p, k), shape (p, k); no penalty."""
        networks = [self.network_at(theta) for theta in Theta.T]
        sums = [net.zeros(1) for net in networks]

        def task(part: Block) -> None:
            for net, out in zip(networks, sums, strict=True):
                trace = net.forward(part.X, self._offset(part.rows), 1)
                slope = self._at_outputs(trace.f, part.rows).slope
                deltas, _ = net.backward(trace, self.problem.w[part.rows, None] * slope)
                net.add_outer(out, trace, [delta[:, None, :] for delta in deltas])

        self._each(1, task)
        columns = [net.join(out) for net, out in zip(networks, sums, strict=True)]
        return np.concatenate(columns, axis=1)

    def set_gradients(
        self, Theta: FloatArray, rows: IntArray, owner: IntArray, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i over the rows of each owner j, at column j of Theta, shape (k, p)."""
        out = np.zeros((Theta.shape[1], len(Theta)))
        for j, theta in enumerate(Theta.T):
            mine = np.flatnonzero(owner == j)
            if not len(mine):
                continue
            net = self.network_at(theta)
            trace = net.forward(self.problem.rows.take(rows[mine]), self._offset(rows[mine]), 1)
            slope = scale[mine, None] * self._at_outputs(trace.f, rows[mine]).slope
            deltas, _ = net.backward(trace, slope)
            tables = net.zeros(1)
            net.add_outer(tables, trace, [delta[:, None, :] for delta in deltas])
            out[j] = net.join(tables)[:, 0]
        return out


def _labels(test: TestRows) -> FloatArray:
    if test.y is None:
        raise InputError("y_test is needed to evaluate the loss of test rows")
    return test.y
