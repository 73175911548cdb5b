"""Multinomial logistic regression: K predictions a row, on rows of any storage.

theta is (d [+ 1], K) raveled in C order, so a block of t vectors (p, t) is also a table of
(d [+ 1], K·t): every product with the rows is one product of X with that table, and what happens
between two of them happens to K numbers of one row (:mod:`fastinfluence.kernels.cpu.multinomial`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastinfluence.backend import contiguous
from fastinfluence.engines.class_grams import weighted_hessian
from fastinfluence.engines.multinomial_root import MultinomialRoot
from fastinfluence.engines.multinomial_rows import MultinomialRowCurvature
from fastinfluence.engines.other_thetas import OtherThetas
from fastinfluence.engines.sums import add, add_all
from fastinfluence.errors import InputError, LossError
from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem, TestRows
from fastinfluence.rows.base import Block
from fastinfluence.rows.features import Features, squared
from fastinfluence.types import FloatArray, IntArray

FEW_COLUMNS = 64
"""Up to this many columns a product is too thin for BLAS to share between threads."""
SIDE_BYTES = 1 << 22
"""Bytes that the K predictions of one block of rows along one batch of sides may take."""


class MultinomialEngine(OtherThetas):
    """Softmax cross-entropy linearised at ``theta``; convex, and equal to its Fisher information.

    Attributes
    ----------
    f, P, D : ndarray, shape (n, K)
        Logits, probabilities, and slopes of the loss p − e_y.
    top : ndarray of int, shape (n,)
        The likeliest class.
    objective : float
        R(theta) in the spec's own reduction.
    gradient : ndarray, shape (p,)
        ∇R(theta) in mean form.
    gradient_scale : ndarray, shape (p,)
        What each sum in ``gradient`` cancels from.
    fold : ndarray, shape (p,)
        What a row's g_i adds to ∇l_i: the penalty's gradient in mean form, zero in sum form.
    """

    convex = True
    passes = 1.0

    def __init__(self, problem: Problem, theta: FloatArray, curvature: str = "hessian") -> None:
        self.problem: Problem = problem
        self.theta: FloatArray = theta
        self.curvature = curvature  # the logit is canonical: every curvature is the Hessian
        self.K = problem.n_outputs
        self.width = problem.n_params // self.K
        self.y: IntArray = problem.y.astype(np.intp)
        self._linearize()
        self.fold: FloatArray = problem.pull(theta) if problem.mean_form else np.zeros_like(theta)

    @property
    def n_params(self) -> int:
        """Length p of theta."""
        return len(self.theta)

    @property
    def row_sizes(self) -> FloatArray:
        """‖l′‖·√l″, a cheap stand-in for self-influence, shape (n,)."""
        bend = (self.P * (1.0 - self.P)).max(axis=1)
        out: FloatArray = np.linalg.norm(self.D, axis=1) * np.sqrt(bend)
        return out

    def at(self, theta: FloatArray) -> MultinomialEngine:
        """The same model and data linearised at another theta."""
        return type(self)(self.problem, theta, self.curvature)

    # -- linearize ---------------------------------------------------------------------

    def _linearize(self) -> None:
        problem, n, K = self.problem, self.problem.n_rows, self.K
        self.f, self.P, self.D = (self.xp.empty((n, K)) for _ in range(3))
        self.top: IntArray = self.xp.empty(n, dtype=np.intp)
        kernels = self.kernels
        table = self.theta.reshape(self.width, K)

        def task(block: Block) -> tuple[Any, FloatArray, FloatArray]:
            at = block.rows
            f = self.raw(block.X, table, None if problem.offset is None else problem.offset[at])
            self.f[at] = self.P[at] = f
            value = self.xp.empty((len(f), 1))
            kernels.softmax_block(f[:, :, None], self.y[at], value, self.D[at][:, :, None])
            kernels.probabilities_block(self.P[at], self.top[at])
            w = problem.w[at]
            slope = w[:, None] * self.D[at]
            sizes = block.X.mapped(np.abs).transposed(np.abs(slope), self.width)
            return w @ value[:, 0], block.X.transposed(slope, self.width), sizes

        total, gradient, scale = problem.rows.map_reduce(task, add_all, self.threads(1))
        self._check_finite()
        pull = problem.pull(self.theta) / (1.0 if problem.mean_form else problem.W)
        self.objective = float(total) / (problem.W if problem.mean_form else 1.0)
        self.objective += problem.price(self.theta)
        self.gradient: FloatArray = gradient.ravel() / problem.W + pull
        self.gradient_scale: FloatArray = scale.ravel() / problem.W + np.abs(pull)

    def _check_finite(self) -> None:
        bad = np.flatnonzero(~np.isfinite(self.f).all(axis=1))
        if len(bad):
            raise LossError(
                f"the logits of row {self.problem.first_row + bad[0]} are not finite "
                f"({len(bad)} rows with it): theta or the columns of X are too large; scale X"
            )

    def raw(self, X: Features, table: FloatArray, offset: FloatArray | None) -> FloatArray:
        """Logits of some rows for a table (d [+ 1], K·t), shape (b, K·t)."""
        F = X.linear(table)
        if offset is not None:
            self.split(F)[:] += offset[:, :, None]
        return F

    def threads(self, n_sides: int) -> int:
        """Threads of a pass that multiplies by so many parameter vectors."""
        columns, available = self.K * n_sides, self.problem.n_threads
        few = columns <= FEW_COLUMNS
        return available if few else self.problem.rows.threads(columns, available)

    # -- primitives --------------------------------------------------------------------

    def hvp(self, V: FloatArray) -> FloatArray:
        """Mean-form Hessian (penalty included, damping not) times V, shape (p, t)."""
        problem = self.problem
        return self.row_products(V, problem.w / problem.W) + problem.penalty[:, None] * V

    def row_products(self, V: FloatArray, scale: FloatArray, power: int = 1) -> FloatArray:
        """Σ_i scale_i (x̃_i x̃_iᵀ ⊗ S_iᵖᵒʷᵉʳ) V over all rows, S_i = diag(p_i) − p_i p_iᵀ."""
        table = self.table(V)

        def task(block: Block) -> FloatArray:
            return self._block_product(block.X, block.rows, table, scale[block.rows], power)

        out = self.problem.rows.map_reduce(task, add, self.threads(V.shape[1]))
        return out.reshape(V.shape)

    def _block_product(
        self,
        X: Features,
        at: slice | IntArray,
        table: FloatArray,
        scale: FloatArray,
        power: int = 1,
    ) -> FloatArray:
        F = contiguous(X.linear(table))
        curved = self.split(F)
        for k in range(power):
            factor = scale if k == 0 else np.ones_like(scale)
            self.kernels.curve_block(self.P[at], self.top[at], factor, curved)
        return X.transposed(F, self.width)

    def sampled_product(self, V: FloatArray, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} V over the named rows, shape (p, t)."""
        X = self.problem.rows.take(rows)
        return self._block_product(X, rows, self.table(V), scale).reshape(V.shape)

    def table(self, V: FloatArray) -> FloatArray:
        """Vectors (p, t) as a table (d [+ 1], K·t)."""
        return contiguous(V).reshape(self.width, self.K * V.shape[1])

    def split(self, F: FloatArray) -> FloatArray:
        """Predictions (b, K·t) as (b, K, t)."""
        return F.reshape(len(F), self.K, F.shape[1] // self.K)

    @cached_property
    def row_curvature(self) -> MultinomialRowCurvature:
        """The Hessians of single rows' losses."""
        return MultinomialRowCurvature(self)

    @property
    def curvature_root(self) -> MultinomialRoot:
        """Z with H = ZᵀZ + penalty, K rows of Z for each training row."""
        return MultinomialRoot(self)

    def hessian(self) -> FloatArray:
        """Mean-form Hessian (penalty included, damping not), shape (p, p)."""
        problem = self.problem
        out = weighted_hessian(self, problem.w / problem.W)
        out[np.diag_indices_from(out)] += problem.penalty
        return out

    def data_hessian(self) -> FloatArray:
        """Σ_i w_i ∇²l_i, shape (p, p)."""
        return weighted_hessian(self, self.problem.w)

    def diagonal(self) -> FloatArray:
        """Diagonal of :meth:`hessian`, shape (p,), without forming it."""
        problem = self.problem

        def task(block: Block) -> FloatArray:
            P = self.P[block.rows]
            scale = (problem.w[block.rows] / problem.W)[:, None] * P * self.complements(block.rows)
            return block.X.mapped(squared).transposed(scale, self.width)

        return problem.rows.map_reduce(task, add, 1).ravel() + problem.penalty

    def complements(self, at: slice | IntArray) -> FloatArray:
        """1 − p, exact also for a class that is all but certain, shape (b, K)."""
        P, top = self.P[at], self.top[at]
        out = 1.0 - P
        every = self.xp.arange(len(P))
        others = P.copy()
        others[every, top] = 0.0
        out[every, top] = others.sum(axis=1)
        return out

    def row_dot(self, block: Block, S: FloatArray) -> FloatArray:
        """∇l_i · s for the block's rows and every column of S, shape (t, b); no penalty."""
        t, b = S.shape[1], len(block.X)
        out: FloatArray = self.xp.empty((t, b))
        D = self.D[block.rows]
        step = max(1, self.problem.backend.budget(SIDE_BYTES) // (8 * max(b, 1) * self.K))
        for first in range(0, t, step):
            F = contiguous(block.X.linear(self.table(S[:, first : first + step])))
            self.kernels.contract_block(self.split(F), D, out[first : first + step])
        return out

    def mixed_vjp(self, rows: IntArray, s: FloatArray) -> FloatArray:
        """∇x (∇l_i · s) for the chosen rows, shape (k, d): s (p − e_y) + Θ S_i (x̃ᵀs)."""
        d, sides = self.problem.rows.n_features, s.reshape(self.width, self.K)
        along = contiguous(self.problem.rows.take(rows).linear(sides))
        ones = self.xp.ones(len(rows))
        self.kernels.curve_block(self.P[rows], self.top[rows], ones, along[:, :, None])
        coef = self.theta.reshape(self.width, self.K)[:d]
        out: FloatArray = self.D[rows] @ sides[:d].T + along @ coef.T
        return out

    # -- gradients of single rows ------------------------------------------------------

    def row_gradients(self, rows: IntArray) -> FloatArray:
        """∇l_i of the chosen rows, shape (k, p); no penalty."""
        return self._outer(self.problem.rows.take(rows), self.D[rows])

    def block_gradients(self, block: Block) -> FloatArray:
        """∇l_i of a block's rows, shape (b, p); no penalty."""
        return self._outer(block.X, self.D[block.rows])

    def loss_gradients(self, test: TestRows) -> FloatArray:
        """∇l(z_test), shape (t, p); no penalty."""
        _, slopes = self._test_slopes(test, self.theta[:, None])
        return self._outer(test.X, slopes[:, :, 0])

    def prediction_gradients(self, test: TestRows, output: str) -> FloatArray:
        """Gradient of the logits or probabilities of each test row, shape (t·K, p)."""
        K = self.K
        eye = self.xp.eye(K)
        slopes = np.broadcast_to(eye, (len(test.X), K, K))
        if output == "mean":
            p = self.predictions(test, self.theta[:, None], "mean")[:, 0]
            slopes = p[:, :, None] * (eye - p[:, None, :])
        design = test.X.design(self.width)
        each: FloatArray = np.einsum("ij,iak->iajk", design, slopes)
        return each.reshape(-1, self.n_params)

    def _outer(self, X: Features, slopes: FloatArray) -> FloatArray:
        """x̃_i ⊗ slope_i as rows of (b, p)."""
        return (X.design(self.width)[:, :, None] * slopes[:, None, :]).reshape(len(X), -1)

    def _test_slopes(self, test: TestRows, Theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Losses (t, k) and slopes (t, K, k) of the test rows at every column of Theta (p, k)."""
        if test.y is None:
            raise InputError("y_test is needed to evaluate the loss of test rows")
        F = contiguous(self.raw(test.X, self.table(Theta), test.offset))
        value = self.xp.empty((len(F), Theta.shape[1]))
        curved = self.split(F)
        self.kernels.softmax_block(curved, test.y.astype(np.intp), value, curved)
        return value, curved
