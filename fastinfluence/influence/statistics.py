"""What a statistician asks of a fitted model: diagnostics, cross-validation, intervals."""

from __future__ import annotations

from typing import Any

from fastinfluence.crossval import (
    METHODS,
    CrossValidation,
    cross_validate,
    infinitesimal_jackknife,
    jackknife_plus,
)
from fastinfluence.diagnostics import Diagnostics
from fastinfluence.engines.linearize import single_output
from fastinfluence.influence.removals import Removals
from fastinfluence.inputs import one_of
from fastinfluence.types import FloatArray


class Statistics(Removals):
    """Classical diagnostics and what leave-one-out gives beyond them."""

    def diagnostics(self) -> Diagnostics:
        """Leverage, Cook's distance, DFBETAS, DFFITS, studentised residuals of every row.

        By blocks of rows, from one factor: no refits, no n×n matrix. Undamped, with this
        object's ``curvature`` ("fisher" for R's expected weights). Formulas: Cook (1977),
        Pregibon (1981), Belsley, Kuh & Welsch (1980); the guide has them.

        Returns
        -------
        Diagnostics
            Arrays (n,), ``.dfbeta`` and ``.dfbetas`` (n, p): full minus deleted, the opposite
            sign of a removal.

        Raises
        ------
        UnsupportedError
            For models of several predictions a row, networks and oracles, and on a cluster.
        """
        engine = single_output(self._engine, "diagnostics()")
        return Diagnostics(engine, self._settings.progress)

    def cross_validation(self, method: str = "newton") -> CrossValidation:
        """Leave-one-out cross-validation of the loss, with its standard error.

        Parameters
        ----------
        method : {"newton", "exact"}
            One Newton step a row (approximate leave-one-out, ALO; exact for squared loss), or
            exact retraining.

        Returns
        -------
        CrossValidation
            ``.score`` and ``.std_error`` in the unit of the loss, ``.loss`` and
            ``.prediction`` (n,).

        Raises
        ------
        UnsupportedError
            For models of several predictions a row, networks and oracles, and on a cluster.
        """
        one_of(method, METHODS, "method")
        engine = single_output(self._engine, "cross_validation()")
        return cross_validate(engine, method, self._settings.progress)

    def prediction_interval(
        self, X_test: Any, alpha: float = 0.1, method: str = "exact", offset_test: Any = None
    ) -> FloatArray:
        """Jackknife+ prediction intervals, shape (t, 2): lower and upper bound of y.

        Covers a new label with probability at least 1 − 2·alpha for exchangeable rows, and
        about 1 − alpha in practice (Barber et al. 2021), whatever the model misses.

        Parameters
        ----------
        X_test : array_like, shape (t, d)
        alpha : float, default 0.1
        method : {"exact", "newton"}
            How the leave-one-out models are computed.
        offset_test : array_like, shape (t,), optional
            Required where the model was trained with an offset.

        Returns
        -------
        ndarray, shape (t, 2)
            In the unit of y.

        Raises
        ------
        InputError
            For wrong test rows, or an alpha outside 0 to 1.
        UnsupportedError
            For a loss of labels or one without a mean; for models of several predictions a row,
            networks and oracles, and on a cluster.
        """
        one_of(method, METHODS, "method")
        engine = single_output(self._engine, "prediction_interval()")
        test = self._problem.test_rows(X_test, None, offset_test)
        return jackknife_plus(engine, test, alpha, method, self._settings.progress)

    def covariance(self, groups: Any = None) -> FloatArray:
        """Infinitesimal-jackknife covariance of theta, shape (p, p).

        Σ u_i u_iᵀ with u_i the predicted change of theta by removing row i, centred: the
        sandwich (HC0) estimator, valid where the model's own variance is not.

        Parameters
        ----------
        groups : array_like, shape (n,), optional
            Cluster labels: rows of a cluster may then be dependent.

        Returns
        -------
        ndarray, shape (p, p)
            Units of theta_i·theta_j, in theta's order.

        Raises
        ------
        InputError
            For labels of another length, or a missing one.
        UnsupportedError
            If p×p takes more than 4 GiB; with ``groups`` on a cluster.
        """
        return infinitesimal_jackknife(self._engine, self._prepared, groups)
