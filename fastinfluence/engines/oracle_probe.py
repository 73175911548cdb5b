"""An oracle's callables held against each other on a few rows, when it meets its data.

Each check compares two ways to the same number: the sum over rows with single rows, products with
their sum, uHv with vHu, products with central differences of gradients. What they cannot see is a
callable that is wrong on other rows only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastinfluence.engines.oracle_calls import Calls
from fastinfluence.errors import OracleError
from fastinfluence.problem import Problem
from fastinfluence.rows.indexed import Indexed
from fastinfluence.spec.oracle import WEIGHTED, Oracle
from fastinfluence.types import FloatArray

ROWS = 6
EXACT = 1e-9
"""Relative difference allowed between two sums of the same float64 numbers."""
NEAR = 1e-3
"""Relative difference allowed between a derivative and central differences."""
STEPS = (1e-4, 1e-5, 1e-6)
"""Steps of differences relative to theta; one that agrees is enough: others may cross a kink."""


def probe(problem: Problem, theta: FloatArray) -> None:
    """Check every callable of the problem's oracle at theta (p,) on up to six rows.

    Raises
    ------
    OracleError
        Naming the callable and what it broke.
    """
    assert isinstance(problem.spec, Oracle)
    n = problem.n_rows
    chosen = np.unique(np.linspace(0, n - 1, min(n, ROWS)).astype(np.intp))
    rows = problem.rows.take(chosen)
    assert isinstance(rows, Indexed)
    check = _Probe(Calls(problem.spec), theta, rows)
    check.gradient()
    for name in WEIGHTED:
        if check.calls.knows(name):
            check.product(name)
    check.hvp_is_derivative()
    check.optional()


class _Probe:
    """The callables, a theta, a few rows, and random directions."""

    def __init__(self, calls: Calls, theta: FloatArray, rows: Indexed) -> None:
        self.calls, self.theta, self.rows = calls, theta, rows
        rng = np.random.default_rng(0)
        self.V = rng.standard_normal((len(theta), 2))
        # Two weights: a callable without any is handed several rows at once, and twice.
        self.w: FloatArray = np.where(np.arange(len(rows)) < (len(rows) + 1) // 2, 1.0, 1.5)
        self.each = calls.gradient(theta, rows)

    def gradient(self) -> None:
        """Rows do not depend on their neighbours, nor on chance."""
        again = self.calls.gradient(self.theta, self.rows)
        _same(
            "gradient", self.each, again, "is not the same twice: switch dropout and sampling off"
        )
        alone = [
            self.calls.gradient(self.theta, self.rows[i : i + 1]) for i in range(len(self.rows))
        ]
        what = "of a row depends on the other rows: return one gradient for each, (b, p), no mean"
        _same("gradient", self.each, np.concatenate(alone), what)

    def product(self, name: str) -> None:
        """Sums over rows, linear and symmetric."""
        call, w, V = self._product(name), self.w, self.V
        found = call(self.rows, w, V)
        alone = sum(call(self.rows[i : i + 1], w[i : i + 1], V) for i in range(1, len(w))) + call(
            self.rows[:1], w[:1], V
        )
        what = "is not the sum over its rows: return Σ_i ∇²l_i V (Σ_i w_i ∇²l_i V with w), no mean"
        _same(name, found, np.asarray(alone), what)
        mixed = call(self.rows, w, 2.0 * V[:, :1] - 3.0 * V[:, 1:])
        told = 2.0 * found[:, :1] - 3.0 * found[:, 1:]
        _same(name, mixed, told, "is not linear in V")
        across = V.T @ found
        if abs(across[0, 1] - across[1, 0]) > EXACT * np.linalg.norm(V) * np.linalg.norm(found):
            raise OracleError(
                f"{name} is not symmetric: u·Hv = {across[0, 1]:.10g} but v·Hu = "
                f"{across[1, 0]:.10g} on {len(w)} rows"
            )
        if name == "gauss_newton" and across[0, 0] < -EXACT * abs(across).max():
            raise OracleError(f"gauss_newton bends downwards: v·Gv = {across[0, 0]:.3g} < 0")

    def _product(self, name: str) -> Callable[[Indexed, FloatArray, FloatArray], FloatArray]:
        return lambda rows, w, V: self.calls.curvature(name, self.theta, rows, w, V)

    def hvp_is_derivative(self) -> None:
        """Hv is the derivative of the gradient along v."""
        v = self.V[:, :1]
        found = self._product("hvp")(self.rows, self.w, v)[:, 0]
        self._derivative("hvp", found, lambda at: self.w @ self.calls.gradient(at, self.rows))

    def optional(self) -> None:
        """What else the oracle has, against gradients and differences."""
        calls, v = self.calls, self.V[:, 0]
        if calls.knows("row_dot"):
            found = calls.row_dot(self.theta, self.rows, self.V)
            what = "is not gradient·S: return ∇l_i·s of each row and column, (b, t)"
            _same("row_dot", found, self.each @ self.V, what)
        if calls.knows("loss"):
            self._derivative("gradient", self.each @ v, lambda at: calls.loss(at, self.rows))
        for name, gradient in (
            ("prediction", "prediction_gradient"),
            ("mean", "mean_gradient"),
        ):
            if calls.knows(name) and calls.knows(gradient):
                found = calls.prediction_gradients(gradient, self.theta, self.rows) @ v
                self._derivative(
                    gradient,
                    found,
                    lambda at, name=name: calls.predictions(name, at, self.rows),  # type: ignore[misc]
                )

    def _derivative(
        self, name: str, found: FloatArray, value: Callable[[FloatArray], FloatArray]
    ) -> None:
        """``found`` is the derivative of ``value`` along the first direction."""
        v, worst = self.V[:, 0], np.inf
        size = max(1.0, float(np.linalg.norm(self.theta))) / float(np.linalg.norm(v))
        for step in STEPS:
            h = step * size
            told = (value(self.theta + h * v) - value(self.theta - h * v)) / (2 * h)
            scale = max(float(np.linalg.norm(told)), float(np.linalg.norm(found)))
            noise = 1e-14 / step * (1.0 + float(np.abs(value(self.theta)).max()))
            error = float(np.linalg.norm(found - told))
            if error <= NEAR * scale + noise:
                return
            worst = min(worst, error / scale)
        of = {"hvp": "gradient", "gradient": "loss"}.get(name, name.removesuffix("_gradient"))
        raise OracleError(
            f"{name} is not the derivative of {of}: it differs from central differences by "
            f"{worst:.0%} on {len(self.rows)} rows; both leave out weights, means and penalties"
        )


def _same(name: str, found: FloatArray, wanted: FloatArray, what: str) -> None:
    """OracleError where two float64 computations of one thing differ."""
    size = max(float(np.linalg.norm(found)), float(np.linalg.norm(wanted)))
    error = float(np.linalg.norm(found - wanted))
    if error > EXACT * size:
        digits = " (a float32 computation returned as float64?)" if error < 1e-4 * size else ""
        raise OracleError(f"{name} {what}; relative difference {error / size:.1e}{digits}")
