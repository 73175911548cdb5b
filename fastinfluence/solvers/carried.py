"""A solver that works where the curvature is, asked from the host."""

from __future__ import annotations

import numpy as np

from fastinfluence.backend import Backend, to_host, told
from fastinfluence.curvature import Curvature
from fastinfluence.engines.host_view import computing
from fastinfluence.solvers.base import Conditioning, Prepared, Solution, Solver
from fastinfluence.solvers.choose import Choice, choose
from fastinfluence.solvers.gauge import inverse_root_of
from fastinfluence.types import FloatArray


def prepare(solver: Solver, operator: Curvature) -> Prepared:
    """``solver`` prepared where the operator's passes run; sides may lie there or on the host."""
    inner = there(operator)
    if inner is operator:
        return solver.prepare(operator)
    backend = inner.engine.problem.backend
    with told(backend, "preparing the solver"):
        return Carried(solver.prepare(inner), backend)


def chosen(operator: Curvature, n_sides: int = 100) -> Choice:
    """:func:`~fastinfluence.solvers.choose.choose`, its trials made where the passes run."""
    return choose(there(operator), n_sides)


def there(operator: Curvature) -> Curvature:
    """The same curvature where its passes run."""
    engine = computing(operator.engine)
    return operator if engine is operator.engine else Curvature(engine, operator.damping)


class Carried:
    """A prepared solver on a device: sides of the host go there, their solutions come back."""

    def __init__(self, inner: Prepared, backend: Backend) -> None:
        self.inner, self._backend = inner, backend

    @property
    def conditioning(self) -> Conditioning:
        """What is known about the operator, on the host."""
        return to_host(self.inner.conditioning)

    @property
    def inverse_root(self) -> FloatArray | None:
        """R with H⁻¹ = RRᵀ on the device, or None where there is none at hand."""
        return inverse_root_of(self.inner)

    def apply(self, B: FloatArray) -> FloatArray:
        """H⁻¹ B without diagnostics."""
        with told(self._backend, f"solving for {B.shape[1]} right-hand sides"):
            if not isinstance(B, np.ndarray):
                return self.inner.apply(B)
            return to_host(self.inner.apply(self._backend.array(B)))

    def solve(self, B: FloatArray) -> Solution:
        """H⁻¹ B, shape (p, t), with diagnostics."""
        with told(self._backend, f"solving for {B.shape[1]} right-hand sides"):
            if not isinstance(B, np.ndarray):
                return self.inner.solve(B)
            return to_host(self.inner.solve(self._backend.array(B)))
