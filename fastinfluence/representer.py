"""Solutions s = H⁻¹∇l(z_test) of a kernel machine as functions of the inputs.

Moving a training row moves the function k(x_i, ·) itself, which the features of the others do not
span. In the space of all functions, with λ the mean-form penalty and f′ the slope of the test loss,

    s(x) = (1/λ)·[f′·k(x, x_test) − Σ_j (w_j l″_j/W)·s̃(x_j)·k(x, x_j)] + bias,

s̃ the values at the training rows, which any exact features give. A Nyström basis is frozen:
there s(x) = s·φ(x).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastinfluence.engines.glm import GLMEngine
from fastinfluence.kernel_space import KernelSpace
from fastinfluence.problem import TestRows
from fastinfluence.rows.base import Block
from fastinfluence.rows.sources import as_rows
from fastinfluence.types import FloatArray, IntArray


class Representer:
    """The functions s of every test row.

    Parameters
    ----------
    engine : GLMEngine
        Of a problem with a kernel space.
    S : ndarray, shape (p, t)
        H⁻¹∇l(z_test), with this ``damping``.
    test : TestRows
    damping : float
    """

    def __init__(
        self, engine: GLMEngine, S: FloatArray, test: TestRows, damping: float = 0.0
    ) -> None:
        self._engine, self._S, self._test = engine, S, test
        self._space, self._inputs = kernel_space(engine), inputs_of(test)
        self._along = _along(engine, S)
        problem = engine.problem
        self._penalty = float(problem.penalty[0]) + damping
        self._pull = (problem.w * engine.d2 / problem.W)[:, None] * self._along
        (slope,) = engine.test_pointwise(test, engine.theta[:, None], ("d1",))
        self._slope: FloatArray = slope[:, 0]

    def values(self, X: FloatArray) -> FloatArray:
        """s(x) at every row of X (m, d), the bias included, shape (m, t)."""
        space, bias = self._space, self._S[-1]
        if not space.exact:
            return np.asarray(space.features(X) @ self._S[:-1] + bias)
        from_test = space.kernel(X, self._inputs) * self._slope
        from_rows = space.kernel(X, space.X) @ self._pull
        return np.asarray((from_test - from_rows) / self._penalty + bias)

    def slopes(self, X: FloatArray, j: int) -> FloatArray:
        """∇ₓs(x) of test row j at every row of X, shape (m, d)."""
        space = self._space
        if not space.exact:
            return space.slopes(X, self._S[:-1, j])
        from_test = space.kernel.slopes(X, self._inputs[[j]], self._slope[[j]])
        from_rows = space.kernel.slopes(X, space.X, self._pull[:, j])
        return np.asarray((from_test - from_rows) / self._penalty)

    def mixed(self, rows: IntArray, j: int) -> FloatArray:
        """∇ₓ(l′(f(x)) s(x)) at training rows for test row j, shape (k, d)."""
        X = self._space.X[rows]
        d1, d2 = self._engine.row_pointwise(rows, "d1", "d2")
        by_prediction: FloatArray = (d2 * self._along[rows, j])[:, None] * self._space.slopes(
            X, self._engine.theta[:-1]
        )
        return by_prediction + d1[:, None] * self.slopes(X, j)

    def moved(self, rows: IntArray, new: TestRows) -> FloatArray:
        """l′(z_δ) s(x_δ) − l′(z_i) s(x_i) for every replacement and test row, shape (k, t)."""
        (at_new,) = self._engine.test_pointwise(new, self._engine.theta[:, None], ("d1",))
        (at_old,) = self._engine.row_pointwise(rows, "d1")
        before = at_old[:, None] * self._along[rows]
        return np.asarray(at_new * self.values(inputs_of(new)) - before)


def kernel_space(engine: GLMEngine) -> KernelSpace:
    """The kernel space of a problem that has one."""
    space = engine.problem.space
    assert space is not None, "engine.problem.space was not asked"
    return space


def inputs_of(rows: TestRows) -> FloatArray:
    """The inputs behind features that were made from them."""
    assert rows.inputs is not None, "rows of a kernel machine keep their inputs"
    return rows.inputs


def _along(engine: GLMEngine, S: FloatArray) -> FloatArray:
    """x̃_i·s for every training row and column of S, shape (n, t)."""
    out = np.empty((engine.problem.n_rows, S.shape[1]))

    def task(block: Block) -> int:
        out[block.rows] = block.X.linear(S)
        return block.stop

    engine.problem.rows.map_reduce(task, max, 1)
    return out


def in_common_space(
    engine: GLMEngine, test: TestRows, new: TestRows
) -> tuple[GLMEngine, TestRows, TestRows]:
    """The same model on features that span new rows too; a frozen basis stays as it is."""
    old = kernel_space(engine)
    if not old.exact:
        return engine, test, new
    space = old.with_rows(inputs_of(new))
    table = space.table(space.X)
    problem = replace(
        engine.problem,
        rows=as_rows(table.values),
        feature_names=table.names,
        transform=space,
        space=space,
    )
    theta = np.append(space.coordinates(old, engine.theta[:-1]), engine.theta[-1])
    again = GLMEngine(problem, theta, engine.curvature)
    return again, _again(space, test), _again(space, new)


def _again(space: KernelSpace, rows: TestRows) -> TestRows:
    X = as_rows(space.features(inputs_of(rows))).take(slice(None))
    return replace(rows, X=X)
