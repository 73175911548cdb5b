"""The curvature matrix as an operator: H of the mean form at theta, plus damping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fastinfluence.backend import numbers, on_device
from fastinfluence.engines.base import Engine
from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem
from fastinfluence.types import FloatArray, IntArray


def scales(engine: Engine) -> FloatArray:
    """Sizes of the curvature along each parameter, shape (p,), not negative.

    The diagonal's, or for a network Gauss–Newton's, which costs a pass.
    """
    cheap: Callable[[], FloatArray] | None = getattr(engine, "scales", None)
    return np.abs(engine.diagonal()) if cheap is None else cheap()


def _freeze(matrix: FloatArray) -> None:
    if isinstance(matrix, np.ndarray):  # a device knows no read-only arrays
        matrix.flags.writeable = False


@dataclass(frozen=True)
class Gauge:
    """The structural null directions of a model with one prediction per class.

    Adding one number to every class's parameter in a row of theta changes no probability: where
    such a row has no penalty, 1_K in it is no direction of the data. Solutions are then of least
    norm, and right-hand sides are projected onto the range first: a single logit is taken in the
    gauge Σ_k = 0.

    Attributes
    ----------
    rows : ndarray of int
        Rows without a penalty of the table (height, K) that theta holds from ``start`` on.
    K : int
    start : int
        Zero for a GLM, whose theta is that table; the last layer's first entry for an MLP.
    """

    rows: IntArray
    K: int
    start: int = 0

    @classmethod
    def of(cls, problem: Problem, damping: float = 0.0) -> Gauge | None:
        """The directions, or None where every direction has curvature by construction."""
        if not problem.spec.vector or damping > 0:
            return None
        K = problem.n_outputs
        start = problem.spec.gauge_start(problem.rows.n_features, K)
        rows = np.flatnonzero((problem.l2[start:].reshape(-1, K) == 0).all(axis=1))
        return cls(rows, K, start) if len(rows) else None

    def _blocks(self, V: FloatArray) -> FloatArray:
        """The table's part of V (p, t) as a view (height, K, t)."""
        part = V[self.start :]
        return part.reshape(len(part) // self.K, self.K, V.shape[1])

    def project(self, B: FloatArray) -> FloatArray:
        """B (p, t) without its part along the directions."""
        out: FloatArray = B.copy(order="K")
        blocks = self._blocks(out)
        blocks[self.rows] -= blocks[self.rows].mean(axis=1, keepdims=True)
        return out

    def sizes(self, diagonal: FloatArray) -> FloatArray:
        """A curvature for each direction: its row's mean over the K − 1 others, or 1."""
        means = diagonal[self.start :].reshape(-1, self.K)[self.rows].sum(axis=1) / (self.K - 1)
        return np.where(means > 0, means, 1.0)

    def complete(self, matrix: FloatArray, sizes: FloatArray) -> None:
        """Give a dense (p, p) matrix these curvatures along the directions, in place."""
        for j, size in zip(numbers(self.rows), sizes, strict=True):
            first = self.start + j * self.K
            matrix[first : first + self.K, first : first + self.K] += size / self.K

    def along(self, V: FloatArray, sizes: FloatArray) -> FloatArray:
        """What :meth:`complete` adds to a product with V (p, t)."""
        out = np.zeros_like(V)
        sums = self._blocks(V)[self.rows].sum(axis=1)
        self._blocks(out)[self.rows] = (sizes[:, None] / self.K * sums)[:, None, :]
        return out


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

    def matvec(self, v: FloatArray) -> FloatArray:
        """H v for v (p,)."""
        out: FloatArray = self._matvec(v) if on_device(v) else super().matvec(v)
        return out

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
            out: FloatArray = self._matmat(V) if on_device(V) else super().matmat(V)
            return out
        if weights is None:
            problem = self.engine.problem
            weights = problem.n_rows / (len(rows) * problem.W) * problem.w[rows]
        return self.engine.row_curvature.product(V, rows, weights) + self.shift[:, None] * V

    @property
    def xp(self) -> Any:
        """The module of the arrays it multiplies, ``numpy`` or ``cupy``."""
        return self.engine.problem.backend.xp

    @cached_property
    def shift(self) -> FloatArray:
        """What penalty and damping add to the diagonal, shape (p,)."""
        return self.engine.problem.penalty + self.damping

    def diagonal(self) -> FloatArray:
        """Diagonal, shape (p,); one pass over the rows."""
        return self.engine.diagonal() + self.damping

    def scales(self) -> FloatArray:
        """Sizes along each parameter for preconditioning, shape (p,), not negative."""
        return scales(self.engine) + self.damping

    def term_sizes(self) -> FloatArray | None:
        """What the diagonal's terms sum up to in size, shape (p,), or None where it is not known.

        The diagonal itself where no row bends downwards; costs a pass.
        """
        if self.engine.convex:
            return self.diagonal()
        known: Callable[[], FloatArray] | None = getattr(self.engine, "term_sizes", None)
        return None if known is None else known() + self.damping

    def dense(self) -> FloatArray:
        """The matrix itself, shape (p, p), computed once and kept; read-only."""
        if self._dense is None:
            out = self.engine.hessian()
            out[np.diag_indices_from(out)] += self.damping
            _freeze(out)
            self._dense = out
        return self._dense

    def remember(self, matrix: FloatArray) -> None:
        """Take a matrix for what :meth:`dense` would compute."""
        matrix.flags.writeable = False
        self._dense = matrix

    def floor(self) -> float:
        """A lower bound of the smallest eigenvalue, or 0 where none is known.

        Where no row bends downwards, the penalty and the damping bound it.
        """
        if not self.engine.convex:
            return 0.0
        return float(self.engine.problem.penalty.min()) + self.damping


class Completed(Curvature):
    """A singular curvature with something positive along its structural null directions.

    For sides without a part along them its solutions are those of least norm of the original;
    its smallest eigenvalue is the smallest one of the original that is not structurally zero.
    """

    def __init__(self, operator: Curvature, gauge: Gauge) -> None:
        super().__init__(operator.engine, operator.damping)
        self._original, self._gauge = operator, gauge
        self._plain = operator.scales()
        self._sizes = gauge.sizes(self._plain)

    def _matmat(self, V: FloatArray) -> FloatArray:
        return super()._matmat(V) + self._gauge.along(V, self._sizes)

    def diagonal(self) -> FloatArray:
        """Diagonal, shape (p,)."""
        return self._with_sizes(super().diagonal())

    def scales(self) -> FloatArray:
        """Sizes along each parameter, shape (p,)."""
        return self._with_sizes(self._plain)

    def _with_sizes(self, plain: FloatArray) -> FloatArray:
        out, gauge = plain.copy(), self._gauge
        out[gauge.start :].reshape(-1, gauge.K)[gauge.rows] += self._sizes[:, None] / gauge.K
        return out

    def dense(self) -> FloatArray:
        """The matrix itself, shape (p, p); read-only."""
        if self._dense is None:
            known = self._original._dense
            out = self.engine.hessian() if known is None else known.copy()
            self._gauge.complete(out, self._sizes)
            _freeze(out)
            self._dense = out
        return self._dense
