"""The square root of a GLM's curvature: H = Zᵀ Z + penalty, one row of Z per training row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastinfluence.backend import contiguous
from fastinfluence.rows.base import Block
from fastinfluence.types import FloatArray

if TYPE_CHECKING:
    from fastinfluence.engines.glm import GLMEngine

GRAM_ROWS = 512
"""Most rows taken at a time on one side of Z D Zᵀ."""
GRAM_BYTES = 1 << 25
"""Bytes that these rows, written out, may take."""


class CurvatureRoot:
    """Z = √(w d2 / W) ∘ X̃, shape (n, p), never stored; only for convex engines."""

    def __init__(self, engine: GLMEngine) -> None:
        problem = engine.problem
        self._engine, self._rows = engine, problem.rows
        self.n_rows = problem.n_rows
        self._backend = problem.backend
        self._root = np.sqrt(problem.w * engine.d2 / problem.W)

    def apply(self, V: FloatArray) -> FloatArray:
        """Z V, shape (n, t)."""
        out: FloatArray = self._backend.xp.empty((self._rows.n_rows, V.shape[1]))

        def task(block: Block) -> int:
            out[block.rows] = block.X.linear(V)
            return block.stop

        self._rows.map_reduce(task, lambda _, stop: stop, 1)
        out *= self._root[:, None]
        return out

    def adjoint(self, U: FloatArray) -> FloatArray:
        """Zᵀ U, shape (p, t)."""
        scaled = self._root[:, None] * U

        def task(block: Block) -> FloatArray:
            return block.X.transposed(scaled[block.rows], self._engine.n_params)

        return self._rows.map_reduce(task, lambda a, b: a + b, 1)

    def gram(self, diagonal: FloatArray) -> FloatArray:
        """Z diag(diagonal) Zᵀ, shape (n, n), without a copy of X."""
        n = self._rows.n_rows
        out: FloatArray = self._backend.xp.empty((n, n))
        step = max(1, min(GRAM_ROWS, GRAM_BYTES // (8 * self._engine.n_params)))
        for first in range(0, n, step):
            last = min(first + step, n)
            chosen = self._engine.design(self._rows.take(slice(first, last)))
            columns = contiguous((self._root[first:last, None] * chosen * diagonal).T)
            self._fill(out, first, last, columns)
            out[first:last, last:] = out[last:, first:last].T
        return out

    def _fill(self, out: FloatArray, first: int, last: int, columns: FloatArray) -> None:
        """Columns ``first`` to ``last`` of the Gram matrix, from row ``first`` on."""

        def task(block: Block) -> int:
            if block.stop > first:
                at = block.rows
                products = block.X.linear(columns)
                out[at, first:last] = self._root[at, None] * products
            return block.stop

        self._rows.map_reduce(task, lambda _, stop: stop, 1)
