"""The curvature of single rows of a multinomial model: ∇²l_i = x̃_i x̃_iᵀ ⊗ (diag(p) − ppᵀ)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastinfluence.backend import contiguous
from fastinfluence.engines.row_curvature import RowTable
from fastinfluence.lazy import cached_property
from fastinfluence.rows.csr import CSRFeatures
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from fastinfluence.engines.multinomial import MultinomialEngine


class MultinomialRowCurvature(RowTable):
    """Products with the Hessians of single rows' losses; no weight, no penalty."""

    bounded = True

    def __init__(self, engine: MultinomialEngine) -> None:
        super().__init__(engine.problem)
        self._engine = engine

    @cached_property
    def norms(self) -> FloatArray:
        """Upper bounds of ‖∇²l_i‖₂, shape (n,): Gershgorin's 2 max p(1 − p), times ‖x̃_i‖²."""
        engine = self._engine
        bend = (engine.P * engine.complements(slice(None))).max(axis=1)
        out: FloatArray = 2.0 * bend * self.lengths
        return out

    def squares(self, V: FloatArray, scale: FloatArray) -> FloatArray:
        """Σ_i scale_i (∇²l_i)² V over all rows, shape (p, t)."""
        return self._engine.row_products(V, scale * self.lengths, power=2)

    def product(self, V: FloatArray, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} V over the named rows, shape (p, t)."""
        return self._engine.sampled_product(V, rows, scale)

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

        As :meth:`fastinfluence.engines.row_curvature.RowCurvature.recurse`. The loop runs over
        one class after another, so the vectors are transposed once for each call.
        """
        work, sides = self._by_class(cur), self._by_class(V)
        shrunk = contiguous(shrink.reshape(-1, self._engine.K).T)
        self._run(work, sides, rows, step, shrunk, limits * np.sqrt(self.lengths.max()))
        cur[:] = work.swapaxes(-1, -2).reshape(cur.shape)

    def _run(
        self,
        cur: FloatArray,
        V: FloatArray,
        rows: IntArray,
        step: FloatArray,
        shrink: FloatArray,
        reach: FloatArray,
    ) -> None:
        P, top = self._engine.P, self._engine.top
        whole, kernels = self.in_place, self.problem.backend.kernels.multinomial_lissa
        if isinstance(whole, CSRFeatures):
            parts = whole.data, whole.indices, whole.indptr
            d = whole.n_features
            kernels.recurse_csr(*parts, rows, step, P, top, shrink, V, reach, cur, d)
            return
        if whole is not None:
            kernels.recurse(whole, rows, rows, step, P, top, shrink, V, reach, cur)
            return
        for at, X, places in self.gathered(rows):
            kernels.recurse(X, places, rows[at], step[at], P, top, shrink, V, reach, cur)

    def _by_class(self, V: FloatArray) -> FloatArray:
        """Vectors (..., p) as (..., K, d [+ 1])."""
        return contiguous(V.reshape(*V.shape[:-1], -1, self._engine.K).swapaxes(-1, -2))
