"""Multilayer perceptrons: exact curvature by Pearlmutter's R-operator, on rows of any storage.

Every primitive is a pass of blocks of rows through :class:`~fastinfluence.engines.network.Network`,
between which a :class:`~fastinfluence.engines.heads.Head` turns outputs into slopes. What is kept
has n numbers, never n·p or n·width, beside a fixed number of bytes of activations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastinfluence.backend import contiguous
from fastinfluence.engines.heads import AtOutputs, Head, flattened, head_of
from fastinfluence.engines.mlp_dense import DenseCurvature, gather
from fastinfluence.engines.mlp_diagonal import exact_diagonal, gauss_newton_diagonal
from fastinfluence.engines.mlp_products import Products, sum_products
from fastinfluence.engines.mlp_thetas import MLPThetas
from fastinfluence.engines.network import Network, Room, Trace
from fastinfluence.engines.row_products import RowProducts
from fastinfluence.errors import LossError
from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem
from fastinfluence.rows.base import Block
from fastinfluence.rows.features import Features
from fastinfluence.spec.mlp import MLP
from fastinfluence.types import BoolArray, FloatArray, IntArray

SIDES, ROWS = 16, 128
"""Most directions, and fewest rows, of one pass."""
PART_BYTES = 1 << 21
"""Bytes of one part's passes: what they write is then read from the cache."""
WRITTEN = 1 << 13
"""Most parameters of which each row's gradient is written out to be multiplied by many sides."""
KEPT_BYTES = 1 << 26
"""Activations of all rows are kept from one product to the next where they take no more."""


