"""The leave-out Hessians, inverted through the full problem's factor.

With A = Σ_j w_j l″_j x_j x_jᵀ and L = diag(l2), the Hessian of what remains without a set G,
times its total weight, is

    M_G = A − Σ_{i∈G} w_i l″_i x_i x_iᵀ + (W − W_G)·L    (mean form; plain L in sum form).

In mean form the penalty shifts with W_G. One shift means one Cholesky factor; many distinct
ones share one eigendecomposition: with CCᵀ = A + W·L and C⁻¹LC⁻ᵀ = UDUᵀ the shifted matrix is
CU(I − W_G·D)UᵀCᵀ. The removed rows are then a correction of rank |G| (Sherman–Morrison,
Woodbury).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.linalg import eigh, solve_triangular

from fastinfluence.curvature import Gauge
from fastinfluence.engines.base import Engine
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.errors import UnsupportedError
from fastinfluence.removal.sets import RemovalSets
from fastinfluence.rows.columns import few_distinct
from fastinfluence.solvers.choose import MAX_DIRECT_BYTES
from fastinfluence.solvers.factor import Factor
from fastinfluence.types import BoolArray, FloatArray

FEW_SHIFTS = 4
"""Up to this many distinct shifts get a Cholesky factor each."""
SINGULAR = 1e-9
"""A pivot 1 − h below this leaves too few digits: the removal makes the Hessian singular."""


def too_large(p: int) -> bool:
    """Whether a p×p matrix is too large to be formed without being asked for."""
    return 8 * p * p > MAX_DIRECT_BYTES


def refuse_too_large(p: int) -> None:
    """UnsupportedError where an answer rests on a p×p matrix that is too large."""
    if too_large(p):
        raise UnsupportedError(
            f"this needs a matrix of {p}×{p} parameters, {8 * p * p / 2**30:.0f} GiB: ask about "
            "single rows (leave_one_out(rows), on_params), which needs products with it only"
        )


class ShiftedInverse:
    """Solves with A + (W − w)·L (or A + L in sum form) for any removed weight w."""

    def __init__(self, engine: Engine, removed: FloatArray) -> None:
        problem = engine.problem
        refuse_too_large(engine.n_params)
        with np.errstate(over="ignore", invalid="ignore"):  # the factor refuses what overflowed
            self._A = engine.data_hessian()
        gauge = Gauge.of(problem)
        if gauge is not None:  # sides have no part along it: the solutions of least norm are kept
            gauge.complete(self._A, gauge.sizes(self._A.diagonal()))
        self._l2, self._W = problem.l2, problem.W
        self.shifts = problem.mean_form and bool(self._l2.any())
        distinct = few_distinct(removed, FEW_SHIFTS) if self.shifts else np.zeros(1)
        self._T: FloatArray | None = None
        if len(distinct) > FEW_SHIFTS:
            self._spectral()
        self._factors: dict[float, Factor] = {}
        if self._T is None:
            if len(distinct) > FEW_SHIFTS:
                distinct = np.unique(removed)
            self._factors = {float(w): Factor(self.matrix(float(w))) for w in distinct}

    @property
    def dropped(self) -> int:
        """Number of directions without curvature."""
        return max((f.null_space.shape[1] for f in self._factors.values()), default=0)

    def penalty(self, w: FloatArray | float) -> FloatArray:
        """The penalty's diagonal at removed weight w, shape (p, k), or (p,) for a number."""
        left = self._W - np.asarray(w) if self.shifts else np.ones_like(w)
        return np.asarray(np.multiply.outer(self._l2, left))

    def matrix(self, w: float) -> FloatArray:
        """The shifted matrix at one removed weight, before the rows leave."""
        out = self._A.copy()
        with np.errstate(over="ignore"):
            out[np.diag_indices_from(out)] += self.penalty(w)
        return out

    def _spectral(self) -> None:
        try:
            C = np.linalg.cholesky(self.matrix(0.0))
        except np.linalg.LinAlgError:
            return
        root = solve_triangular(C, np.diag(np.sqrt(self._l2)), lower=True)
        self._D, U = eigh(root @ root.T)
        self._T = solve_triangular(C, U, lower=True, trans="T")

    def solve(self, B: FloatArray, w: FloatArray) -> FloatArray:
        """Column j of B (p, k) through the matrix at removed weight w[j]."""
        if self._T is not None:
            inner: FloatArray = (self._T.T @ B) / (1.0 - np.multiply.outer(self._D, w))
            return self._T @ inner
        if len(self._factors) == 1:
            return next(iter(self._factors.values())).solve(B)
        out = np.empty_like(B)
        for value, factor in self._factors.items():
            at = w == value
            if at.any():
                out[:, at] = factor.solve(B[:, at])
        return out


