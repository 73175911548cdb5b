"""Questions about chosen rows, penalties and weights."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.engines.base import Engine
from fastinfluence.errors import InputError
from fastinfluence.fit import minimize
from fastinfluence.flips import Flip, InfluentialSubset
from fastinfluence.influence.asked import asks
from fastinfluence.influence.removals import Removals
from fastinfluence.inputs import non_negative, positive_count
from fastinfluence.problem import Problem, TestRows
from fastinfluence.quantity import Quantity
from fastinfluence.removal import Refit, RemovalSets
from fastinfluence.sensitivity import Penalised, by_penalty
from fastinfluence.sinks import Sink
from fastinfluence.solvers.carried import chosen, prepare
from fastinfluence.streaming import stream_of
from fastinfluence.subsets import SubsetSearch
from fastinfluence.targets import Target, function
from fastinfluence.targets.base import checked_target
from fastinfluence.types import FloatArray
from fastinfluence.unlearning import keep_rows, refit_of_kept, rows_that_stay, silenced


class Subsets(Removals):
    """The most influential subset, unlearning, and sensitivity to l2 and to weights."""

    def most_influential_subset(
        self,
        gradient: Any,
        max_rows: int,
        direction: int = 1,
        verify: bool = True,
        groups: Any = None,
        direct: Any = None,
        function: Any = None,
        tol: float = 1e-10,
    ) -> InfluentialSubset:
        """The rows whose joint removal moves a function of theta most (AMIP).

        To first order the effect of a set is the sum of its rows' removal scores, so the set
        is the largest ``direction``·score; rows that do not help the direction stay
        (Broderick, Giordano & Meager 2020). A refit without them says how far that is true.

        Parameters
        ----------
        gradient : array_like, shape (p,), or a target of ``fi.targets``
            Gradient of the function at theta.
        max_rows : int
            Most rows, or with ``groups`` most clusters, that may leave.
        direction : {1, -1}
            Raise the function, or lower it.
        verify : bool, default True
            Refit exactly without the rows.
        groups : array_like, shape (n,), or list of index arrays, optional
            Clusters that leave together, as in :meth:`leave_group_out`.
        direct : array_like, shape (n,), optional
            Derivative of the function by each sample weight at fixed theta.
        function : callable, optional
            The function of theta, or of (theta, weights), for the refit's change; by default
            it is taken as linear, gradient·Δtheta (and Σ direct_i Δw_i).
        tol : float, default 1e-10
            ‖∇R‖ of the refit.

        Returns
        -------
        InfluentialSubset
            ``.rows``; ``.predicted`` and ``.actual``, change of the function, new minus old.

        Raises
        ------
        InputError
            For a wrong gradient or target, overlapping groups, or a ``max_rows`` that would leave
            none.
        UnsupportedError
            For a target that is not defined for this kind of model.
        """
        if not isinstance(direction, (int, np.integer)) or direction not in (1, -1):
            raise InputError(f"direction={direction!r} must be 1 (raise) or -1 (lower)")
        quantity = self._quantity(gradient, direct, function)
        search = self._search(quantity, max_rows, groups, tol)
        return search.most_influential(int(direction), bool(verify))

    def smallest_flip(
        self,
        target: Target,
        max_rows: int | None = None,
        groups: Any = None,
        verify: bool = True,
        steps: int = 10,
        trim: bool = False,
        tol: float = 1e-10,
    ) -> Flip:
        """How few rows flip a conclusion: the fewest by first order, confirmed by a refit.

        Where the refit does not confirm, the set grows by rows chosen from a linearisation at
        the refitted model, and is refitted again; ``.attempts`` has every set tried.

        Parameters
        ----------
        target : a target of ``fi.targets``
            ``coefficient("age")``, ``significance("age")``, ``parity_gap(X_test, group)``, …
        max_rows : int, optional
            Most rows, or with ``groups`` most clusters, that may leave; by default half.
        groups : array_like, shape (n,), or list of index arrays, optional
            Clusters that leave together, as in :meth:`leave_group_out`.
        verify : bool, default True
            Refit exactly; otherwise ``.flipped`` is None.
        steps : int, default 10
            How often an unconfirmed set may grow.
        trim : bool, default False
            Look by bisection for the shortest head of a confirmed set whose refit flips too
            (log₂ more refits); always done where first order found no set.
        tol : float, default 1e-10
            ‖∇R‖ of each refit.

        Returns
        -------
        Flip
            ``.rows``, ``.n_rows``, ``.share``; ``.predicted`` and ``.actual``, change of the
            quantity; ``.flipped``, True only where a refit without the rows changed the sign.

        Raises
        ------
        InputError
            As in :meth:`most_influential_subset`, or where the target is exactly 0.
        UnsupportedError
            For a target that is not defined for this kind of model.
        """
        growth = int(non_negative(steps, "steps"))
        search = self._search(checked_target(target).bind(self._engine), max_rows, groups, tol)
        return search.smallest_flip(bool(verify), growth, bool(trim))

    def on_l2(
        self, X_test: Any, y_test: Any, per_coefficient: bool = False, offset_test: Any = None
    ) -> FloatArray:
        """Derivative of each test loss by the spec's l2, shape (t,).

        dtheta/dl2_j = −theta_j H⁻¹e_j in mean form, divided by W in sum form; positive: a
        larger penalty makes the test loss worse. With damping H holds it too, and the
        derivative is approximate.

        Parameters
        ----------
        X_test : array_like, shape (t, d)
        y_test : array_like, shape (t,)
        per_coefficient : bool, default False
            One derivative for each parameter's own l2, shape (t, p), the intercept's included
            also where it is not penalised.
        offset_test : array_like, shape (t,), optional
            Required where the model was trained with an offset.

        Returns
        -------
        ndarray, shape (t,) or (t, p)
            Unit of the loss per unit of l2, in the spec's own reduction.

        Raises
        ------
        InputError
            For test rows of another width, NaN or infinity, unknown labels, a missing offset.
            If the spec has one l2 per coefficient and ``per_coefficient`` is not set.
        """
        test = self._labelled(X_test, y_test, offset_test, "on_l2")
        share = None if per_coefficient else Penalised.of(self._engine).share
        gradients = self._engine.loss_gradients(test)
        each = by_penalty(self._engine, self._solve(np.ascontiguousarray(gradients.T)))
        return each if share is None else each @ share

    @asks
    def on_weights(
        self, X_test: Any, y_test: Any, out: Sink[Any] | None = None, offset_test: Any = None
    ) -> Any:
        """Derivative of each test loss by every sample weight, shape (t, n).

        −(1/W)·∇l_testᵀH⁻¹g_i in either form: I_up,loss of eq. 2 per unit of weight, since
        ε = dw_i/W there. Positive: more weight on row i makes the test loss worse. W moves
        with the weight.

        Parameters
        ----------
        X_test : array_like, shape (t, d)
        y_test : array_like, shape (t,)
        out : None, fi.TopK(k), fi.Total() or fi.ParquetSink(path)
            As in :meth:`on_loss`. TopK's ``.helpful`` are the most negative derivatives.
        offset_test : array_like, shape (t,), optional
            Required where the model was trained with an offset.

        Returns
        -------
        ndarray, shape (t, n), or what ``out`` makes of it
            Unit of the loss per unit of weight.

        Raises
        ------
        InputError
            For test rows of another width, NaN or infinity, unknown labels, a missing offset.
        """
        test = self._labelled(X_test, y_test, offset_test, "on_weights", self._passes.problem)
        gradients = self._passes.loss_gradients(test) / self._problem.W
        return self._home(self._score("on_weights", gradients, "upweight", out), X_test)

    def without(self, rows: Any, tol: float = 1e-9) -> Self:
        """A new Influence at the exact optimum without these rows; can be chained.

        Row i of the new object is the i-th row that stays. Labels, weights, offset and
        settings are kept; X is viewed, not copied: each pass reads the source's blocks and
        leaves out the rows that are gone. Of a streamed table every row keeps its position, and
        those that are gone weigh nothing.

        Parameters
        ----------
        rows : array_like of int, or boolean mask of shape (n,)
            Positions among the rows of this object.
        tol : float, default 1e-9
            As in :meth:`fit`; Newton's method starts from the present theta.

        Returns
        -------
        Influence

        Raises
        ------
        InputError
            If a row is none of the n, or none would stay.
        NoOptimumError
            If what stays has no finite optimum.
        """
        if not non_negative(tol, "tol") > 0:
            raise InputError("tol must be positive")
        settings = self._settings
        problem, refit = self._reduced(rows)
        solver = None if isinstance(settings.solver, str) else settings.solver
        theta, status = minimize(problem, self._engine.theta, tol, solver, settings.progress)
        out = type(self).__new__(type(self))
        out._setup(problem, theta, settings, status, refit)
        return out

    def _reduced(self, rows: Any) -> tuple[Problem, Refit | None]:
        """The problem without some rows, and the caller's refitting of what stays."""
        if stream_of(self._problem) is not None:
            return silenced(self._problem, rows), self._refit
        kept = rows_that_stay(self._problem, rows)
        return keep_rows(self._problem, kept), refit_of_kept(self._refit, kept)

    # -- in common ---------------------------------------------------------------------

    def _quantity(self, gradient: Any, direct: Any, call: Any) -> Quantity:
        if hasattr(gradient, "bind"):
            if direct is not None or call is not None:
                raise InputError("a target brings its own direct and function: leave them out")
            return checked_target(gradient).bind(self._engine)
        if call is not None and not callable(call):
            raise InputError(f"function={call!r} is not callable: give a function of theta (p,)")
        return function(0.0 if call is None else call, gradient, direct).bind(self._engine)

    def _search(
        self, quantity: Quantity, max_rows: int | None, groups: Any, tol: float
    ) -> SubsetSearch:
        n = self.n_rows
        sets = RemovalSets.single(None, n) if groups is None else RemovalSets.groups(groups, n)
        if len(np.unique(sets.rows)) < len(sets.rows):
            raise InputError("groups overlap: a row may belong to one cluster only")
        limit = len(sets) // 2 if max_rows is None else positive_count(max_rows, "max_rows")
        if max_rows is not None and limit >= len(sets) and len(np.unique(sets.rows)) == n:
            what = "rows" if groups is None else "groups"
            raise InputError(
                f"max_rows={max_rows} but there are {len(sets)} {what}: at least one must stay"
            )
        accuracy = non_negative(tol, "tol")
        progress = self._settings.progress
        return SubsetSearch(
            self._engine, self._solve_at, quantity, sets, max(limit, 1), accuracy, progress
        )

    def _solve_at(self, engine: Engine, sides: FloatArray) -> FloatArray:
        """H⁻¹ of this model, or of a refit without some rows."""
        if engine is self._engine:
            return self._solve(sides)
        operator = Curvature(engine, self._settings.damping)
        solver = self._settings.solver
        best = chosen(operator).solver if isinstance(solver, str) else solver
        return prepare(best, operator).apply(sides)

    def _labelled(
        self, X_test: Any, y_test: Any, offset_test: Any, name: str, where: Problem | None = None
    ) -> TestRows:
        test = (where or self._problem).test_rows(X_test, y_test, offset_test)
        if test.y is None:
            raise InputError(f"y_test is needed: {name} asks about the loss of labelled rows")
        return test
