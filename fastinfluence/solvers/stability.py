"""How large the scale of the stochastic recursion must be.

With sample Hessians H_b (mean H) the recursion's error obeys e ← (I − H_b/s) e + noise, and

    E‖(I − H_b/s) e‖² = ‖e‖² − (2/s) eᵀHe + (1/s²) eᵀE[H_b²]e.

If E[H_b²] ⪯ s·H the right-hand side is at most (1 − λ_min/s)‖e‖²: mean and mean square both
contract. The smallest such s is the top eigenvalue s* of the pencil (E[H_b²], H). It lies
between λ_max(H), which is too small, and max_i ‖H_i‖, which is safe but often many times too
large. See docs/decisions/0004-lissa-scale.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from fastinfluence.backend import numbers
from fastinfluence.curvature import Curvature
from fastinfluence.solvers.algebra import algebra_of
from fastinfluence.types import FloatArray, IntArray

SEARCH_STEPS = 8
"""Most steps of the pencil search: on the data tried, four found 97 % of s*."""
SETTLED = 1.005
"""The search ends with the first step that gains less than this factor."""
SAFETY = 1.1
"""The search approaches s* from below; s ≥ s*/2 still contracts, only slower."""


@dataclass(frozen=True)
class Stability:
    """Bounds of the scale for one operator and one way to draw rows.

    Attributes
    ----------
    scale : float
        The scale recommended: s* with a margin, never above ``ceiling``.
    ceiling : float
        max_i ‖H_i‖, certain where every row is convex; infinite otherwise.
    indefinite : bool
        Whether a direction of negative curvature was met: then no scale is stable.
    """

    scale: float
    ceiling: float
    indefinite: bool

    def certain(self, scale: float) -> bool:
        """Whether mean-square stability at ``scale`` is proven."""
        return scale >= self.ceiling / 2


def ceiling(operator: Curvature, factors: FloatArray) -> float:
    """max_i ‖H_i‖ for H_i = factors_i ∇²l_i + penalty, or infinity where a row is concave."""
    if not operator.engine.convex:
        return np.inf
    norms = factors * operator.engine.row_curvature.norms
    return float(norms.max()) + float(operator.shift.max())


def assess(
    operator: Curvature, factors: FloatArray, batch: int, given: float | None = None
) -> Stability:
    """Find the scale for batches of independent draws, each carrying ``factors`` (n,).

    Of a model kind whose rows have no known bounds the caller's own scale is all there is.
    """
    if given is not None and not operator.engine.row_curvature.bounded:
        return Stability(given, np.inf, indefinite=False)
    top = ceiling(operator, factors)
    found, indefinite = _Pencil(operator, factors, batch).largest()
    return Stability(min(SAFETY * found, top), top, indefinite)


class _Pencil:
    """The pair (E[H_b²], H), through products only."""

    def __init__(self, operator: Curvature, factors: FloatArray, batch: int) -> None:
        self._operator, self._batch = operator, batch
        problem = operator.engine.problem
        self._factors = factors
        self._even = bool((operator.shift == operator.shift[0]).all())
        self._weights = problem.w / problem.W * factors

    def products(self, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        """E[H_b²] v and H v.

        With H_i = A_i + P: E[H_i²] = E[A_i²] + PG + GP + P², G = H − P; a batch of b
        independent rows has E[H_b²] = H² + (E[H_i²] − H²)/b.
        """
        P = self._operator.shift
        first: FloatArray = self._operator.matvec(v)
        Gv = first - P * v
        GPv = P[0] * Gv if self._even else self._operator.matvec(P * v) - P * P * v
        squares = self._operator.engine.row_curvature.squares(v[:, None], self._weights)[:, 0]
        second: FloatArray = squares + P * Gv + GPv + P * P * v
        if self._batch > 1:
            twice = self._operator.matvec(first)
            second = twice + (second - twice) / self._batch
        return second, first

    def start(self) -> FloatArray:
        """The gradient of the row with the longest Hessian: close to the maximiser."""
        longest = int(np.argmax(self._factors * self._operator.engine.row_curvature.norms))
        xp = self._operator.xp
        rows: IntArray = xp.full(1, longest, dtype=np.intp)
        v = self._operator.engine.row_curvature.product(
            self._operator.diagonal()[:, None], rows, xp.ones(1)
        )[:, 0]
        return v if np.any(v) else np.ones_like(v)

    def largest(self) -> tuple[float, bool]:
        """Largest Rayleigh quotient of a locally optimal search (Knyazev 2001), from below.

        Each step is Rayleigh–Ritz on the iterate, its preconditioned gradient and the
        previous direction. The flag says whether vᵀHv ≤ 0 was met.
        """
        inverse = 1.0 / np.maximum(np.abs(self._operator.diagonal()), np.finfo(np.float64).tiny)
        basis = [self._unit(self.start())]
        value = 0.0
        for _ in range(SEARCH_STEPS):
            v, second, first = basis[0]
            if float(v @ first) <= 0:
                return value, True
            before, value = value, max(value, float(v @ second) / float(v @ first))
            if value < SETTLED * before:
                break
            gradient = inverse * (second - value * first)
            if not np.any(gradient):
                break
            basis = self._improve([basis[0], self._unit(gradient), *basis[1:]])
            if not basis:
                return value, True
        return value, False

    def _unit(self, v: FloatArray) -> FloatArray:
        v = v / np.linalg.norm(v)
        return np.stack([v, *self.products(v)])

    @staticmethod
    def _improve(basis: list[FloatArray]) -> list[FloatArray]:
        """The best combination and the direction to it; empty where H is not positive there."""
        stacked = np.stack(basis)
        algebra = algebra_of(stacked)
        second, first = (np.array(numbers(stacked[:, 0] @ stacked[:, k].T)) for k in (1, 2))
        lengths = np.diagonal(first)
        if (lengths <= 0).any():
            return []
        unit = 1.0 / np.sqrt(lengths)
        first = first * unit * unit[:, None] + 1e-13 * np.eye(len(unit))
        try:
            _, vectors = eigh(second * unit * unit[:, None], first)
        except np.linalg.LinAlgError:
            return []
        weights = unit * vectors[:, -1]
        best = algebra.combined(weights, stacked)
        direction = algebra.combined(weights[1:], stacked[1:])
        sizes = [float(np.linalg.norm(x[0])) or 1.0 for x in (best, direction)]
        return [best / sizes[0], direction / sizes[1]]
