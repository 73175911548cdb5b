"""Solutions of least norm where a model has structural null directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fastinfluence.curvature import Completed, Curvature, Gauge
from fastinfluence.solvers.base import Conditioning, Prepared, Solution
from fastinfluence.types import FloatArray


def prepared_on_range(operator: Curvature, prepare: Callable[[Curvature], Prepared]) -> Prepared:
    """What ``prepare`` makes of the operator, restricted to its structural range."""
    gauge = Gauge.of(operator.engine.problem, operator.damping)
    if gauge is None or isinstance(operator, Completed):
        return prepare(operator)
    return OnRange(prepare(Completed(operator, gauge)), gauge)


def inverse_root_of(prepared: Prepared) -> FloatArray | None:
    """R (p, p) with H⁻¹ = RRᵀ where a prepared solver has it, else None."""
    root: FloatArray | None = getattr(prepared, "inverse_root", None)
    return root


class OnRange:
    """A prepared solver of the completed operator, between two projections."""

    def __init__(self, inner: Prepared, gauge: Gauge) -> None:
        self.inner, self._gauge = inner, gauge

    @property
    def conditioning(self) -> Conditioning:
        """Of the range: the structural directions count as no deficiency."""
        return self.inner.conditioning

    @property
    def inverse_root(self) -> FloatArray | None:
        """R with H⁺ = RRᵀ, or None where there is none at hand."""
        root = inverse_root_of(self.inner)
        return None if root is None else self._gauge.project(root)

    def apply(self, B: FloatArray) -> FloatArray:
        """H⁺ B without diagnostics."""
        return self._gauge.project(self.inner.apply(self._gauge.project(B)))

    def solve(self, B: FloatArray) -> Solution:
        """H⁺ B, shape (p, t), with diagnostics of the projected sides."""
        solution = self.inner.solve(self._gauge.project(B))
        return replace(solution, x=self._gauge.project(solution.x))
