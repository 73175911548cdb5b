"""Any model, through the caller's gradients and Hessian-vector products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastinfluence.engines.oracle_calls import Calls
from fastinfluence.engines.oracle_thetas import OracleThetas, indexed
from fastinfluence.engines.row_products import RowProducts
from fastinfluence.errors import UnsupportedError
from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem
from fastinfluence.rows.base import Block
from fastinfluence.rows.indexed import Indexed
from fastinfluence.spec.oracle import Oracle
from fastinfluence.types import FloatArray, IntArray

PRODUCTS = {"hessian": "hvp", "gauss-newton": "gauss_newton"}
"""Which callable multiplies with which curvature."""
AT_ONCE = 16
"""Columns of the Hessian made together."""
PROBES = 8
"""Random products that estimate the mean curvature."""


class OracleEngine(OracleThetas):
    """An oracle linearised at ``theta``; what is kept has n and p numbers.

    Attributes
    ----------
    objective, gradient, gradient_scale, fold, row_sizes : as every engine's
        ``objective`` is NaN without the callable ``loss``.
    """

    passes = 10.0
    convex = False
    curvature_root = None

    def __init__(self, problem: Problem, theta: FloatArray, curvature: str = "hessian") -> None:
        assert isinstance(problem.spec, Oracle)
        if curvature not in PRODUCTS:
            raise UnsupportedError(
                f"curvature={curvature!r} needs a likelihood, which an oracle does not tell: use "
                '"hessian", or "gauss-newton" with the callable gauss_newton'
            )
        self.problem: Problem = problem
        self.theta: FloatArray = theta
        self.curvature = curvature
        self.calls = Calls(problem.spec)
        self.fold: FloatArray = problem.pull(theta) if problem.mean_form else np.zeros_like(theta)
        self._linearize()

    @property
    def row_curvature(self) -> RowProducts:
        """The Hessians of single rows' losses."""
        return RowProducts("an oracle", self.sampled_product, self.sampled_matrix)

    def at(self, theta: FloatArray) -> OracleEngine:
        """The same model and data linearised at another theta."""
        return OracleEngine(self.problem, theta, self.curvature)

    def _linearize(self) -> None:
        problem, p = self.problem, self.n_params
        self.row_sizes = np.empty(problem.n_rows)
        sums, sizes = np.zeros(p), np.zeros(p)

        def add(at: slice, rows: Indexed) -> None:
            w, each = problem.w[at], self.calls.gradient(self.theta, rows)
            self.row_sizes[at] = np.linalg.norm(each, axis=1)
            sums[:] += w @ each
            sizes[:] += w @ np.abs(each)

        self.each(add, p)
        pull = problem.pull(self.theta) / (1.0 if problem.mean_form else problem.W)
        self.objective = self._objective()
        self.gradient: FloatArray = sums / problem.W + pull
        self.gradient_scale: FloatArray = sizes / problem.W + np.abs(pull)

    def _objective(self) -> float:
        problem, total = self.problem, 0.0
        if not self.calls.knows("loss"):
            return float("nan")

        def add(at: slice, rows: Indexed) -> None:
            nonlocal total
            total += float(problem.w[at] @ self.calls.loss(self.theta, rows))

        self.each(add)
        return total / (problem.W if problem.mean_form else 1.0) + problem.price(self.theta)

    @cached_property
    def f(self) -> FloatArray:
        """Raw predictions of the training rows, shape (n,) or (n, K)."""
        out = np.empty((self.problem.n_rows, self.problem.n_outputs))

        def fill(at: slice, rows: Indexed) -> None:
            out[at] = self.calls.predictions("prediction", self.theta, rows)

        self.each(fill)
        return out[:, 0] if out.shape[1] == 1 else out

    # -- primitives --------------------------------------------------------------------

    def hvp(self, V: FloatArray) -> FloatArray:
        """Mean-form curvature (penalty included, damping not) times V, shape (p, t)."""
        problem = self.problem
        return self.row_products(V, problem.w / problem.W) + problem.penalty[:, None] * V

    def row_products(self, V: FloatArray, scale: FloatArray) -> FloatArray:
        """Σ_i scale_i ∇²l_i V over all rows, shape (p, t)."""
        out = np.zeros((self.n_params, V.shape[1]))

        def add(at: slice, rows: Indexed) -> None:
            out[:] += self.product(rows, scale[at], V)

        self.each(add)
        return out

    def product(self, rows: Indexed, scale: FloatArray, V: FloatArray) -> FloatArray:
        """Σ_i scale_i ∇²l_i V over some rows, shape (p, t)."""
        return self.calls.curvature(PRODUCTS[self.curvature], self.theta, rows, scale, V)

    def sampled_product(self, V: FloatArray, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} V over the named rows, shape (p, t)."""
        return self.product(self.taken(rows), scale, V)

    def sampled_matrix(self, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} itself, shape (p, p)."""
        out = self.sampled_product(np.eye(self.n_params), rows, scale)
        return 0.5 * (out + out.T)

    def row_dot(self, block: Block, S: FloatArray) -> FloatArray:
        """∇l_i · s for the block's rows and every column of S, shape (t, b); no penalty."""
        numbers = S.shape[1] if self.calls.knows("row_dot") else self.n_params
        out = np.empty((S.shape[1], len(block.X)))
        for part in block.parts(numbers):
            at = slice(part.start - block.start, part.stop - block.start)
            out[:, at] = self.calls.row_dot(self.theta, indexed(part), S).T
        return out

    def mixed_vjp(self, rows: IntArray, s: FloatArray) -> FloatArray:
        """∇x (∇l_i · s) for the chosen rows, shape (k, d): each row's inputs raveled."""
        out = self.calls.mixed_vjp(self.theta, self.taken(rows), s)
        return out.reshape(len(rows), -1)

    # -- the curvature itself ----------------------------------------------------------

    def diagonal(self) -> FloatArray:
        """Diagonal of :meth:`hessian`, shape (p,): p products, nothing cheaper is known."""
        scale = self.problem.w / self.problem.W
        parts = [np.diagonal(part, -first) for first, part in self._columns(scale)]
        return np.concatenate(parts) + self.problem.penalty

    def scales(self) -> FloatArray:
        """One size for all parameters, shape (p,): the mean curvature, from a few products.

        An oracle tells no cheap diagonal, so conjugate gradients run unpreconditioned.
        """
        signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(self.n_params, PROBES))
        mean = abs(float((signs * self.hvp(signs)).mean()))
        return np.full(self.n_params, mean if mean > 0 else 1.0)

    def hessian(self) -> FloatArray:
        """Mean-form curvature (penalty included, damping not), shape (p, p)."""
        out = self._dense(self.problem.w / self.problem.W)
        out[np.diag_indices_from(out)] += self.problem.penalty
        return out

    def data_hessian(self) -> FloatArray:
        """Σ_i w_i ∇²l_i, shape (p, p)."""
        return self._dense(self.problem.w)

    def _dense(self, scale: FloatArray) -> FloatArray:
        out = np.empty((self.n_params, self.n_params))
        for first, part in self._columns(scale):
            out[:, first : first + part.shape[1]] = part
        return 0.5 * (out + out.T)

    def _columns(self, scale: FloatArray) -> Iterator[tuple[int, FloatArray]]:
        """First column and values of each group of columns of Σ_i scale_i ∇²l_i."""
        p = self.n_params
        for first in range(0, p, AT_ONCE):
            yield first, self.row_products(np.eye(p, min(AT_ONCE, p - first), -first), scale)
