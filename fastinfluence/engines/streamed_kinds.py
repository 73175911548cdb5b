"""The kinds of engine on streamed tables: what each needs beyond the sums over blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastinfluence.engines.glm import GLMEngine
from fastinfluence.engines.heads import head_of
from fastinfluence.engines.mlp import MLPEngine
from fastinfluence.engines.multinomial import MultinomialEngine
from fastinfluence.engines.streamed import Local, Streamed, Totals
from fastinfluence.kernels.cpu import pointwise
from fastinfluence.lazy import cached_property
from fastinfluence.rows.base import Block
from fastinfluence.rows.columns import at_block
from fastinfluence.spec.line import REAL_LINE
from fastinfluence.spec.mlp import MLP
from fastinfluence.types import BoolArray, FloatArray, IntArray


class BlockGLM(GLMEngine):
    """A block's rows of a GLM, each derivative made when it is asked for."""

    def _linearize(self, outputs: tuple[str, str, str]) -> None:
        problem = self.problem
        self._second = outputs[2]
        f: FloatArray = problem.rows.take(slice(None)).linear(self.theta)
        if problem.offset is not None:
            f += problem.offset
        self.f = f

    @cached_property
    def d1(self) -> FloatArray:
        """First derivative of the loss, shape (b,)."""
        return self._derivatives("d1")[0]

    @cached_property
    def d2(self) -> FloatArray:
        """Curvature weight, shape (b,)."""
        return self._derivatives(self._second)[0]

    def totals(self) -> Totals:
        """What the block adds to the objective and its gradient; the loss's domain is checked."""
        value, self.d1, self.d2 = self._derivatives("value", "d1", self._second)
        problem = self.problem
        slope = problem.w * self.d1
        slope /= problem.W
        total = float(problem.w @ value)
        gradient = problem.rows.take(slice(None)).transposed(slope, self.n_params)
        finite = self.convex and np.isfinite(total + float(gradient.sum()))
        if not finite or problem.spec.loss.f_domain != REAL_LINE:
            self._check_domain()
        total /= problem.W if problem.mean_form else 1.0
        return Totals(total, gradient, self.convex)

    def _derivatives(self, *outputs: str) -> tuple[FloatArray, ...]:
        problem = self.problem
        made = tuple(np.empty_like(self.f) for _ in outputs)
        kernel = pointwise.kernel(self._program, outputs)
        kernel(self.f[:, None], problem.y, self._params, *(out[:, None] for out in made))
        if not problem.w.all():  # rows of weight zero may lie outside the loss's domain
            for out in made:
                out[self._wild] = 0.0
        return made

    @cached_property
    def _wild(self) -> BoolArray:
        """Which rows of weight zero lie outside the loss's domain: there they count as flat."""
        found = self.row_pointwise(np.arange(len(self.f)), "value", "d1", self._second)
        finite: BoolArray = np.all([np.isfinite(out) for out in found], axis=0)
        return np.asarray((self.problem.w == 0) & ~finite)


def _glm_totals(local: Local, block: Block) -> Totals:
    out: Totals = local.engine(block).totals()
    return out


class StreamedGLM(Streamed, GLMEngine):
    """A GLM on a streamed table."""

    kind, whole = BlockGLM, GLMEngine
    totals = staticmethod(_glm_totals)

    def label_dot(self, rows: IntArray, S: FloatArray) -> FloatArray:
        """∂y (∇l_i · s) for the chosen rows and every column of S, shape (t, k)."""
        out: FloatArray = self.chosen(rows).label_dot(np.arange(len(rows)), S)
        return out

    def row_pointwise(self, rows: IntArray, *outputs: str) -> tuple[FloatArray, ...]:
        """Pointwise outputs at the chosen rows, each (k,)."""
        out: tuple[FloatArray, ...] = self.chosen(rows).row_pointwise(
            np.arange(len(rows)), *outputs
        )
        return out

    def term_sizes(self) -> FloatArray:
        """Σ_i |w_i l″_i| x_ij² / W and the penalty, shape (p,): what the diagonal sums up."""
        return self.sum(lambda engine, _: engine.term_sizes()) + self.problem.penalty

    def weighted_gram(self, scale: Any) -> FloatArray:
        """Σ_i scale_i x_i x_iᵀ with the intercept's column of ones, shape (p, p)."""
        return self.sum(lambda engine, block: engine.weighted_gram(at_block(scale, block)))

    def _set_up(self) -> None:
        self.f, self.d1, self.d2 = (self.per_row(name) for name in ("f", "d1", "d2"))

    @property
    def row_sizes(self) -> Any:
        """|l′|·√|l″|, shape (n,)."""
        return self.per_row("row_sizes")

    @property
    def convex(self) -> bool:
        """Whether no row's term bends downwards at theta."""
        return self.upward


class StreamedMultinomial(Streamed, MultinomialEngine):
    """A multinomial model on a streamed table."""

    kind = whole = MultinomialEngine

    def _set_up(self) -> None:
        self.K = self.problem.n_outputs
        self.width = self.problem.n_params // self.K
        for name in ("f", "P", "D"):
            setattr(self, name, self.per_row(name, (self.K,)))
        self.y, self.top = self.per_row("y"), self.per_row("top")

    @property
    def row_sizes(self) -> Any:
        """‖l′‖·√l″, shape (n,)."""
        return self.per_row("row_sizes")


class StreamedMLP(Streamed, MLPEngine):
    """A multilayer perceptron on a streamed table."""

    kind = whole = MLPEngine

    def _set_up(self) -> None:
        spec = self.problem.spec
        assert isinstance(spec, MLP)
        self.spec, self.K = spec, self.problem.n_outputs
        self.head = head_of(self.problem, self.curvature)
        self.network = self.network_at(self.theta)
        self.f = self.per_row("f", () if self.K == 1 else (self.K,))
        self.row_sizes = self.per_row("row_sizes")

    @property
    def convex(self) -> bool:
        """Whether no row's term bends downwards at theta."""
        return self.upward

    def scales(self) -> FloatArray:
        """Gauss–Newton's diagonal, positive and cheap: sizes of the parameters, shape (p,)."""
        return self.sum(lambda engine, _: engine.scales()) + self.problem.penalty

    def sampled_product(self, V: FloatArray, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} V over the named rows, shape (p, t)."""
        out: FloatArray = self.row_curvature.product(V, rows, scale)
        return out

    def sampled_matrix(self, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} itself, shape (p, p)."""
        out: FloatArray = self.row_curvature.matrix(rows, scale)
        return out