class Inverse(Protocol):
    """M_G⁻¹ for a batch of removal sets."""

    removed: FloatArray
    """W_G, shape (k,)."""
    singular: BoolArray
    """Which sets leave no unique optimum, shape (k,)."""

    def solve(self, B: FloatArray, which: BoolArray) -> FloatArray:
        """M_G⁻¹ b for the chosen sets; B (p, number chosen)."""


class LeaveOutInverse:
    """M_G⁻¹ for a batch of removal sets."""

    def __init__(self, engine: GLMEngine, shifted: ShiftedInverse, sets: RemovalSets) -> None:
        self._shifted = shifted
        self.removed = sets.weight(engine.problem)
        self._p = engine.n_params
        self.X = engine.problem.rows.take(sets.rows)
        self._c = engine.problem.w[sets.rows] * engine.d2[sets.rows]
        self._sets = sets
        self.singular: BoolArray = np.zeros(len(sets), dtype=bool)
        if sets.singles:
            self.design = self.X.design(self._p)
            self._Z = shifted.solve(np.ascontiguousarray(self.design.T), self.removed)
            self.spread = np.einsum("ij,ji->i", self.design, self._Z)  # xᵀ M⁻¹ x
            self._pivot = 1.0 - self._c * self.spread
            self.singular = np.abs(self._pivot) < SINGULAR
        else:
            self._small = [self._prepare(j) for j in range(len(sets))]

    def steps(self, slopes: FloatArray, common: FloatArray) -> FloatArray:
        """M_G⁻¹ Σ_{i∈G} w_i (l′_i x_i + common) for every set, shape (p, k).

        ``slopes`` holds w_i l′_i. For single rows M⁻¹x_i is known already.
        """
        every = np.ones(len(self._sets), dtype=bool)
        if not self._sets.singles:
            sets = self._sets
            weighted = self.X.grouped(slopes, sets.owner, len(sets), self._p)
            weighted += self.removed[:, None] * common
            return self.solve(np.ascontiguousarray(weighted.T), every)
        Y = slopes * self._Z
        if common.any():
            sides = np.multiply.outer(common, self.removed)
            Y += self._shifted.solve(sides, self.removed)
        return self._corrected(Y, every)

    def solve(self, B: FloatArray, which: BoolArray) -> FloatArray:
        """M_G⁻¹ b for the chosen sets; B (p, number chosen)."""
        if not self._sets.singles:
            chosen = np.flatnonzero(which)
            columns = [self._solve_set(int(j), B[:, [i]]) for i, j in enumerate(chosen)]
            return np.concatenate(columns, axis=1) if columns else B
        return self._corrected(self._shifted.solve(B, self.removed[which]), which)

    def _corrected(self, Y: FloatArray, which: BoolArray) -> FloatArray:
        """Sherman–Morrison: from the shifted matrix's solution Y to M_G's, single rows."""
        along = np.einsum("ij,ji->i", self.design[which], Y)
        with np.errstate(divide="ignore", invalid="ignore"):
            out: FloatArray = Y + self._Z[:, which] * (self._c[which] * along / self._pivot[which])
        return out

    def _prepare(self, j: int) -> Factor | tuple[FloatArray, FloatArray, FloatArray]:
        at = slice(self._sets.starts[j], self._sets.starts[j + 1])
        c, w = self._c[at], self.removed[j]
        if len(c) >= self._p:
            matrix = self._shifted.matrix(float(w))
            self.X[at].add_gram(-c, matrix)
            factor = Factor(matrix)
            self.singular[j] = factor.rank < self._p - self._shifted.dropped
            return factor
        X = self.X[at].design(self._p)
        Z = self._shifted.solve(np.ascontiguousarray(X.T), np.full(len(X), w))
        core = np.eye(len(X)) - c[:, None] * (X @ Z)
        self.singular[j] = float(np.linalg.svd(core, compute_uv=False).min()) < SINGULAR
        return X, Z, core

    def _solve_set(self, j: int, b: FloatArray) -> FloatArray:
        small = self._small[j]
        if isinstance(small, Factor):
            return small.solve(b)
        if self.singular[j]:
            return np.full_like(b, np.nan)
        X, Z, core = small
        at = slice(self._sets.starts[j], self._sets.starts[j + 1])
        y = self._shifted.solve(b, self.removed[[j]])
        return y + Z @ np.linalg.solve(core, self._c[at, None] * (X @ y))
