"""The curvature of single rows of a streamed table, for solvers that draw rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.rows.base import Block
from fastinfluence.rows.columns import PerRow, at_block
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from fastinfluence.engines.streamed import Local, Streamed


class StreamedRowCurvature:
    """Products with the Hessians of single rows' losses; no weight, no penalty."""

    def __init__(self, engine: Streamed) -> None:
        self._engine = engine
        example = engine.chosen(np.zeros(1, dtype=np.intp)).row_curvature
        self.bounded: bool = example.bounded
        if hasattr(example, "recurse"):
            self.recurse = self._recurse

    @property
    def norms(self) -> Any:
        """‖∇²l_i‖₂ or upper bounds of it, shape (n,)."""
        return PerRow(self._engine.stream, partial(_norms, self._engine.local), "norms")

    def squares(self, V: FloatArray, scale: Any) -> FloatArray:
        """Σ_i scale_i (∇²l_i)² V over all rows, shape (p, t)."""
        return self._engine.sum(
            lambda engine, block: engine.row_curvature.squares(V, at_block(scale, block))
        )

    def product(self, V: FloatArray, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} V over the named rows, shape (p, t)."""
        every = np.arange(len(rows))
        out: FloatArray = self._engine.chosen(rows).row_curvature.product(V, every, scale)
        return out

    def matrix(self, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} over the named rows, shape (p, p)."""
        every = np.arange(len(rows))
        out: FloatArray = self._engine.chosen(rows).row_curvature.matrix(every, scale)
        return out

    def _recurse(
        self,
        cur: FloatArray,
        V: FloatArray,
        rows: IntArray,
        step: FloatArray,
        shrink: FloatArray,
        limits: FloatArray,
    ) -> None:
        """One stretch of LiSSA's recursion on drawn rows (T, b), which are read once."""
        distinct, places = np.unique(rows, return_inverse=True)
        engine = self._engine.chosen(distinct)
        at = places.reshape(rows.shape).astype(np.intp)
        engine.row_curvature.recurse(cur, V, at, step, shrink, limits)


def _norms(local: Local, block: Block) -> FloatArray:
    out: FloatArray = local.engine(block).row_curvature.norms
    return out
