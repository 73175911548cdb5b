"""An oracle's callables held against each other on a few rows, when it meets its data.

Each check compares two ways to the same number: the sum over rows with single rows, products with
their sum, uHv with vHu, products with central differences of gradients. What they cannot see is a
callable that is wrong on other rows only.

Two right ways differ by rounding, which may be all that is left of a number (the residuals of a
model that fits exactly). How much rounding there is, nothing but the callable can tell: it is
measured, where two ways differ at all, by moving the last bits of what it is handed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np

from fastinfluence.engines.oracle_calls import Calls
from fastinfluence.errors import LossError, OracleError
from fastinfluence.problem import Problem
from fastinfluence.rows.indexed import Indexed
from fastinfluence.spec.oracle import WEIGHTED, Oracle
from fastinfluence.types import FloatArray

ROWS = 6
EXACT = 1e-9
"""Relative difference allowed between two sums of the same float64 numbers."""
NEAR = 1e-3
"""Relative difference allowed between a derivative and central differences."""
STEPS = tuple(10.0**-k for k in range(4, 15))
"""Steps of differences relative to theta; one that agrees is enough: others may cross a kink, or
be large beside the smallest entries of theta."""
ROUNDING = 100.0
"""Rounding allowed, in changes of the result when the last bits of the arguments change."""
DRAWS = 3
"""Changes of those last bits."""
TOWARDS_ZERO = (1.0, 0.1, 0.01, 0.0)
"""Shares of theta at which a callable shows how large the numbers are that cancel at theta."""
EPS = float(np.finfo(np.float64).eps)

Values: TypeAlias = Callable[[FloatArray], FloatArray]
"""What a callable returns at a theta (p,)."""
Shaken: TypeAlias = Callable[[Values], FloatArray]
"""What a callable returns for arguments passed through a function."""


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
        noise = _rounding(lambda shake: self._gradients(shake(self.theta)))
        _same("gradient", self.each, np.concatenate(alone), what, noise)

    def _gradients(self, theta: FloatArray) -> FloatArray:
        return self.calls.gradient(theta, self.rows)

    def product(self, name: str) -> None:
        """Sums over rows, linear and symmetric."""
        w, V = self.w, self.V

        def call(part: slice, W: FloatArray, at: FloatArray = self.theta) -> FloatArray:
            return self.calls.curvature(name, at, self.rows[part], w[part], W)

        every = slice(0, len(w))
        found = call(every, V)
        single = [call(slice(i, i + 1), V) for i in range(len(w))]
        measured = _rounding(lambda shake: call(every, shake(V), shake(self.theta)))

        @cache
        def noise() -> float:
            return measured() + ROUNDING * EPS * self._unsaturated(lambda at: call(every, V, at))

        most = float(sum(np.linalg.norm(one) for one in single))  # rows may cancel in the sum
        what = "is not the sum over its rows: return Σ_i ∇²l_i V (Σ_i w_i ∇²l_i V with w), no mean"
        _same(name, found, np.sum(single, axis=0), what, noise, most)
        mixed = call(every, 2.0 * V[:, :1] - 3.0 * V[:, 1:])
        told = 2.0 * found[:, :1] - 3.0 * found[:, 1:]
        _same(name, mixed, told, "is not linear in V", noise, most)
        self._symmetric(name, found, max(most, float(np.linalg.norm(found))), noise)

    def _symmetric(
        self, name: str, found: FloatArray, most: float, noise: Callable[[], float]
    ) -> None:
        across, size = self.V.T @ found, float(np.linalg.norm(self.V))
        apart = abs(float(across[0, 1] - across[1, 0]))
        if apart > EXACT * size * most and apart > size * noise():
            raise OracleError(
                f"{name} is not symmetric: u·Hv = {across[0, 1]:.10g} but v·Hu = "
                f"{across[1, 0]:.10g} on {len(self.w)} rows"
            )
        down = -float(across[0, 0])
        if name == "gauss_newton" and down > EXACT * size * most and down > size * noise():
            raise OracleError(f"gauss_newton bends downwards: v·Gv = {across[0, 0]:.3g} < 0")

    def hvp_is_derivative(self) -> None:
        """Hv is the derivative of the gradient along v."""

        def product(at: FloatArray) -> FloatArray:
            return self.calls.curvature("hvp", at, self.rows, self.w, self.V[:, :1])[:, 0]

        summed = float(np.linalg.norm(self.w @ np.abs(self.each)))
        self._derivative("hvp", product, lambda at: self.w @ self._gradients(at), summed)

    def optional(self) -> None:
        """What else the oracle has, against gradients and differences."""
        calls, v = self.calls, self.V[:, 0]
        if calls.knows("row_dot"):
            found = calls.row_dot(self.theta, self.rows, self.V)
            what = "is not gradient·S: return ∇l_i·s of each row and column, (b, t)"
            noise = _rounding(lambda shake: self._gradients(shake(self.theta)) @ self.V)
            most = float(np.linalg.norm(self.each) * np.linalg.norm(self.V))
            _same("row_dot", found, self.each @ self.V, what, noise, most)
        if calls.knows("loss"):
            self._derivative(
                "gradient",
                lambda at: self._gradients(at) @ v,
                lambda at: calls.loss(at, self.rows),
            )
        for name, gradient in (
            ("prediction", "prediction_gradient"),
            ("mean", "mean_gradient"),
        ):
            if calls.knows(name) and calls.knows(gradient):
                self._derivative(
                    gradient,
                    lambda at, of=gradient: calls.prediction_gradients(of, at, self.rows) @ v,  # type: ignore[misc]
                    lambda at, of=name: calls.predictions(of, at, self.rows),  # type: ignore[misc]
                )

    def _derivative(
        self, name: str, derivative: Values, value: Values, summed: float = 0.0
    ) -> None:
        """``derivative`` is that of ``value`` along the first direction.

        ``summed`` is the size of what cancels in ``value``, where it is a sum.
        """
        v, worst = self.V[:, 0], np.inf
        found = derivative(self.theta)
        value(self.theta)  # where it must have a value, of the right shape
        shaky = _rounding(lambda shake: derivative(shake(self.theta)))
        size = max(1.0, float(np.linalg.norm(self.theta))) / float(np.linalg.norm(v))
        for h in size * np.array(STEPS):
            told = self._quotient(value, h)
            if told is None:
                continue
            scale = max(float(np.linalg.norm(told)), float(np.linalg.norm(found)))
            error = float(np.linalg.norm(found - told))
            if error <= NEAR * scale:
                return
            noise = self._noise(value, h, summed) / h + shaky()
            shorter = self._quotient(value, 0.1 * h)
            if shorter is None or noise > NEAR * scale:
                continue  # too much of it is rounding
            if error <= 2.0 * float(np.linalg.norm(told - shorter)):
                continue  # a shorter step comes nearer: this one is too long to tell
            if error <= NEAR * scale + noise:
                return
            worst = min(worst, error / scale)
        if worst == np.inf:
            return  # no step tells anything
        of = {"hvp": "gradient", "gradient": "loss"}.get(name, name.removesuffix("_gradient"))
        raise OracleError(
            f"{name} is not the derivative of {of}: it differs from central differences by "
            f"{worst:.0%} on {len(self.rows)} rows; both leave out weights, means and penalties"
        )

    def _quotient(self, value: Values, h: float) -> FloatArray | None:
        """Central difference along the first direction; None outside of where the model is."""
        move = h * self.V[:, 0]
        ahead, behind = _tried(value, self.theta + move), _tried(value, self.theta - move)
        return None if ahead is None or behind is None else (ahead - behind) / (2.0 * h)

    def _noise(self, value: Values, h: float, summed: float) -> float:
        """Rounding of a value a step away: what is measured, and of the sizes it comes from."""
        away = self.theta + h * self.V[:, 0]
        with np.errstate(all="ignore"):
            measured = _rounding(lambda shake: value(shake(away)))()
        return measured + ROUNDING * EPS * max(self._unsaturated(value), summed)

    def _unsaturated(self, value: Values) -> float:
        """Size of a value here and towards theta = 0, where what is tiny here need not be."""
        found = [_tried(value, part * self.theta) for part in TOWARDS_ZERO]
        return max(float(np.linalg.norm(at)) for at in found if at is not None)


def _rounding(value: Shaken) -> Callable[[], float]:
    """Largest difference that rounding explains, measured when it is first asked for."""

    @cache
    def measured() -> float:
        rng, still = np.random.default_rng(1), value(lambda array: array)

        def shake(array: FloatArray) -> FloatArray:
            return array * (1.0 + EPS * rng.choice([-1.0, 1.0], size=array.shape))

        return ROUNDING * max(float(np.linalg.norm(value(shake) - still)) for _ in range(DRAWS))

    return measured


def _tried(value: Values, theta: FloatArray) -> FloatArray | None:
    """The value at a theta that the caller never gave; None where there is none."""
    try:
        with np.errstate(all="ignore"):
            return value(theta)
    except (OracleError, LossError):
        return None


def _same(
    name: str,
    found: FloatArray,
    wanted: FloatArray,
    what: str,
    noise: Callable[[], float] = float,
    most: float = 0.0,
) -> None:
    """OracleError where two float64 computations of one thing differ.

    ``noise`` is what rounding explains, ``most`` the size of what cancels in them.
    """
    size = max(float(np.linalg.norm(found)), float(np.linalg.norm(wanted)), most)
    error = float(np.linalg.norm(found - wanted))
    if error > EXACT * size and error > noise():
        digits = " (a float32 computation returned as float64?)" if error < 1e-4 * size else ""
        raise OracleError(f"{name} {what}; relative difference {error / size:.1e}{digits}")
