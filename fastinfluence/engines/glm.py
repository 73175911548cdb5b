"""Generalised linear models on rows of any storage."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastinfluence.backend import contiguous
from fastinfluence.engines.glm_values import GLMValues
from fastinfluence.engines.root import CurvatureRoot
from fastinfluence.engines.row_curvature import RowCurvature
from fastinfluence.engines.sums import add, add_all
from fastinfluence.errors import LossError, UnsupportedError
from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem, TestRows
from fastinfluence.rows.base import FEW, Block
from fastinfluence.rows.features import Features, squared
from fastinfluence.types import FloatArray, IntArray

OUTPUTS = ("raw", "mean")
"""Kinds of prediction: the linear predictor, and the mean or probability."""
CURVATURES = {"hessian": "d2", "gauss-newton": "d2", "fisher": "fisher"}
"""Pointwise output behind each curvature. f is linear in theta, so Gauss–Newton is the Hessian."""


class GLMEngine(GLMValues):
    """A GLM linearised at ``theta``.

    Attributes
    ----------
    f, d1, d2 : ndarray, shape (n,)
        Linear predictor, first derivative of the loss in f, and the curvature weight: the
        second derivative, or its expectation for ``curvature="fisher"``.
    objective : float
        R(theta) in the spec's own reduction.
    gradient : ndarray, shape (p,)
        ∇R(theta) in mean form.
    gradient_scale : ndarray, shape (p,)
        (1/W) Σ_i w_i |d1_i x_ij| + |l2_j theta_j|: what the sum in ``gradient`` cancels from.
    fold : ndarray, shape (p,)
        What a row's g_i adds to ∇l_i: the penalty's gradient in mean form, zero in sum form.
    """

    def __init__(self, problem: Problem, theta: FloatArray, curvature: str = "hessian") -> None:
        self.problem: Problem = problem
        self.theta: FloatArray = theta
        self.curvature = curvature
        output = CURVATURES[curvature]
        if output not in self._program.outputs:
            raise UnsupportedError(
                f'curvature="{curvature}" needs a loss with a mean function; '
                f'{problem.spec.loss.name} has none: use "hessian"'
            )
        self._linearize(("value", "d1", output))
        self.fold: FloatArray = problem.pull(theta) if problem.mean_form else np.zeros_like(theta)

    passes = 1.0

    @property
    def n_params(self) -> int:
        """Length p of theta."""
        return len(self.theta)

    @property
    def convex(self) -> bool:
        """Whether no row's term bends downwards at theta."""
        return bool((self.d2 >= 0).all())

    @property
    def row_sizes(self) -> FloatArray:
        """|l′|·√|l″|, a cheap stand-in for self-influence, shape (n,)."""
        out: FloatArray = np.abs(self.d1) * np.sqrt(np.abs(self.d2))
        return out

    def at(self, theta: FloatArray) -> GLMEngine:
        """The same model and data linearised at another theta."""
        return type(self)(self.problem, theta, self.curvature)

    # -- linearize ---------------------------------------------------------------------

    def _linearize(self, outputs: tuple[str, str, str]) -> None:
        problem, n = self.problem, self.problem.n_rows
        empty = problem.backend.xp.empty
        self.f: FloatArray = empty(n)
        self.d1: FloatArray = empty(n)
        self.d2: FloatArray = empty(n)
        kernel = self._pointwise.kernel(self._program, outputs)
        params = self._params_here

        def task(block: Block) -> tuple[Any, FloatArray, FloatArray]:
            at = block.rows
            f = self.f[at]
            f[:] = block.X.linear(self.theta)
            if problem.offset is not None:
                f += problem.offset[at]
            value = np.empty_like(f)
            columns = (value, self.d1[at], self.d2[at])
            kernel(f[:, None], problem.y[at], params, *(c[:, None] for c in columns))
            self._flatten_absent(at, value)
            slope = problem.w[at] * self.d1[at]
            return problem.w[at] @ value, *block.X.gradient(slope, len(self.theta))

        total, gradient, scale = problem.rows.map_reduce(task, add_all, problem.n_threads)
        self._check_domain()
        pull = problem.pull(self.theta) / (1.0 if problem.mean_form else problem.W)
        price = problem.price(self.theta)
        self.objective = float(total) / (problem.W if problem.mean_form else 1.0) + price
        self.gradient: FloatArray = gradient / problem.W + pull
        self.gradient_scale: FloatArray = scale / problem.W + np.abs(pull)

    def _flatten_absent(self, at: slice, value: FloatArray) -> None:
        """Let rows of weight zero lie outside the loss's domain: there they count as flat."""
        d1, d2 = self.d1[at], self.d2[at]
        wild = (self.problem.w[at] == 0) & ~(np.isfinite(value) & np.isfinite(d1) & np.isfinite(d2))
        value[wild] = d1[wild] = d2[wild] = 0.0

    def _check_domain(self) -> None:
        loss = self.problem.spec.loss
        low, high = loss.f_domain
        inside = (self.f > low) & (self.f < high) & np.isfinite(self.d1) & np.isfinite(self.d2)
        bad = np.flatnonzero(~inside & (self.problem.w > 0))
        if len(bad):
            i, first = int(bad[0]), self.problem.first_row
            raise LossError(
                f"the loss {loss.name} has no finite derivatives at f = {float(self.f[i]):g} (row "
                f"{first + i}, {len(bad)} of rows {first} to {first + len(self.f) - 1}): f must "
                f"lie in ({low:g}, {high:g}); rescale X or choose a link whose domain holds every "
                "linear predictor"
            )

    # -- primitives --------------------------------------------------------------------

    @cached_property
    def _share(self) -> FloatArray:
        """w_i l″_i / W: what multiplies x̃_i x̃_iᵀ in the Hessian, shape (n,)."""
        out: FloatArray = self.problem.w * self.d2
        out /= self.problem.W
        return out

    def hvp(self, V: FloatArray) -> FloatArray:
        """Mean-form Hessian (penalty included, damping not) times V, shape (p, t)."""
        problem = self.problem
        out = self.row_products(V, self._share)
        return out + problem.penalty[:, None] * V

    def row_products(self, V: FloatArray, scale: FloatArray) -> FloatArray:
        """Σ_i scale_i x̃_i x̃_iᵀ V over all rows, shape (p, t): one pass."""
        rows, V = self.problem.rows, contiguous(V)

        def task(block: Block) -> FloatArray:
            return block.X.hvp(scale[block.rows], V)

        t = V.shape[1]
        threads = rows.threads(t, self.problem.n_threads)
        return rows.map_reduce(task, add, threads, once=t <= FEW)

    @cached_property
    def row_curvature(self) -> RowCurvature:
        """The Hessians of single rows' losses."""
        return RowCurvature(self)

    @property
    def curvature_root(self) -> CurvatureRoot:
        """Z with H = ZᵀZ + penalty; only where every row is convex."""
        return CurvatureRoot(self)

    def hessian(self) -> FloatArray:
        """Mean-form Hessian (penalty included, damping not), shape (p, p)."""
        problem = self.problem
        out = self.weighted_gram(self._share)
        out[np.diag_indices_from(out)] += problem.penalty
        return out

    def data_hessian(self) -> FloatArray:
        """Σ_i w_i ∇²l_i, shape (p, p)."""
        return self.weighted_gram(self.problem.w * self.d2)

    def weighted_gram(self, scale: FloatArray) -> FloatArray:
        """Σ_i scale_i x_i x_iᵀ with the intercept's column of ones, shape (p, p)."""
        out: FloatArray = self.problem.backend.xp.zeros((self.n_params, self.n_params))

        def task(block: Block) -> int:
            block.X.add_gram(scale[block.rows], out)
            return block.stop

        self.problem.rows.map_reduce(task, max, 1, once=True)
        return out

    def diagonal(self) -> FloatArray:
        """Diagonal of :meth:`hessian`, shape (p,), without forming it."""
        return self._squares(self._share) + self.problem.penalty

    def term_sizes(self) -> FloatArray:
        """Σ_i |w_i l″_i| x_ij² / W and the penalty, shape (p,): what the diagonal sums up."""
        return self._squares(np.abs(self._share)) + self.problem.penalty

    def _squares(self, scale: FloatArray) -> FloatArray:
        """Σ_i scale_i x_ij², shape (p,)."""

        def task(block: Block) -> FloatArray:
            return block.X.mapped(squared).transposed(scale[block.rows], self.n_params)

        return self.problem.rows.map_reduce(task, add, 1)

    def row_dot(self, block: Block, S: FloatArray) -> FloatArray:
        """∇l_i · s for the block's rows and every column of S, shape (t, b); no penalty."""
        return block.X.row_dot(S, self.d1[block.rows])

    def mixed_vjp(self, rows: IntArray, s: FloatArray) -> FloatArray:
        """∇x (∇l_i · s) for the chosen rows, shape (k, d): d1 s + d2 (x̃·s) coef."""
        d = self.problem.rows.n_features
        along = self.problem.rows.take(rows).linear(s)
        (d2,) = self.row_pointwise(rows, "d2")  # the loss's own, whatever the curvature
        return self.d1[rows, None] * s[None, :d] + (d2 * along)[:, None] * self.theta[:d]

    def label_dot(self, rows: IntArray, S: FloatArray) -> FloatArray:
        """∂y (∇l_i · s) for the chosen rows and every column of S, shape (t, k)."""
        (mixed,) = self.row_pointwise(rows, "d1_y")
        return self.problem.rows.take(rows).row_dot(S, mixed)

    def row_pointwise(self, rows: IntArray, *outputs: str) -> tuple[FloatArray, ...]:
        """Pointwise outputs at the chosen rows, each (k,)."""
        y = self.problem.y[rows]
        return self._evaluate(self.problem.spec.loss, self.f[rows], y, outputs)

    # -- gradients of single rows ------------------------------------------------------

    def row_gradients(self, rows: IntArray) -> FloatArray:
        """∇l_i of the chosen rows, shape (k, p); no penalty."""
        return self.d1[rows, None] * self.design(self.problem.rows.take(rows))

    def block_gradients(self, block: Block) -> FloatArray:
        """∇l_i of a block's rows, shape (b, p); no penalty."""
        return self.d1[block.rows, None] * self.design(block.X)

    def grouped_gradients(
        self, rows: IntArray, owner: IntArray, k: int, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i at the engine's own theta over the rows of each owner, shape (k, p)."""
        X = self.problem.rows.take(rows)
        return X.grouped(scale * self.d1[rows], owner, k, self.n_params)

    def loss_gradients(self, test: TestRows) -> FloatArray:
        """∇l(z_test), shape (t, p); no penalty."""
        (d1,) = self.test_pointwise(test, self.theta[:, None], ("d1",))
        return d1 * self.design(test.X)

    def prediction_gradients(self, test: TestRows, output: str) -> FloatArray:
        """Gradient of the raw or mean prediction of each test row, shape (t, p)."""
        design = self.design(test.X)
        if output == "raw":
            return design
        slope = self.predictions(test, self.theta[:, None], "mean_d1")
        return slope * design

    def design(self, X: Features) -> FloatArray:
        """X as a dense float64 array, with a column of ones where the model has an intercept."""
        return X.design(self.n_params)
