"""Questions answered by changing rows: by a little, to any value, features or label."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastinfluence.engines.linearize import single_output
from fastinfluence.errors import InputError
from fastinfluence.influence.scores import Scores
from fastinfluence.inputs import checked_rows, one_of, positive
from fastinfluence.perturbation import (
    Change,
    VectorJacobian,
    by_features,
    by_label,
    factors,
    replaced_exactly,
    replaced_first_order,
)
from fastinfluence.problem import TestRows
from fastinfluence.representer import Representer
from fastinfluence.types import FloatArray, IntArray

METHODS = ("influence", "exact")


class Replacements(Scores):
    """Influence of a training row's values, rather than of its presence."""

    def perturbation(
        self,
        X_test: Any,
        y_test: Any,
        rows: Any,
        wrt: str = "X",
        effect: Change = "replacement",
        vjp: VectorJacobian | None = None,
        offset_test: Any = None,
    ) -> FloatArray:
        """Derivative of every test loss by the values of training rows, shape (t, k, d).

        With ``effect="replacement"`` entry (a, b, j) is the change of test row a's loss per
        unit of feature j of row b, the model retrained: −(w_i/W)·∇x(∇l_i·s). ``"upweight"`` is
        the paper's I_pert,loss (eq. 5), without w_i/W. Positive: a larger value makes the
        test loss worse.

        Features are the columns that the model sees: of a Pipeline what its transformers make,
        with an l1 penalty those with a coefficient (to first order no other column matters), of
        a kernel machine the inputs of its kernel (with Nyström features the basis is frozen).

        Parameters
        ----------
        X_test : array_like, shape (t, d)
        y_test : array_like, shape (t,)
        rows : array_like of int, shape (k,)
            Training rows.
        wrt : {"X", "y"}
            ``"y"``: by the label instead, shape (t, k); labels of two classes count as the loss
            encodes them (0 and 1, or −1 and 1).
        effect : {"replacement", "upweight"}
        vjp : callable, optional
            The features come from a frozen extractor φ: takes (rows (k,), G (k, d)) and
            returns J_iᵀG_i, shape (k, ...), J_i the Jacobian of φ at row i's input. The result
            is then by that input, shape (t, k, ...).
        offset_test : array_like, shape (t,), optional
            Required where the model was trained with an offset.

        Returns
        -------
        ndarray, shape (t, k, d); (t, k) by the label; (t, k, ...) through ``vjp``
            Unit of the loss per unit of what changes.

        Raises
        ------
        InputError
            For test rows of another width, NaN or infinity, unknown labels, a missing offset.
            If a row is none of the n, or ``vjp`` is not linear or returns other shapes.
        UnsupportedError
            If an oracle has no ``mixed_vjp``; by the label, for models of several predictions a
            row, networks and oracles.
        """
        one_of(wrt, ("X", "y"), "wrt")
        chosen = checked_rows(rows, self.n_rows)
        factors(self._engine, chosen, effect)
        if wrt == "y" and vjp is not None:
            raise InputError("vjp goes with wrt='X': a label passes no feature extractor")
        test = self._labelled_rows(X_test, y_test, offset_test)
        S = self._test_solutions(test)
        if wrt == "y":
            return by_label(self._engine, S, chosen, effect)
        return by_features(self._engine, S, chosen, effect, vjp, self._representer(S, test))

    def replacement(
        self,
        rows: Any,
        X_new: Any,
        y_new: Any,
        X_test: Any,
        y_test: Any,
        effect: Change = "replacement",
        method: str = "influence",
        offset_test: Any = None,
        tol: float = 1e-10,
    ) -> FloatArray:
        """Change of every test loss when a training row becomes another one, shape (t, k).

        Each replacement is made alone; the row keeps its weight and offset. To first order
        (eq. 3) −(w_i/W)·s·(∇l(z_δ) − ∇l(z_i)): for changes of any size, discrete ones too.
        Positive: the change makes the test loss worse.

        Parameters
        ----------
        rows : array_like of int, shape (k,)
        X_new : array_like, shape (k, d), or None
            New features, as the caller has them (before any Pipeline step); None leaves them.
        y_new : array_like, shape (k,), or None
            New labels; None leaves them.
        X_test : array_like, shape (t, d)
        y_test : array_like, shape (t,)
        effect : {"replacement", "upweight"}
            ``"upweight"``: without w_i/W; first order only.
        method : {"influence", "exact"}
            First order, or retraining with the row replaced.
        offset_test : array_like, shape (t,), optional
            Required where the model was trained with an offset.
        tol : float, default 1e-10
            ‖∇R‖ of each exact optimum.

        Returns
        -------
        ndarray, shape (t, k)
            In the unit of the loss, new minus old.

        Raises
        ------
        InputError
            For test rows of another width, NaN or infinity, unknown labels, a missing offset.
            If the new rows do not fit ``rows``, or lie outside the loss's domain.
        NoOptimumError
            If a replacement leaves no finite optimum.
        UnsupportedError
            If an oracle's rows are to be replaced exactly.
        """
        one_of(method, METHODS, "method")
        positive(tol, "tol")
        chosen = checked_rows(rows, self.n_rows)
        factors(self._engine, chosen, effect)
        new = self._new_rows(chosen, X_new, y_new)
        test = self._labelled_rows(X_test, y_test, offset_test)
        if method == "influence":
            S = self._test_solutions(test)
            by_kernel = self._representer(S, test)
            return replaced_first_order(self._engine, S, chosen, new, effect, by_kernel)
        if effect != "replacement":
            raise InputError(f'effect={effect!r} has no exact form: use method="influence"')
        progress = self._settings.progress
        return replaced_exactly(self._engine, test, chosen, new, tol, progress)

    def _test_solutions(self, test: TestRows) -> FloatArray:
        """H⁻¹∇l(z_test), shape (p, t)."""
        return self._solve(np.ascontiguousarray(self._engine.loss_gradients(test).T))

    def _representer(self, S: FloatArray, test: TestRows) -> Representer | None:
        if self._problem.space is None:
            return None
        machine = single_output(self._engine, "a kernel")
        return Representer(machine, S, test, self._settings.damping)

    def _labelled_rows(self, X_test: Any, y_test: Any, offset_test: Any) -> TestRows:
        test = self._problem.test_rows(X_test, y_test, offset_test)
        if test.y is None:
            raise InputError("y_test is needed: this asks about the loss of labelled rows")
        return test

    def _new_rows(self, rows: IntArray, X_new: Any, y_new: Any) -> TestRows:
        """The replacements in the model's columns, with labels and the old rows' offsets."""
        if X_new is None and y_new is None:
            raise InputError("X_new and y_new are both None: give new features, labels, or both")
        problem, k = self._problem, len(rows)
        offset = problem.no_offset(k) if problem.offset is None else problem.offset[rows]
        y = problem.y[rows] if y_new is None else problem.codec.encode(y_new, k, "y_new")
        if X_new is None:
            inputs = None if problem.space is None else problem.space.X[rows]
            return TestRows(problem.rows.take(rows), y, offset, inputs)
        X, inputs = problem.features(X_new, "X_new")
        if len(X) != k:
            raise InputError(f"X_new has {len(X)} rows but rows names {k}: give one for each")
        return TestRows(X, y, offset, inputs)
