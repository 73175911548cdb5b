"""The curvature of single rows, which stochastic solvers draw: ∇²l_i = d2_i x̃_i x̃_iᵀ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem
from fastinfluence.rows.base import Block
from fastinfluence.rows.csr import CSRFeatures
from fastinfluence.rows.features import squared
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from fastinfluence.engines.glm import GLMEngine

GATHER_BYTES = 1 << 20
"""Drawn rows copied at a time where the table cannot be read in place: half a cache."""


class RowTable:
    """What single rows' curvature needs of the table, whatever the model kind."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.rows = problem.rows

    @cached_property
    def lengths(self) -> FloatArray:
        """‖x̃_i‖², shape (n,)."""
        xp = self.problem.backend.xp
        ones = xp.ones(self.rows.n_features)
        out: FloatArray = xp.full(self.rows.n_rows, float(self.problem.spec.fit_intercept))

        def task(block: Block) -> int:
            out[block.rows] += block.X.mapped(squared).linear(ones)
            return block.stop

        self.rows.map_reduce(task, lambda _, stop: stop, self.problem.n_threads)
        return out

    @property
    def in_place(self) -> FloatArray | CSRFeatures | None:
        """The table itself where a kernel can read it: sparse, or dense in native row order."""
        table: FloatArray | CSRFeatures | None = getattr(self.rows, "in_place", None)
        return table

    def gathered(self, rows: IntArray) -> Iterator[tuple[slice, FloatArray, IntArray]]:
        """Parts of the drawn rows (T, b), copied: which steps, the copies, each step's places."""
        T, b = rows.shape
        at_once = max(
            1, self.problem.backend.budget(GATHER_BYTES) // (8 * b * self.rows.n_features)
        )
        for first in range(0, T, at_once):
            at = slice(first, first + at_once)
            part = rows[at]
            X = self.rows.take(part.ravel()).toarray()
            places = self.problem.backend.xp.arange(part.size, dtype=np.intp)
            yield at, X, places.reshape(part.shape)


class RowCurvature(RowTable):
    """Products with the Hessians of single rows' losses; no weight, no penalty.

    :meth:`product`, :meth:`squares` and :attr:`norms` are what stochastic solvers need of every
    model kind; :meth:`recurse` is a compiled shortcut that a model kind may lack.
    """

    bounded = True

    def __init__(self, engine: GLMEngine) -> None:
        super().__init__(engine.problem)
        self._engine = engine

    @cached_property
    def norms(self) -> FloatArray:
        """‖∇²l_i‖₂ = |d2_i|·‖x̃_i‖², shape (n,)."""
        return np.abs(self._engine.d2) * self.lengths

    def squares(self, V: FloatArray, scale: FloatArray) -> FloatArray:
        """Σ_i scale_i (∇²l_i)² V over all rows, shape (p, t)."""
        return self._engine.row_products(
            V, scale * self._engine.d2 * self._engine.d2 * self.lengths
        )

    def product(self, V: FloatArray, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} V over the named rows, shape (p, t)."""
        return self.rows.take(rows).hvp(scale * self._engine.d2[rows], V)

    def recurse(
        self,
        cur: FloatArray,
        V: FloatArray,
        rows: IntArray,
        step: FloatArray,
        shrink: FloatArray,
        limits: FloatArray,
    ) -> None:
        """Advance ``cur ← V + shrink∘cur − Σ_k step_k ∇²l_{rows_k} cur`` in place.

        One step for each row of ``rows`` and ``step`` (T, b). ``cur`` and ``V`` are (t, p), one
        right-hand side per row; one longer than its entry of ``limits`` (t,) becomes NaN.
        """
        step = step * self._engine.d2[rows]
        reach = limits * np.sqrt(self.lengths.max())
        whole, kernels = self.in_place, self.problem.backend.kernels.lissa
        if isinstance(whole, CSRFeatures):
            parts = whole.data, whole.indices, whole.indptr
            kernels.recurse_csr(*parts, rows, step, shrink, V, reach, cur, whole.n_features)
            return
        if whole is not None:
            kernels.recurse(whole, rows, step, shrink, V, reach, cur)
            return
        for at, X, places in self.gathered(rows):
            kernels.recurse(X, places, step[at], shrink, V, reach, cur)