class MLPEngine(MLPThetas):
    """An MLP linearised at ``theta``.

    Attributes
    ----------
    f : ndarray, shape (n,), or (n, K) for K outputs
    row_sizes : ndarray, shape (n,)
        ‖∇l_i‖.
    objective, gradient, gradient_scale, fold : as every engine's
    """

    passes, matrix_passes = 2.5, 1.4  # measured; products take 1.3 for one side, 3.7 for ten

    def __init__(self, problem: Problem, theta: FloatArray, curvature: str = "hessian") -> None:
        assert isinstance(problem.spec, MLP)
        self.problem: Problem = problem
        self.spec: MLP = problem.spec
        self.theta: FloatArray = theta
        self.curvature = curvature
        self.K = problem.n_outputs
        self.head = head_of(problem, curvature)
        self.network: Network = self.network_at(theta)
        self.fold: FloatArray = problem.pull(theta) if problem.mean_form else np.zeros_like(theta)
        self._linearize()

    @property
    def second_order(self) -> bool:
        """Whether the curvature is the Hessian, with the layers' own bending."""
        return self.curvature == "hessian"

    @property
    def convex(self) -> bool:
        """Whether no row's term bends downwards: Gauss–Newton of a loss that does not."""
        return not self.second_order and self._upward

    @property
    def row_curvature(self) -> RowProducts:
        """The Hessians of single rows' losses."""
        return RowProducts("an MLP", self.sampled_product, self.sampled_matrix)

    @property
    def curvature_root(self) -> None:
        """None: no root of the curvature is kept."""

    def at(self, theta: FloatArray) -> MLPEngine:
        """The same model and data linearised at another theta."""
        return type(self)(self.problem, theta, self.curvature)

    # -- linearize ---------------------------------------------------------------------

    def _linearize(self) -> None:
        problem, n = self.problem, self.problem.n_rows
        xp = problem.backend.xp
        outputs: FloatArray = xp.empty((n, self.K))
        self.row_sizes: FloatArray = xp.empty(n)
        self._upward = True
        total: Any = 0.0
        sums, sizes = self.network.zeros(1), self.network.zeros(1)

        def task(part: Block) -> None:
            nonlocal total
            at = part.rows
            trace = self.network.forward(part.X, self._offset(at), 1)
            outputs[at] = trace.f
            end = self._at_outputs(trace.f, at)
            self._upward &= end.bend is None or not bool((end.bend < 0).any())
            deltas, _ = self.network.backward(trace, end.slope)
            self.row_sizes[at] = np.sqrt(self.network.squared_norms(trace, deltas))
            w = problem.w[at]
            total += w @ end.value
            weighted = [w[:, None, None] * delta[:, None, :] for delta in deltas]
            self.network.add_outer(sums, trace, weighted)
            absolute = Trace(part.X.mapped(np.abs), [np.abs(h) for h in trace.hidden])
            self.network.add_outer(sizes, absolute, [np.abs(delta) for delta in weighted])

        self._each(1, task)
        self.f: FloatArray = outputs[:, 0] if self.K == 1 else outputs
        pull = problem.pull(self.theta) / (1.0 if problem.mean_form else problem.W)
        self.objective = float(total) / (problem.W if problem.mean_form else 1.0)
        self.objective += problem.price(self.theta)
        self.gradient: FloatArray = self.network.join(sums)[:, 0] / problem.W + pull
        self.gradient_scale: FloatArray = self.network.join(sizes)[:, 0] / problem.W + np.abs(pull)

    def _at_outputs(
        self, f: FloatArray, rows: slice | IntArray, head: Head | None = None
    ) -> AtOutputs:
        """Loss of training rows; rows of weight zero may lie outside its domain and are flat."""
        end = (head or self.head).at(f, self.problem.y[rows])
        low, high = self.problem.spec.loss.f_domain
        finite = np.isfinite(end.value) & np.isfinite(end.slope).all(axis=1)
        finite &= ((f > low) & (f < high)).all(axis=1)
        if end.bend is not None:
            finite &= np.isfinite(end.bend)
        if finite.all():
            return end
        self._refuse(f, rows, finite)
        return flattened(end, finite)

    def _refuse(self, f: FloatArray, rows: slice | IntArray, finite: BoolArray) -> None:
        bad = np.flatnonzero(~finite & (self.problem.w[rows] > 0))
        if len(bad):
            every = self.problem.backend.xp.arange(self.problem.n_rows)
            row = self.problem.first_row + int(every[rows][bad[0]])
            low, high = self.problem.spec.loss.f_domain
            raise LossError(
                f"the loss {self.problem.spec.loss.name} has no finite derivatives at f = "
                f"{f[bad[0]]} (row {row}): f must lie in ({low:g}, {high:g}); scale X, or choose "
                "smaller weights or a link whose domain is the real line"
            )

    # -- passes over the training rows -------------------------------------------------

    def _offset(self, rows: slice | IntArray) -> FloatArray | None:
        return None if self.problem.offset is None else self.problem.offset[rows]

    def _each(self, sides: int, task: Callable[[Block], None]) -> None:
        """Every row once, in order, in parts whose passes fit the cache."""

        def run(block: Block) -> int:
            for at in block.X.pieces(self.network.width * sides, PART_BYTES, ROWS):
                task(Block(block.start + at.start, block.start + at.stop, block.X[at]))
            return block.stop

        self.problem.rows.map_reduce(run, max, 1)

    # -- primitives --------------------------------------------------------------------

    def hvp(self, V: FloatArray) -> FloatArray:
        """Mean-form curvature (penalty included, damping not) times V, shape (p, t)."""
        problem = self.problem
        return self.row_products(V, problem.w / problem.W) + problem.penalty[:, None] * V

    def row_products(self, V: FloatArray, scale: FloatArray) -> FloatArray:
        """Σ_i scale_i ∇²l_i V over all rows, shape (p, t)."""
        return sum_products(self, V, scale, SIDES)

    def sampled_product(self, V: FloatArray, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} V over the named rows, shape (p, t)."""
        total = Products(self, V)
        X = self.problem.rows.take(rows)
        for at in X.pieces(self.network.width * V.shape[1], PART_BYTES, ROWS):
            total.add(X[at], rows[at], scale[at])
        return total.result()

    def sampled_matrix(self, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} itself, shape (p, p): cheaper than its p columns."""
        gathered = DenseCurvature(self.network, self.second_order)
        gather(self, gathered, self.problem.rows.take(rows), rows, scale)
        return gathered.matrix()

    @cached_property
    def _activations(self) -> Trace | None:
        """What a forward pass of all rows leaves, or None where that is too much to keep."""
        n, order = self.problem.n_rows, 2 if self.second_order else 1
        room = self.problem.backend.budget(KEPT_BYTES)
        if 8 * n * ((order + 1) * sum(self.spec.hidden) + self.K) > room:
            return None
        nothing = self.problem.rows.take(slice(0, 0))
        whole = Trace.empty(nothing, n, self.spec.hidden, self.K, order)

        def task(part: Block) -> None:
            trace = self.network.forward(part.X, self._offset(part.rows), order)
            for kept, made in zip(whole.arrays, trace.arrays, strict=True):
                kept[part.rows] = made

        self._each(1, task)
        return whole

    def _trace(self, X: Features, rows: slice | IntArray, room: Room | None = None) -> Trace:
        """The forward pass of some training rows."""
        if self._activations is not None:
            return self._activations.of(X, rows)
        order = 2 if self.second_order else 1
        return self.network.forward(X, self._offset(rows), order, room)

    def diagonal(self) -> FloatArray:
        """Diagonal of :meth:`hessian`, shape (p,), without forming it."""
        of = exact_diagonal if self.second_order else gauss_newton_diagonal
        return of(self) + self.problem.penalty

    def scales(self) -> FloatArray:
        """Gauss–Newton's diagonal, positive and cheap: sizes of the parameters, shape (p,)."""
        return gauss_newton_diagonal(self, signed=False) + self.problem.penalty

    def row_dot(self, block: Block, S: FloatArray) -> FloatArray:
        """∇l_i · s for the block's rows and every column of S, shape (t, b); no penalty."""
        out: FloatArray = self.problem.backend.xp.empty((S.shape[1], len(block.X)))
        if S.shape[1] >= SIDES and self.n_params <= WRITTEN:
            for part in block.parts(self.n_params, at_least=ROWS):
                at = slice(part.start - block.start, part.stop - block.start)
                out[:, at] = S.T @ self.block_gradients(part).T
            return out
        for first in range(0, S.shape[1], SIDES):
            sides = self.network.split(S[:, first : first + SIDES])
            for at in block.X.pieces(self.network.width * sides[0].shape[1], at_least=ROWS):
                rows = slice(block.start + at.start, block.start + at.stop)
                trace = self.network.forward(block.X[at], self._offset(rows), 1)
                slope = self._at_outputs(trace.f, rows).slope
                along = self.network.push(trace, sides)[0][-1]
                out[first : first + SIDES, at] = np.einsum("btk,bk->tb", along, slope)
        return out

    def mixed_vjp(self, rows: IntArray, s: FloatArray) -> FloatArray:
        """∇x (∇θ l_i · s) for the chosen rows, shape (k, d): Rδ_1 W_1ᵀ + δ_1 V_1ᵀ."""
        net, X = self.network, self.problem.rows.take(rows)
        sides = net.split(contiguous(s)[:, None])
        turned = net.transposed(sides)
        out: FloatArray = self.problem.backend.xp.empty((len(rows), X.n_features))
        head = head_of(self.problem, "hessian")
        for at in X.pieces(net.width + X.n_features, at_least=ROWS):
            trace = net.forward(X[at], self._offset(rows[at]), 2)
            end = self._at_outputs(trace.f, rows[at], head)
            moved, _ = net.push(trace, sides)
            back = net.backward(trace, end.slope)
            bent = net.pull(trace, end.curve(moved[-1]), moved, back, turned)
            out[at] = bent[0][:, 0, :] @ net.weights[0].T + back[0][0] @ turned[0]
        return out

    # -- the curvature itself ----------------------------------------------------------

    def hessian(self) -> FloatArray:
        """Mean-form curvature (penalty included, damping not), shape (p, p)."""
        problem = self.problem
        out = self._weighted_hessian(problem.w / problem.W)
        out[np.diag_indices_from(out)] += problem.penalty
        return out

    def data_hessian(self) -> FloatArray:
        """Σ_i w_i ∇²l_i, shape (p, p)."""
        return self._weighted_hessian(self.problem.w)

    def _weighted_hessian(self, scale: FloatArray) -> FloatArray:
        gathered = DenseCurvature(self.network, self.second_order)

        def run(block: Block) -> int:
            gather(self, gathered, block.X, block.rows, scale[block.rows])
            return block.stop

        self.problem.rows.map_reduce(run, max, 1)
        return gathered.matrix()
