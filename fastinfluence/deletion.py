"""The model without each row in turn, by one Newton step from one factor: what diagnostics need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastinfluence.engines.glm import GLMEngine
from fastinfluence.engines.streamed import at_home
from fastinfluence.progress import Progress
from fastinfluence.removal.leave_out import drift, newton_steps
from fastinfluence.removal.sets import RemovalSets
from fastinfluence.removal.system import SINGULAR, LeaveOutInverse, ShiftedInverse
from fastinfluence.rows.base import Block
from fastinfluence.solvers.factor import Factor
from fastinfluence.streaming import reserve, stream_of
from fastinfluence.types import FloatArray, IntArray

ARRAYS = 4
"""Arrays of the size of Δ that are in use at once, and stay in cache between their uses."""
KEPT = 8
"""Arrays of an entry per row that diagnostics hold."""
KEEP_BYTES = 1 << 27
"""Largest DFBETA that the one pass over the rows keeps for later."""


@dataclass(frozen=True)
class Deleted:
    """What one pass over the rows collects, each (n,)."""

    leverage: FloatArray
    spread: FloatArray  # x_iᵀA⁻¹x_i
    cook: FloatArray  # Δ_iᵀAΔ_i
    shift: FloatArray  # x_iᵀΔ_i


class Deletion:
    """One pass over the rows of a GLM: Δ_i = θ − θ₋ᵢ of each, and what follows from it.

    Attributes
    ----------
    shifted : ShiftedInverse
        The leave-out matrices before the rows leave.
    A : ndarray, shape (p, p)
        W·H undamped.
    factor : Factor
        Of A.
    """

    def __init__(self, engine: GLMEngine, progress: Progress) -> None:
        self.engine, self._progress = engine, progress
        self.shifted = ShiftedInverse(engine, engine.problem.w)
        self.A = self.shifted.matrix(0.0)
        self.factor = Factor(self.A)

    def _each(self, work: Callable[[slice, GLMEngine, IntArray], None]) -> None:
        """``work`` on every block: its place, the engine that holds it, its rows' numbers there."""
        problem, n = self.engine.problem, self.engine.problem.n_rows

        def task(block: Block) -> int:
            for part in block.parts(ARRAYS * self.engine.n_params):
                work(part.rows, *at_home(self.engine, part))
            self._progress("diagnostics", block.stop, n)
            return block.stop

        problem.rows.map_reduce(task, max, 1)

    def _steps(self, engine: GLMEngine, rows: IntArray) -> tuple[LeaveOutInverse, FloatArray]:
        """The leave-out matrices of some rows, and their Δ (p, b)."""
        sets = RemovalSets(rows, np.arange(len(rows) + 1))
        inverse = LeaveOutInverse(engine, self.shifted, sets)
        delta = -newton_steps(engine, inverse, sets, drift(self.engine))
        delta[:, inverse.singular] = np.nan
        return inverse, delta

    def _collected(self) -> tuple[Deleted, FloatArray | None]:
        """Room for the pass: an entry per row, and for DFBETA where it is small."""
        problem, p = self.engine.problem, self.engine.n_params
        n = problem.n_rows
        reserve(problem, 8 * KEPT * n, f"diagnostics of all {n} rows")
        small = stream_of(problem) is None and 8 * n * p <= KEEP_BYTES
        return Deleted(*(np.empty(n) for _ in range(4))), np.empty((n, p)) if small else None

    def __call__(self) -> tuple[Deleted, FloatArray | None]:
        """What one pass over the rows finds, and DFBETA (n, p) where that is small."""
        return self._shifting() if self.shifted.shifts else self._proportional()

    def dfbeta(self) -> FloatArray:
        """Δ of every row, shape (n, p): a pass of its own."""
        n, p = self.engine.problem.n_rows, self.engine.n_params
        reserve(self.engine.problem, 16 * n * p, f"DFBETA of all {n} rows")
        out = np.empty((n, p))

        def work(at: slice, engine: GLMEngine, rows: IntArray) -> None:
            out[at] = self._steps(engine, rows)[1].T

        self._each(work)
        return out

    def _shifting(self) -> tuple[Deleted, FloatArray | None]:
        out, kept = self._collected()

        def work(at: slice, engine: GLMEngine, rows: IntArray) -> None:
            inverse, delta = self._steps(engine, rows)
            X, c = inverse.design, engine.problem.w[rows] * engine.d2[rows]
            if kept is not None:
                kept[at] = delta.T
            out.spread[at] = np.einsum("ij,ji->i", X, self.factor.solve(X.T))
            out.leverage[at] = c * out.spread[at]
            out.cook[at] = np.einsum("ji,ji->i", delta, self.A @ delta)
            out.shift[at] = np.einsum("ij,ji->i", X, delta)

        self._each(work)
        return out, kept

    def _proportional(self) -> tuple[Deleted, FloatArray | None]:
        """The same where no penalty shifts: Δ_i = a_i z_i + b_i u, z_i = A⁻¹x_i, all in z and u.

        u = A⁻¹W(fold − ∇R) is zero at the optimum.
        """
        A = self.factor
        u = A.solve(drift(self.engine)[:, None])[:, 0]
        u_norm = float(u @ self.A @ u)
        out, kept = self._collected()

        def work(at: slice, engine: GLMEngine, rows: IntArray) -> None:
            X, w = engine.design(engine.problem.rows.take(rows)), engine.problem.w[rows]
            Z, along, c = A.solve(X.T), X @ u, w * engine.d2[rows]
            spread = np.einsum("ij,ji->i", X, Z)
            pivot = 1.0 - c * spread
            pivot[np.abs(pivot) < SINGULAR] = np.nan
            a, b = -w * (engine.d1[rows] + c * along) / pivot, -w
            out.spread[at], out.leverage[at] = spread, c * spread
            out.shift[at] = a * spread + b * along
            out.cook[at] = a * (a * spread + 2 * b * along) + b * b * u_norm
            if kept is not None:
                np.multiply(Z.T, a[:, None], out=kept[at])
                kept[at] += np.multiply.outer(b, u)

        self._each(work)
        return out, kept
