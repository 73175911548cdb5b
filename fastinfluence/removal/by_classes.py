"""The leave-out Hessians of a model with K predictions a row, through the full problem's factor.

Row i leaves the matrix E_i S_i E_iᵀ with E_i = x̃_i ⊗ I_K (p, K) and S_i = w_i(diag(p) − ppᵀ), so a
set of m rows is a correction of rank mK at most (Woodbury):

    M_G⁻¹ = M⁻¹ + Z (I − S C)⁻¹ S Zᵀ,    Z = M⁻¹E,  C = EᵀZ.
"""

from __future__ import annotations

import numpy as np

from fastinfluence.engines.class_grams import rows_hessian
from fastinfluence.engines.multinomial import MultinomialEngine
from fastinfluence.removal.sets import RemovalSets
from fastinfluence.removal.system import SINGULAR, ShiftedInverse
from fastinfluence.solvers.factor import Factor
from fastinfluence.types import BoolArray, FloatArray, IntArray


class ClassLeaveOutInverse:
    """M_G⁻¹ for a batch of removal sets, as :class:`fastinfluence.removal.system.Inverse`."""

    def __init__(
        self, engine: MultinomialEngine, shifted: ShiftedInverse, sets: RemovalSets
    ) -> None:
        self._engine, self._shifted = engine, shifted
        self.removed = sets.weight(engine.problem)
        self.singular: BoolArray = np.zeros(len(sets), dtype=bool)
        self._sets: list[_Correction | Factor] = []
        self._singles: _Singles | None = None
        if sets.singles:
            self._singles = _Singles(engine, shifted, sets.rows, self.removed)
            self.singular = self._singles.singular
        else:
            self._sets = [self._prepare(sets.members(j), j) for j in range(len(sets))]

    def solve(self, B: FloatArray, which: BoolArray) -> FloatArray:
        """M_G⁻¹ b for the chosen sets; B (p, number chosen)."""
        if self._singles is not None:
            return self._singles.solve(B, which)
        columns = [self._solve_set(int(j), B[:, [i]]) for i, j in enumerate(np.flatnonzero(which))]
        return np.concatenate(columns, axis=1) if columns else B

    def _prepare(self, rows: IntArray, j: int) -> _Correction | Factor:
        engine, p = self._engine, self._engine.n_params
        if len(rows) * engine.K < p:
            correction = _Correction(engine, self._shifted, rows, float(self.removed[j]))
            self.singular[j] = correction.singular
            return correction
        matrix = self._shifted.matrix(float(self.removed[j]))
        matrix -= rows_hessian(engine, rows, engine.problem.w[rows])
        factor = Factor(matrix)
        self.singular[j] = factor.rank < p - self._shifted.dropped
        return factor

    def _solve_set(self, j: int, b: FloatArray) -> FloatArray:
        small = self._sets[j]
        if isinstance(small, Factor):
            return small.solve(b)
        if self.singular[j]:
            return np.full_like(b, np.nan)
        return small.correct(self._shifted.solve(b, self.removed[[j]]))


class _Singles:
    """Single rows, all at once."""

    def __init__(
        self,
        engine: MultinomialEngine,
        shifted: ShiftedInverse,
        rows: IntArray,
        removed: FloatArray,
    ) -> None:
        self._shifted, self._removed, K = shifted, removed, engine.K
        self._design = engine.problem.rows.take(rows).design(engine.width)
        sides = _columns(self._design, K)
        self._Z = shifted.solve(sides, np.repeat(removed, K)).reshape(-1, len(rows), K)
        C = np.einsum("ij,jaib->iab", self._design, self._Z.reshape(-1, K, len(rows), K))
        self._S = class_blocks(engine, rows)
        self._core = np.eye(K) - self._S @ C
        smallest = np.linalg.svd(self._core, compute_uv=False)[:, -1]
        self.singular: BoolArray = smallest < SINGULAR
        self._core[self.singular] = np.nan

    def solve(self, B: FloatArray, which: BoolArray) -> FloatArray:
        Y = self._shifted.solve(B, self._removed[which])
        K = self._core.shape[1]
        along = np.einsum("ij,jai->ia", self._design[which], Y.reshape(-1, K, Y.shape[1]))
        pushed = self._S[which] @ along[:, :, None]
        weights = np.linalg.solve(self._core[which], pushed)[:, :, 0]
        out: FloatArray = Y + np.einsum("pik,ik->pi", self._Z[:, which], weights)
        return out


class _Correction:
    """One set of several rows, fewer than the parameters."""

    def __init__(
        self, engine: MultinomialEngine, shifted: ShiftedInverse, rows: IntArray, removed: float
    ) -> None:
        K, m = engine.K, len(rows)
        self._E = _columns(engine.problem.rows.take(rows).design(engine.width), K)
        self._Z = shifted.solve(self._E, np.full(m * K, removed))
        self._S = class_blocks(engine, rows)
        self._core = np.eye(m * K) - self._curved(self._E.T @ self._Z)
        smallest = float(np.linalg.svd(self._core, compute_uv=False).min())
        self.singular = smallest < SINGULAR

    def _curved(self, A: FloatArray) -> FloatArray:
        m, K, _ = self._S.shape
        return np.asarray((self._S @ A.reshape(m, K, -1)).reshape(A.shape))

    def correct(self, y: FloatArray) -> FloatArray:
        """From the shifted matrix's solution y (p, 1) to M_G's."""
        pushed = self._curved(self._E.T @ y)
        return np.asarray(y + self._Z @ np.linalg.solve(self._core, pushed))


def _columns(design: FloatArray, K: int) -> FloatArray:
    """x̃_i ⊗ I_K of every row of design (m, width), side by side, shape (width·K, m·K)."""
    out = np.einsum("ij,ab->jaib", design, np.eye(K))
    return np.ascontiguousarray(out).reshape(design.shape[1] * K, -1)


def class_blocks(engine: MultinomialEngine, rows: IntArray) -> FloatArray:
    """w_i (diag(p_i) − p_i p_iᵀ) of the chosen rows, shape (m, K, K)."""
    P, w = engine.P[rows], engine.problem.w[rows]
    out = -(w[:, None] * P)[:, :, None] * P[:, None, :]
    every = np.arange(engine.K)
    out[:, every, every] = w[:, None] * P * engine.complements(rows)
    return np.asarray(out)
