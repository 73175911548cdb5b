"""The square root of a multinomial model's curvature: K rows of Z for each training row.

diag(p) − ppᵀ = BBᵀ with B = diag(q)(I − qqᵀ), q = √p a unit vector, so H = ZᵀZ + penalty for
Z_i = √(w_i/W) Bᵀ (x̃_iᵀ ⊗ I).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastinfluence.rows.base import Block
from fastinfluence.types import FloatArray

if TYPE_CHECKING:
    from fastinfluence.engines.multinomial import MultinomialEngine

GRAM_BYTES = 1 << 25
"""Bytes of the columns of Zᵀ that are written out at a time."""


class MultinomialRoot:
    """Z, shape (n·K, p), never stored."""

    def __init__(self, engine: MultinomialEngine) -> None:
        problem = engine.problem
        self._engine, self._rows = engine, problem.rows
        self._root = np.sqrt(problem.w / problem.W)
        self.n_rows = problem.n_rows * engine.K

    def apply(self, V: FloatArray) -> FloatArray:
        """Z V, shape (n·K, t)."""
        engine, t = self._engine, V.shape[1]
        out: FloatArray = engine.xp.empty((engine.problem.n_rows, engine.K, t))
        table = engine.table(V)

        def task(block: Block) -> int:
            q = np.sqrt(engine.P[block.rows])[:, :, None]
            F = q * block.X.linear(table).reshape(len(q), engine.K, t)
            F -= q * (q * F).sum(axis=1, keepdims=True)
            out[block.rows] = self._root[block.rows, None, None] * F
            return block.stop

        self._rows.map_reduce(task, lambda _, stop: stop, 1)
        return out.reshape(self.n_rows, t)

    def adjoint(self, U: FloatArray) -> FloatArray:
        """Zᵀ U, shape (p, t)."""
        engine, t = self._engine, U.shape[1]
        sides = U.reshape(engine.problem.n_rows, engine.K, t)

        def task(block: Block) -> FloatArray:
            q = np.sqrt(engine.P[block.rows])[:, :, None]
            F = self._root[block.rows, None, None] * sides[block.rows]
            F -= q * (q * F).sum(axis=1, keepdims=True)
            return block.X.transposed((q * F).reshape(len(q), engine.K * t), engine.width)

        total: FloatArray = self._rows.map_reduce(task, lambda a, b: a + b, 1)
        return total.reshape(engine.n_params, t)

    def gram(self, diagonal: FloatArray) -> FloatArray:
        """Z diag(diagonal) Zᵀ, shape (n·K, n·K)."""
        n, K, p = self._engine.problem.n_rows, self._engine.K, self._engine.n_params
        out: FloatArray = self._engine.xp.empty((n * K, n * K))
        step = max(1, GRAM_BYTES // (8 * p * K))
        for first in range(0, n, step):
            last = min(first + step, n)
            columns = self._columns(slice(first, last))
            out[:, first * K : last * K] = self.apply(diagonal[:, None] * columns)
        symmetric: FloatArray = 0.5 * (out + out.T)
        return symmetric

    def _columns(self, rows: slice) -> FloatArray:
        """The named rows' part of Zᵀ, written out, shape (p, b·K)."""
        engine = self._engine
        q = np.sqrt(engine.P[rows])
        B = q[:, :, None] * (engine.xp.eye(engine.K) - q[:, :, None] * q[:, None, :])
        design = self._root[rows, None] * self._rows.take(rows).design(engine.width)
        columns: FloatArray = np.einsum("ij,ikl->jkil", design, B)
        return columns.reshape(engine.n_params, -1)
