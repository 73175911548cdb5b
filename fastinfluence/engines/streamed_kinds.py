"""The kinds of engine on streamed tables: what each needs beyond the sums over blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastinfluence.engines.glm import GLMEngine
from fastinfluence.engines.heads import head_of
from fastinfluence.engines.mlp import MLPEngine
from fastinfluence.engines.multinomial import MultinomialEngine
from fastinfluence.engines.streamed import Streamed
from fastinfluence.spec.mlp import MLP
from fastinfluence.types import FloatArray, IntArray


class StreamedGLM(Streamed, GLMEngine):
    """A GLM on a streamed table."""

    kind = GLMEngine

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

    kind = MultinomialEngine

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

    kind = MLPEngine

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
