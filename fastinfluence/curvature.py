"""The curvature matrix as an operator: H of the mean form at theta, plus damping."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fastinfluence.engines.base import Engine
from fastinfluence.types import FloatArray, IntArray


class Curvature(LinearOperator):  # type: ignore[misc]
    """H + damping·I as a SciPy ``LinearOperator`` of shape (p, p), in mean form.

    H is what the engine calls its Hessian: of the objective, of its Gauss–Newton
    approximation, or its expectation (Fisher), penalty included.
    """

    def __init__(self, engine: Engine, damping: float = 0.0) -> None:
        p = engine.n_params
        super().__init__(np.dtype(np.float64), (p, p))
        self.engine = engine
        self.damping = damping
        self._dense: FloatArray | None = None

    def _matvec(self, v: FloatArray) -> FloatArray:
        return self._matmat(v.reshape(-1, 1))[:, 0]

    def _matmat(self, V: FloatArray) -> FloatArray:
        return self.engine.hvp(V) + self.damping * V

    def _adjoint(self) -> Curvature:
        return self

    def matmat(
        self, V: FloatArray, rows: IntArray | None = None, weights: FloatArray | None = None
    ) -> FloatArray:
        """H V, or with ``rows`` a sample of it: the named rows stand for all of them.

        Parameters
        ----------
        V : ndarray, shape (p, t)
        rows : ndarray of int, shape (b,), optional
            Rows of the sample, repetitions allowed.
        weights : ndarray, shape (b,), optional
            What multiplies each row's ∇²l. Default n w_i/(b W): the sample is unbiased where
            rows are drawn uniformly. Penalty and damping are always added whole.
        """
        if rows is None:
            out: FloatArray = super().matmat(V)
            return out
        if weights is None:
            problem = self.engine.problem
            weights = problem.n_rows / (len(rows) * problem.W) * problem.w[rows]
        return self.engine.row_curvature.product(V, rows, weights) + self.shift[:, None] * V

    @cached_property
    def shift(self) -> FloatArray:
        """What penalty and damping add to the diagonal, shape (p,)."""
        return self.engine.problem.penalty + self.damping

    def diagonal(self) -> FloatArray:
        """Diagonal, shape (p,); one pass over the rows."""
        return self.engine.diagonal() + self.damping

    def dense(self) -> FloatArray:
        """The matrix itself, shape (p, p), computed once and kept; read-only."""
        if self._dense is None:
            out = self.engine.hessian()
            out[np.diag_indices_from(out)] += self.damping
            out.flags.writeable = False
            self._dense = out
        return self._dense

    def floor(self) -> float:
        """A lower bound of the smallest eigenvalue, or 0 where none is known.

        Where no row bends downwards, the penalty and the damping bound it.
        """
        if not self.engine.convex:
            return 0.0
        return float(self.engine.problem.penalty.min()) + self.damping
