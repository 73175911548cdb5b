"""Questions answered to first order: one solve, one pass over the rows."""

from __future__ import annotations

from typing import Any, TypeVar, overload

import numpy as np

from fastinfluence.backend import CPU, adopted, contiguous, on_device, to_host
from fastinfluence.engines.glm import OUTPUTS
from fastinfluence.errors import InputError
from fastinfluence.influence.asked import asked_of, asks, checked_sink
from fastinfluence.influence.base import InfluenceBase
from fastinfluence.inputs import checked_rows, finite_matrix, one_of, positive_count
from fastinfluence.scoring import (
    Scale,
    SketchedScores,
    refuse_dear,
    self_influence,
    sketched_self_influence,
    stream_scores,
)
from fastinfluence.sinks import Matrix, Sink, Total
from fastinfluence.solvers import Solution
from fastinfluence.solvers.carried import there
from fastinfluence.types import Effect, FloatArray, IntArray

R = TypeVar("R")
T = TypeVar("T")


class Scores(InfluenceBase):
    """Inverse-Hessian-vector products and the scores they give."""

    @asks
    def ihvp(self, V: Any) -> Solution:
        """Inverse-Hessian-vector products H⁻¹V, with residuals and error bounds.

        Parameters
        ----------
        V : array_like, shape (p, t)

        Returns
        -------
        Solution
            ``.x`` has shape (p, t); errors and status have one entry per column.

        Raises
        ------
        InputError
            For another shape, NaN or infinity.
        """
        p = self._engine.n_params
        sides = self._here(V, "V")
        if sides.ndim == 1:
            sides = sides[:, None]
        if sides.ndim != 2 or sides.shape[0] != p:
            raise InputError(f"V has shape {np.shape(V)} but the model has p = {p}: give (p, t)")
        return self._home(self._prepared.solve(sides), V)

    @asks
    def on_params(self, rows: Any, effect: Effect = "removal") -> FloatArray:
        """Influence of each row on theta, shape (k, p).

        Parameters
        ----------
        rows : array_like of int, shape (k,)
            Training rows.
        effect : {"removal", "upweight"}
            The predicted theta₋ᵢ − theta, (w_i/W)·H⁻¹g_i; or −H⁻¹g_i (I_up,params, eq. 1).

        Returns
        -------
        ndarray, shape (k, p)
            In the units of theta, and in its order.

        Raises
        ------
        InputError
            If a row is none of the n.
        """
        engine = self._passes
        chosen: IntArray = engine.problem.backend.array(checked_rows(rows, self.n_rows))
        factors = Scale.of(effect, engine)[chosen][:, None]
        g = engine.row_gradients(chosen) + engine.fold
        return self._home(factors * self._solve(contiguous(g.T)).T, rows)

    @overload
    def on_loss(
        self,
        X_test: Any,
        y_test: Any,
        effect: Effect = ...,
        out: None = ...,
        offset_test: Any = ...,
    ) -> FloatArray: ...
    @overload
    def on_loss(
        self,
        X_test: Any,
        y_test: Any,
        effect: Effect = ...,
        *,
        out: Sink[R],
        offset_test: Any = ...,
    ) -> R: ...
    @asks
    def on_loss(
        self,
        X_test: Any,
        y_test: Any,
        effect: Effect = "removal",
        out: Sink[Any] | None = None,
        offset_test: Any = None,
    ) -> Any:
        """Influence of every training row on the loss of every test row, shape (t, n).

        I_up,loss of eq. 2 for ``effect="upweight"``; the predicted change of the test loss
        by removal otherwise. The test loss holds no penalty.

        Parameters
        ----------
        X_test : array_like, shape (t, d)
        y_test : array_like, shape (t,)
        effect : {"removal", "upweight"}
        out : None, fi.TopK(k), fi.Total() or fi.ParquetSink(path)
            An array by default; a :class:`TopKResult`, sums over the test rows, shape (n,), or
            files (:class:`ParquetScores`).
        offset_test : array_like, shape (t,), optional
            Required where the model was trained with an offset.

        Returns
        -------
        ndarray, shape (t, n), or what ``out`` makes of it
            In the unit of the loss. By removal positive: the row was helpful.

        Raises
        ------
        InputError
            For test rows of another width, NaN or infinity, unknown labels, a missing offset.
        """
        test = self._passes.problem.test_rows(X_test, y_test, offset_test)
        if test.y is None:
            raise InputError("y_test is needed: on_loss asks about the loss of labelled rows")
        gradients = self._passes.loss_gradients(test)
        return self._home(self._score("on_loss", gradients, effect, out), X_test)

    @asks
    def on_prediction(
        self,
        X_test: Any,
        output: str = "raw",
        effect: Effect = "removal",
        out: Sink[Any] | None = None,
        offset_test: Any = None,
    ) -> Any:
        """Influence of every training row on every test prediction, shape (t, n).

        Parameters
        ----------
        X_test : array_like, shape (t, d)
        output : {"raw", "mean"}
            The linear predictor f, or the mean or probability.
        effect, out, offset_test
            As in :meth:`on_loss`.

        Returns
        -------
        ndarray, shape (t, n), or what ``out`` makes of it
            In the unit of the prediction; by removal positive: it rises without the row. With K
            classes the last axis counts them: (t, n, K), and so it does in what ``out`` returns.

        Raises
        ------
        InputError
            For test rows of another width, NaN or infinity, a missing offset.
        UnsupportedError
            If ``output="mean"`` and the loss has no mean.
        """
        one_of(output, OUTPUTS, "output")
        test = self._passes.problem.test_rows(X_test, None, offset_test)
        gradients = self._passes.prediction_gradients(test, output)
        K = self._problem.n_outputs
        return self._home(self._score("on_prediction", gradients, effect, out, K=K), X_test)

    @overload
    def self_influence(
        self, effect: Effect = ..., sketch: None = ..., seed: int = ..., out: None = ...
    ) -> FloatArray: ...
    @overload
    def self_influence(
        self, effect: Effect = ..., *, sketch: int, seed: int = ..., out: None = ...
    ) -> SketchedScores: ...
    @overload
    def self_influence(
        self, effect: Effect = ..., sketch: None = ..., seed: int = ..., *, out: Sink[R]
    ) -> R: ...
    @asks
    def self_influence(
        self,
        effect: Effect = "removal",
        sketch: int | None = None,
        seed: int = 0,
        out: Sink[Any] | None = None,
    ) -> Any:
        """Every row's influence on its own loss, shape (n,).

        ``"removal"``: (w_i/W)·∇l_iᵀH⁻¹g_i, zero or positive up to the penalty's term. Large
        values mark rows that the model fits only because they are there. One solve for each
        row, shared between rows where H is factorised; ``solver="auto"`` chooses once more for
        so many.

        Parameters
        ----------
        effect : {"removal", "upweight"}
        sketch : int, optional
            Estimate from this many random solves instead of one per row, where H is too large
            to factorise: 200 give a relative standard error of 10 %. Returns an object with
            ``.values`` and ``.std_error``, each (n,).
        seed : int, default 0
            Of the sketch.
        out : None, fi.TopK(k) or fi.ParquetSink(path)
            An array by default; a :class:`TopKResult` of one test quantity (t = 1), or files
            (:class:`ParquetScores`). Not with a sketch, which holds all rows in memory.

        Returns
        -------
        ndarray, shape (n,), SketchedScores, or what ``out`` makes of it
            In the unit of the loss.

        Raises
        ------
        UnsupportedError
            If ``solver="auto"`` chose CG and n solves would take too long; if a sketch is asked
            for where a row bends downwards.
        """
        sink = checked_sink(out) or Total()  # over one test quantity: its scores, (n,)
        if sketch is None:
            if isinstance(self._settings.solver, str):
                refuse_dear(self._engine, self._choice_for_rows.solver)
            sink = asked_of(self, sink, "self_influence", effect)
            prepared, progress = self._prepared_for_rows, self._settings.progress
            return self._home(self_influence(self._passes, prepared, effect, sink, progress))
        if out is not None:
            raise InputError("a sketch holds all rows in memory: leave out= away, or sketch=")
        k = positive_count(sketch, "sketch")
        operator, progress = there(self.hessian), self._settings.progress
        return self._home(
            sketched_self_influence(
                operator, self._passes, self._prepared, effect, k, seed, progress
            )
        )

    def _score(
        self,
        method: str,
        gradients: FloatArray,
        effect: Effect,
        out: Sink[Any] | None,
        direct: FloatArray | None = None,
        K: int = 1,
    ) -> Any:
        """Scores of quantities with these gradients (t·K, p), K for each test row."""
        sink = checked_sink(out) or Matrix()
        Scale.of(effect, self._engine)
        engine, backend = self._passes, self._passes.problem.backend
        S = self._solve(contiguous(backend.array(gradients).T))
        through = None if direct is None else backend.array(direct)
        sink = asked_of(self, sink, method, effect, S, direct, K)
        return stream_scores(engine, S, effect, sink, through, self._settings.progress)

    def _here(self, values: Any, what: str) -> FloatArray:
        """A caller's numbers, checked, where the passes run."""
        given = adopted(values)
        backend = self._passes.problem.backend
        if on_device(given) and backend is not CPU:
            if not np.isfinite(given).all():
                raise InputError(f"{what} holds NaN or infinity")
            return contiguous(given)
        checked: FloatArray = backend.array(finite_matrix(given, what))
        return checked

    def _home(self, result: T, *given: Any) -> T:
        """A result in the host's memory; where it is, if X or what was given lies on a device."""
        if self._passes is self._engine or self._problem.keeps_results:
            return result
        if any(on_device(adopted(values)) for values in given):
            return result
        return to_host(result)
