"""Questions answered by removing rows: to first order, by a Newton step, exactly."""

from __future__ import annotations

from typing import Any

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.influence.scores import Scores
from fastinfluence.inputs import checked_rows, one_of, positive
from fastinfluence.removal import METHODS, Removal, RemovalSets, leave_out, leave_out_by_refit
from fastinfluence.sinks import Total
from fastinfluence.spec.units import loss_unit
from fastinfluence.validation import Validation, as_rows_or_count, choose_rows


class Removals(Scores):
    """Leave-one-out, leave-group-out, and the check of scores against them."""

    def leave_one_out(
        self, rows: Any = None, method: str = "influence", tol: float = 1e-10
    ) -> Removal:
        """The model without each row in turn.

        Parameters
        ----------
        rows : array_like of int, optional
            All rows by default.
        method : {"influence", "newton", "exact", "refit"}
            First order; one Newton step of the reduced objective, without what theta itself lacks
            of an optimum (∇R₋ᵢ − ∇R is its gradient); the exact optimum without the row; or the
            caller's own training: the estimator of ``from_estimator``, cloned, or ``refit=``.
        tol : float, default 1e-10
            ‖∇R‖ of each exact optimum.

        Returns
        -------
        Removal
            ``.theta`` (k, p), ``.on_loss(X_test, y_test)`` (t, k): new minus old.

        Raises
        ------
        InputError
            If a row is none of the n, or removing it leaves no weight.
        NoOptimumError
            If ``method="exact"`` and there is no optimum to start from.
        SolverError
            If first order needs a solution that did not converge.
        UnsupportedError
            If ``method="refit"`` and there is no training procedure.
        """
        return self._leave_out(RemovalSets.single(rows, self.n_rows), method, tol)

    def leave_group_out(
        self, groups: Any, method: str = "influence", tol: float = 1e-10
    ) -> Removal:
        """The model without each group of rows in turn.

        Parameters
        ----------
        groups : array_like, shape (n,), or list of index arrays
            Labels as in scikit-learn (one removal per distinct label, in sorted order), or
            the rows of each group.
        method, tol
            As in :meth:`leave_one_out`; "influence" is the sum of single-row removals.

        Returns
        -------
        Removal
            One entry per group; new minus old.

        Raises
        ------
        InputError
            For labels of another length, a missing one, or a group whose removal leaves no weight.
        NoOptimumError, SolverError, UnsupportedError
            As in :meth:`leave_one_out`.
        """
        return self._leave_out(RemovalSets.groups(groups, self.n_rows), method, tol)

    def _leave_out(self, sets: RemovalSets, method: str, tol: float) -> Removal:
        one_of(method, METHODS, "method")
        positive(tol, "tol")
        if method == "refit":
            if self._refit is None:
                raise UnsupportedError(
                    'method="refit" needs your own training procedure: give refit=, a function '
                    'of the rows that stay, use Influence.from_estimator, or method="exact"'
                )
            return leave_out_by_refit(self._engine, sets, self._refit, self._settings.progress)
        # First order alone needs H⁻¹: preparing it may warn about directions it drops.
        prepared = self._prepared if method == "influence" else None
        return leave_out(self._engine, prepared, sets, method, tol, self._settings.progress)

    def validate(
        self,
        X_test: Any,
        y_test: Any,
        rows: Any = 50,
        method: str = "exact",
        offset_test: Any = None,
        seed: int = 0,
    ) -> Validation:
        """Compare first-order predictions with actual removals.

        Parameters
        ----------
        X_test : array_like, shape (t, d)
        y_test : array_like, shape (t,)
        rows : int or array_like of int, default 50
            How many rows (half random, half largest |predicted|), or which.
        method : {"exact", "newton", "refit"}
            How the truth is computed, as in :meth:`leave_one_out`.
        offset_test : array_like, shape (t,), optional
            Required where the model was trained with an offset.
        seed : int, default 0
            Of the random half.

        Returns
        -------
        Validation
            ``.pearson``, ``.slope``, ``.max_abs_error``, each also for ``.random`` and
            ``.extreme`` rows; ``.predicted``, ``.actual`` (k,): change of the test loss summed
            over the test rows; ``.plot()``.

        Raises
        ------
        InputError
            For wrong test rows, or fewer than two rows.
        NoOptimumError, UnsupportedError
            As in :meth:`leave_one_out`.
        """
        one_of(method, METHODS[1:], "method")
        scores = self.on_loss(X_test, y_test, out=Total(), offset_test=offset_test)
        count = as_rows_or_count(rows)
        if count is None:
            chosen, n_random = checked_rows(rows, self.n_rows), 0
        elif count < 2:
            raise InputError(f"rows={rows!r}: validate at least 2 rows")
        else:
            chosen, n_random = choose_rows(scores, count, seed)
        removal = self.leave_one_out(chosen, method)
        actual = removal.on_loss(X_test, y_test, offset_test).sum(axis=0)
        unit = loss_unit(self._problem.spec.loss.name)
        return Validation(chosen, scores[chosen], actual, n_random, method, unit)
