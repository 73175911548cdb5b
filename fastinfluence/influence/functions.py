"""Questions about any function of theta: by its gradient, or by a target that makes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.influence.asked import asks
from fastinfluence.influence.scores import Scores
from fastinfluence.sinks import Sink
from fastinfluence.targets.base import Target, are_targets, checked_target
from fastinfluence.types import Effect, FloatArray


class Functions(Scores):
    """Influence on functions of theta, and their values."""

    @asks
    def on_function(
        self,
        gradient: Any,
        direct: Any = None,
        effect: Effect = "removal",
        out: Sink[Any] | None = None,
    ) -> Any:
        """Influence of every training row on any functions of theta, shape (t, n).

        Parameters
        ----------
        gradient : array_like, shape (t, p) or (p,), a target of ``fi.targets``, or several
            Gradient of each function at theta; or what makes it, ``fi.targets.auc(X_test,
            y_test)`` for one, or a list of t targets. A single one gives (1, n).
        direct : array_like, shape (t, n), optional
            Derivative of each function with respect to each sample weight at fixed theta. A
            target brings its own.
        effect : {"removal", "upweight"}
            The predicted change by removal, new minus old, +(w_i/W)·∇fᵀH⁻¹g_i; or the paper's
            derivative −∇fᵀH⁻¹g_i (eq. 1, by the chain rule).
        out : None, fi.TopK(k), fi.Total() or fi.ParquetSink(path)
            As in :meth:`on_loss`.

        Returns
        -------
        ndarray, shape (t, n), or what ``out`` makes of it
            In the unit of each function.

        Raises
        ------
        InputError
            For a gradient or ``direct`` of another shape, NaN or infinity; for a target that this
            model has not (an unknown name, a wrong slope).
        UnsupportedError
            For a target that is not defined for this kind of model.
        """
        if are_targets(gradient):
            if direct is not None:
                raise InputError("a target brings its own direct: leave it out")
            gradients, through = self._of_targets(gradient)
            return self._home(self._score("on_function", gradients, effect, out, through))
        p = self._engine.n_params
        gradients = np.atleast_2d(self._here(gradient, "gradient"))
        if gradients.ndim != 2 or gradients.shape[1] != p:
            raise InputError(
                f"gradient has shape {np.shape(gradient)} but the model has p = {p}: give (t, p)"
            )
        through = None
        if direct is not None:
            through = np.atleast_2d(self._here(direct, "direct"))
            wanted = (len(gradients), self.n_rows)
            if through.shape != wanted:
                raise InputError(
                    f"direct must have shape {wanted}, one derivative per function "
                    f"and training row; it has shape {np.shape(direct)}"
                )
        scores = self._score("on_function", gradients, effect, out, through)
        return self._home(scores, gradient)

    def value(self, target: Target) -> float:
        """The number that a target of ``fi.targets`` is for this model.

        Parameters
        ----------
        target : a target of ``fi.targets``

        Returns
        -------
        float
            In the target's own unit; NaN where collinear columns leave it undetermined.

        Raises
        ------
        InputError, UnsupportedError
            As in :meth:`on_function`.
        """
        quantity = checked_target(target).bind(self._engine)
        if quantity.values is not None:  # without the gradient, which nobody asked for
            return float(quantity.values(np.ascontiguousarray(self.theta[:, None]))[0])
        return quantity.linearize(self._engine).value

    def _of_targets(self, given: Any) -> tuple[FloatArray, FloatArray | None]:
        """Gradients (t, p) and, where one of the targets holds the weights, direct (t, n)."""
        targets = given if isinstance(given, (list, tuple)) else [given]
        found = [checked_target(one).bind(self._engine).linearize(self._engine) for one in targets]
        gradients = np.stack([one.gradient for one in found])
        if all(one.direct is None for one in found):
            return gradients, None
        nothing = np.zeros(self.n_rows)
        return gradients, np.stack([nothing if one.direct is None else one.direct for one in found])
