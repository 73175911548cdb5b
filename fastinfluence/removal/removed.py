"""What removals of rows or groups give: new parameters, and what changes with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.engines.glm import OUTPUTS
from fastinfluence.engines.linearize import linearize, single_output
from fastinfluence.inputs import one_of
from fastinfluence.problem import TestRows
from fastinfluence.quantity import Quantity
from fastinfluence.removal.sets import RemovalSets
from fastinfluence.streaming import without_weight
from fastinfluence.targets import Target
from fastinfluence.targets.base import checked_target
from fastinfluence.types import FloatArray, IntArray


@dataclass(frozen=True)
class Removal:
    """The model without each of k rows or groups.

    Attributes
    ----------
    theta : ndarray, shape (k, p)
        Parameters after each removal; NaN where removal leaves no unique optimum.
    theta_old : ndarray, shape (p,)
        Parameters before removal, by the same procedure.
    gradient_norms : ndarray, shape (k,)
        ‖∇R‖₂ of the objective without the rows at the new theta, in the spec's reduction. NaN
        for ``method="influence"`` and ``"newton"``, which do not evaluate it.
    iterations : ndarray of int, shape (k,)
        Passes beyond the starting Newton step.
    method : str
    sets : RemovalSets
        Which rows left.
    engine : Engine
        The model that they left.
    """

    theta: FloatArray
    theta_old: FloatArray
    gradient_norms: FloatArray
    iterations: IntArray
    method: str
    sets: RemovalSets
    engine: Engine

    def on_loss(self, X_test: Any, y_test: Any, offset_test: Any = None) -> FloatArray:
        """Loss after removal minus loss before, shape (t, k); no penalty.

        Where the model's hinge was smoothed, ``method="refit"`` reports the hinge itself, which
        the estimator minimised, and the other methods the smoothed loss.

        Parameters
        ----------
        X_test : array_like, shape (t, d)
        y_test : array_like, shape (t,)
        offset_test : array_like, shape (t,), optional
            Required where the model was trained with an offset.

        Returns
        -------
        ndarray, shape (t, k)
            In the unit of the loss; NaN where removal leaves no unique optimum.

        Raises
        ------
        InputError
            For test rows of another width, NaN or infinity, unknown labels, a missing offset.
        """
        test = self.engine.problem.test_rows(X_test, y_test, offset_test)
        return self._losses(test, self.theta.T) - self._losses(test, self.theta_old[:, None])

    def _losses(self, test: TestRows, Theta: FloatArray) -> FloatArray:
        sharp = self.engine.problem.sharp_loss
        if self.method != "refit" or sharp is None:
            return self.engine.test_losses(test, Theta)
        engine = single_output(self.engine, "a smoothed loss")
        return engine.test_pointwise(test, Theta, ("value",), sharp)[0]

    def on_prediction(
        self, X_test: Any, output: str = "raw", offset_test: Any = None
    ) -> FloatArray:
        """Prediction after removal minus before, shape (t, k).

        Parameters
        ----------
        X_test : array_like, shape (t, d)
        output : {"raw", "mean"}
            The linear predictor f, or the mean or probability.
        offset_test : array_like, shape (t,), optional
            Required where the model was trained with an offset.

        Returns
        -------
        ndarray, shape (t, k), or (t, k, K) for K predictions a row
            In the unit of the prediction; NaN where removal leaves no unique optimum.

        Raises
        ------
        InputError
            For test rows of another width, NaN or infinity, a missing offset.
        UnsupportedError
            If ``output="mean"`` and the loss has no mean.
        """
        one_of(output, OUTPUTS, "output")
        test = self.engine.problem.test_rows(X_test, None, offset_test)
        new = self.engine.predictions(test, self.theta.T, output)
        return new - self.engine.predictions(test, self.theta_old[:, None], output)

    def on_function(self, target: Target) -> FloatArray:
        """A target's value after removal minus before, shape (k,).

        Parameters
        ----------
        target : a target of ``fi.targets``
            ``coefficient("age")``, ``auc(X_test, y_test)``, …, evaluated at each removal's theta.
            Where the sample weights enter the value itself (a significance), those of the removed
            rows are zero.

        Returns
        -------
        ndarray, shape (k,)
            In the target's unit; NaN where removal leaves no unique optimum, or a value
            undetermined.

        Raises
        ------
        InputError, UnsupportedError
            For a target that this model has not.
        """
        quantity = checked_target(target).bind(self.engine)
        if quantity.values is not None:
            return self._values(quantity.values)
        nobody: IntArray = np.zeros(0, dtype=np.intp)
        before = self._value(quantity, self.theta_old, nobody)
        sets = self.sets
        after = [self._value(quantity, t, sets.members(j)) for j, t in enumerate(self.theta)]
        return np.array(after) - before

    def _values(self, values: Callable[[FloatArray], FloatArray]) -> FloatArray:
        out = np.full(len(self.theta), np.nan)
        found = np.isfinite(self.theta).all(axis=1)
        before = values(np.ascontiguousarray(self.theta_old[:, None]))[0]
        if found.any():
            out[found] = values(np.ascontiguousarray(self.theta[found].T)) - before
        return out

    def _value(self, quantity: Quantity, theta: FloatArray, gone: IntArray) -> float:
        """The quantity at a theta, where some rows weigh nothing."""
        if not np.isfinite(theta).all():
            return np.nan
        problem = without_weight(self.engine.problem, gone)
        return quantity.linearize(linearize(problem, theta, self.engine.curvature)).value
