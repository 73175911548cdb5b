"""Targets made of theta: a coefficient, a prediction, a significance, or any function."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.engines.linearize import single_output
from fastinfluence.errors import InputError, SolverError, UnsupportedError
from fastinfluence.inputs import finite_number, listed, non_negative
from fastinfluence.quantity import Linearized, Quantity
from fastinfluence.standard_errors import fixed_dispersion, spare_weight, wald
from fastinfluence.types import FloatArray


@dataclass(frozen=True)
class coefficient:  # noqa: N801 - reads as a word: fi.targets.coefficient("age")
    """A coefficient; what may flip is its sign.

    Parameters
    ----------
    which : str or int
        A column's name ("intercept" for the intercept), or a position in theta.
    """

    which: str | int

    def bind(self, engine: Engine) -> Quantity:
        """theta_j."""
        j = position(self.which, engine)
        unit = np.zeros(engine.n_params)
        unit[j] = 1.0
        name = f"the coefficient of {engine.problem.param_names[j]}"
        return Quantity(
            name, lambda at: Linearized(float(at.theta[j]), unit), lambda Theta: Theta[j]
        )


@dataclass(frozen=True, eq=False)
class prediction:  # noqa: N801
    """A raw prediction f less a threshold; what may flip is its side, for two classes the class.

    Parameters
    ----------
    X_test : array_like, shape (d,) or (1, d)
        One test row.
    offset_test : float, optional
        Required where the model was trained with an offset.
    threshold : float, default 0.0
        On the raw scale: the value whose sign may flip is f − threshold.
    """

    X_test: Any
    offset_test: Any = None
    threshold: float = 0.0

    def bind(self, engine: Engine) -> Quantity:
        """f(x) − threshold."""
        engine = single_output(engine, "the target prediction(...)")
        X = self.X_test if np.ndim(self.X_test) == 2 else np.reshape(self.X_test, (1, -1))
        offset = None if self.offset_test is None else np.atleast_1d(self.offset_test)
        test = engine.problem.test_rows(X, None, offset)
        if len(test.X) != 1:
            raise InputError(f"X_test has {len(test.X)} rows: a prediction target is one test row")
        x = engine.design(test.X)[0]
        shift = float(test.offset[0]) - finite_number(self.threshold, "threshold")
        name = "the prediction" if self.threshold == 0 else f"the prediction − {self.threshold:g}"
        return Quantity(
            name,
            lambda at: Linearized(float(at.theta @ x) + shift, x),
            lambda Theta: x @ Theta + shift,
        )


@dataclass(frozen=True)
class significance:  # noqa: N801
    """|theta_j|/se_j − z; what may flip is whether the coefficient is significant.

    The standard error is the model's own, se_j² = φ·(A⁻¹)_jj with A = W·H undamped (observed
    Hessian, penalty included). φ is 1 for binomial, Poisson and negative binomial models,
    otherwise Pearson's χ²/(Σw − p). A refit computes it anew on the rows that stay.

    Parameters
    ----------
    which : str or int
        A column's name ("intercept" for the intercept), or a position in theta.
    z : float, default 1.96
        Critical value of |theta_j|/se_j.
    """

    which: str | int
    z: float = 1.96

    def bind(self, engine: Engine) -> Quantity:
        """|theta_j|/se_j − z."""
        single = single_output(engine, "the target significance(...)")
        j, critical = position(self.which, engine), non_negative(self.z, "z")
        name = engine.problem.param_names[j]
        _check_dispersion(single)
        if not np.isfinite(wald(single, j).value):
            raise SolverError(
                f"the standard error of {name} is not determined: its column is collinear with "
                "others, or H is not positive there; drop a column, or use infl.polish()"
            )

        def linearize(at: Engine) -> Linearized:
            out = wald(single_output(at, "a significance"), j)
            return Linearized(out.value - critical, out.gradient, out.direct)

        return Quantity(f"the significance of {name}, |z| − {critical:g}", linearize)


@dataclass(frozen=True, eq=False)
class function:  # noqa: N801
    """Any function of theta (and of the sample weights, where it holds them).

    Parameters
    ----------
    value : float or callable
        The function, called with theta (p,), or with theta and the sample weights (n,) if it
        has two arguments without default; a removed row's weight is then zero. A number is
        the value at the present theta: the function is taken as linear.
    gradient : array_like, shape (p,), or callable
        Derivative by theta; a callable takes what ``value`` takes.
    direct : array_like, shape (n,), or callable, optional
        Derivative by each sample weight at fixed theta.
    name : str, default "the function"
        For messages.
    """

    value: Any
    gradient: Any
    direct: Any = None
    name: str = "the function"

    def bind(self, engine: Engine) -> Quantity:
        """value(theta[, weights])."""
        slope = _vector(self.gradient, engine, engine.n_params, "gradient", "p")
        through = None
        if self.direct is not None:
            through = _vector(self.direct, engine, engine.problem.n_rows, "direct", "n")
        value = _value(self.value, engine, slope, through)

        def linearize(at: Engine) -> Linearized:
            return Linearized(value(at), slope(at), None if through is None else through(at))

        if not np.isfinite(value(engine)):
            raise InputError(f"{self.name} is {value(engine)} at the present theta")
        values = _values(self.value, engine, slope, through is not None)
        return Quantity(self.name, linearize, values)


def position(which: Any, engine: Engine) -> int:
    """The position in theta of a name or an index."""
    names, p = engine.problem.param_names, engine.n_params
    if isinstance(which, str):
        if names.count(which) != 1:
            what = "unknown" if which not in names else "the name of several columns"
            raise InputError(f"coefficient {which!r} is {what}: there are {listed(names, 12)}")
        return names.index(which)
    try:
        j = operator.index(which)
    except TypeError as error:
        raise InputError(f"coefficient {which!r} is neither a name nor a position") from error
    if isinstance(which, bool) or not -p <= j < p:
        raise InputError(f"coefficient {which!r} is no position in theta (0 to {p - 1})")
    return j % p


def _check_dispersion(engine: GLMEngine) -> None:
    loss = engine.problem.spec.loss
    if fixed_dispersion(loss):
        return
    if "fisher" not in loss.program.outputs:
        raise UnsupportedError(
            f"the loss {loss.name} states no mean and variance, so it has no model-based standard "
            "error: use a loss of fi.families, or fi.targets.function with your own"
        )
    if spare_weight(engine) <= 0:
        raise InputError(
            f"the weights sum to {engine.problem.W:g} with p = {engine.n_params}: the dispersion "
            "χ²/(Σw − p) needs Σw > p; weights count rows here, so rescale them"
        )


def _takes_weights(call: Callable[..., Any]) -> bool:
    """Whether a callable asks for a second argument."""
    try:
        given = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # a built-in that does not tell
        return False
    needed = [
        a
        for a in given
        if a.default is a.empty and a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD)
    ]
    return len(needed) > 1


def _arguments(call: Callable[..., Any], engine: Engine) -> tuple[FloatArray, ...]:
    """Copies of theta, and of the weights where the callable asks for them: it may write there."""
    theta = engine.theta.copy()
    return (theta, engine.problem.w.copy()) if _takes_weights(call) else (theta,)


def _vector(
    given: Any, engine: Engine, size: int, what: str, letter: str
) -> Callable[[Engine], FloatArray]:
    """A checked vector that may depend on the model."""

    def checked(values: Any) -> FloatArray:
        try:
            out = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"{what} is not numeric: {error}") from error
        out = out[0] if out.ndim == 2 and len(out) == 1 else out
        if out.shape != (size,):
            raise InputError(
                f"{what} has shape {np.shape(values)} but the model has {letter} = {size}: give "
                f"({letter},)"
            )
        if not np.isfinite(out).all():
            raise InputError(f"{what} holds NaN or infinity")
        return out

    if callable(given):
        return lambda at: checked(given(*_arguments(given, at)))
    fixed = checked(given)
    return lambda at: fixed


def _value(
    given: Any,
    engine: Engine,
    slope: Callable[[Engine], FloatArray],
    through: Callable[[Engine], FloatArray] | None,
) -> Callable[[Engine], float]:
    """The function itself, or the linear one through a given value."""
    if callable(given):
        return lambda at: _called(given, at)
    start, theta, w = finite_number(given, "value"), engine.theta, engine.problem.w
    gradient = slope(engine)
    by_weight = np.zeros_like(w) if through is None else through(engine)
    return lambda at: float(start + gradient @ (at.theta - theta) + by_weight @ (at.problem.w - w))


def _values(
    given: Any, engine: Engine, slope: Callable[[Engine], FloatArray], weighted: bool
) -> Callable[[FloatArray], FloatArray] | None:
    """The same at every column of Theta, None where the weights enter it."""
    if callable(given):
        if _takes_weights(given):
            return None
        return lambda Theta: np.array([_one_number(given(theta.copy())) for theta in Theta.T])
    if weighted:
        return None
    start, gradient = finite_number(given, "value"), slope(engine)
    return lambda Theta: np.asarray(start + gradient @ (Theta - engine.theta[:, None]))


def _called(call: Callable[..., Any], at: Engine) -> float:
    return _one_number(call(*_arguments(call, at)))


def _one_number(given: Any) -> float:
    values = np.asarray(given, dtype=np.float64)
    if values.size != 1:
        raise InputError(f"the function returned shape {values.shape}: it must be one number")
    return float(values.reshape(()))
