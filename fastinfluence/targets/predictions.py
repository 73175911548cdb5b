"""Targets made of the predictions of test rows, with the chain rule written once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.engines.glm import OUTPUTS
from fastinfluence.errors import InputError
from fastinfluence.inputs import one_of
from fastinfluence.problem import TestRows
from fastinfluence.quantity import Linearized, Quantity
from fastinfluence.rows.features import PIECE_BYTES
from fastinfluence.targets.slopes import check_slope
from fastinfluence.types import FloatArray


@dataclass(frozen=True)
class OnPredictions:
    """A smooth function of the predictions of some test rows.

    Attributes
    ----------
    test : TestRows
    output : {"raw", "mean"}
    value, slope : callable
        Of predictions (t,), or (t, K): a number, and its derivatives in the same shape.
    """

    test: TestRows
    output: str
    value: Callable[[FloatArray], float]
    slope: Callable[[FloatArray], FloatArray]

    def quantity(self, engine: Engine, name: str) -> Quantity:
        """The number that it is for a model; InputError where that is not finite."""
        start = self.value(self.predictions(engine))
        if not np.isfinite(start):
            raise InputError(f"{name} is {start} at the present theta")
        return Quantity(name, self.linearize, lambda Theta: self.values(engine, Theta))

    def predictions(self, engine: Engine) -> FloatArray:
        """Predictions at the engine's theta, shape (t,), or (t, K) for K of them a row."""
        out = engine.predictions(self.test, engine.theta[:, None], self.output)
        return np.array(out[:, 0], dtype=np.float64, order="C")

    def linearize(self, engine: Engine) -> Linearized:
        """Value, and gradient Σ slope·∂f/∂theta."""
        f = self.predictions(engine)
        return Linearized(self.value(f.copy()), self.gradient(engine, self.slope(f)))

    def gradient(self, engine: Engine, slope: FloatArray) -> FloatArray:
        """Σ slope·∂f/∂theta, shape (p,), from a few rows' gradients at a time."""
        out = np.zeros(engine.n_params)
        wide = slope.size // len(slope)
        step = max(1, PIECE_BYTES // (8 * wide * engine.n_params))
        for start in range(0, len(slope), step):
            at = slice(start, min(start + step, len(slope)))
            gradients = engine.prediction_gradients(self.test.part(at), self.output)
            out += slope[at].ravel() @ gradients
        return out

    def values(self, engine: Engine, Theta: FloatArray) -> FloatArray:
        """The value at every column of Theta (p, k), shape (k,)."""
        k, out = Theta.shape[1], np.empty(Theta.shape[1])
        step = max(1, PIECE_BYTES // (8 * max(1, self.test.offset.size)))
        for start in range(0, k, step):
            some = np.ascontiguousarray(Theta[:, start : start + step])
            F = engine.predictions(self.test, some, self.output)
            for j in range(F.shape[1]):
                out[start + j] = self.value(np.array(F[:, j], dtype=np.float64, order="C"))
        return out


@dataclass(frozen=True, eq=False)
class of_predictions:  # noqa: N801 - reads as a word: fi.targets.of_predictions(X_test, …)
    """Any smooth function of the predictions of test rows.

    Its gradient by theta is Σ slope·∂f/∂theta over the test rows (and outputs), made in pieces: no
    more than a few MiB of it are written out at a time, whatever the number of rows.

    Parameters
    ----------
    X_test : array_like, shape (t, d)
    value : callable
        Takes predictions f (t,), or (t, K) for K of them a row, returns one number.
    slope : callable
        Takes the same, returns the derivative of ``value`` by each prediction, same shape.
    output : {"raw", "mean"}, default "raw"
        Raw predictions (linear predictor, logits), or means and probabilities.
    offset_test : array_like, shape (t,), optional
        Required where the model was trained with an offset.
    name : str, default "the function of the predictions"
        For messages.

    Raises
    ------
    InputError
        When bound to a model (when first used): if ``value`` is no finite number there, or
        ``slope`` has another shape, or is not its derivative. That is checked by central finite
        differences along random directions; the message names the entry and both numbers.

    Examples
    --------
    >>> import numpy as np, fastinfluence as fi
    >>> spread = fi.targets.of_predictions(
    ...     X_test, np.var, lambda f: 2 * (f - f.mean()) / len(f)
    ... )                                                        # doctest: +SKIP
    """

    X_test: Any
    value: Callable[[FloatArray], Any]
    slope: Callable[[FloatArray], Any]
    output: str = "raw"
    offset_test: Any = None
    name: str = "the function of the predictions"

    def bind(self, engine: Engine) -> Quantity:
        """value(f(theta)), its slope checked."""
        one_of(self.output, OUTPUTS, "output")
        for call, what in ((self.value, "value"), (self.slope, "slope")):
            if not callable(call):
                raise InputError(f"{what}={call!r} is not callable: give a function of predictions")
        test = engine.problem.test_rows(self.X_test, None, self.offset_test)
        made = OnPredictions(test, self.output, self._value, self._slope)
        f = made.predictions(engine)
        slope = self._slope(f)
        quantity = made.quantity(engine, self.name)
        check_slope(self._value, slope, f, _sizes(f, self.output), self.name)
        return quantity

    def _value(self, f: FloatArray) -> float:
        found = np.asarray(self.value(f.copy()), dtype=np.float64)
        if found.size != 1:
            raise InputError(f"{self.name}: value returned shape {found.shape}, not one number")
        return float(found.reshape(()))

    def _slope(self, f: FloatArray) -> FloatArray:
        found = np.asarray(self.slope(f.copy()), dtype=np.float64)
        if found.shape != f.shape:
            raise InputError(
                f"{self.name}: slope returned shape {found.shape} for predictions of shape "
                f"{f.shape}: give one derivative for each"
            )
        if np.isfinite(f).all() and not np.isfinite(found).all():
            raise InputError(f"{self.name}: slope returned NaN or infinity")
        return found


def _sizes(f: FloatArray, output: str) -> FloatArray:
    """How far each prediction may be moved: within the range that a mean may have."""
    if output == "mean" and ((f >= 0) & (f <= 1)).all():
        return f * (1 - f)
    if output == "mean":
        return np.abs(f)
    spread = float(np.std(f)) or float(np.abs(f).max()) or 1.0
    return np.full_like(f, spread)
