"""The façade: a fitted model and its training table, asked which rows made it so."""

from __future__ import annotations

import warnings
from typing import Any, Self

from fastinfluence.engines.oracle_probe import probe
from fastinfluence.errors import FastInfluenceWarning, InputError
from fastinfluence.fit import FitStatus, minimize
from fastinfluence.influence.account import Report, make_report
from fastinfluence.influence.base import Settings
from fastinfluence.influence.functions import Functions
from fastinfluence.influence.replacements import Replacements
from fastinfluence.influence.saving import Saving
from fastinfluence.influence.sources import Sources
from fastinfluence.influence.statistics import Statistics
from fastinfluence.influence.subsets import Subsets
from fastinfluence.inputs import checked_theta, positive
from fastinfluence.problem import Problem, Spec
from fastinfluence.progress import Progress
from fastinfluence.removal import Refit, checked_refit
from fastinfluence.solvers import Solver
from fastinfluence.spec.mlp import MLP
from fastinfluence.spec.oracle import Oracle
from fastinfluence.start import starting_point
from fastinfluence.streaming import build
from fastinfluence.types import FloatArray


class Influence(Statistics, Subsets, Replacements, Functions, Sources, Saving):
    """Influence of training rows on a fitted model (Koh & Liang 2017).

    Never fits: ``theta`` is taken as it is. Use :meth:`fit` to fit, :meth:`from_estimator` for
    a model fitted by scikit-learn or statsmodels, :meth:`from_torch` for a torch module.

    Scores are in the unit of the quantity asked about. ``effect="removal"`` (default) is the
    predicted change when row i is removed, +(w_i/W)·∇fᵀH⁻¹g_i, so that on a loss a positive
    score means that the row was helpful. ``effect="upweight"`` is the paper's
    I_up = −∇fᵀH⁻¹g_i (eq. 1 and 2), and removal = −(w_i/W)·upweight.

    Parameters
    ----------
    spec : GLM, MLP or Oracle
        What was minimised.
    X : array_like, shape (n, d)
        Training rows: a NumPy array, or a pandas, polars or Arrow table. Not copied. For an oracle
        any container of n rows: an array or a tensor of any shape, a frame, a list. Or a table of
        ``fi.rows`` that is streamed, which holds y, weights and offset: leave those out.
    y : array_like, shape (n,)
        Targets. For two-class losses any two labels; the larger one is the positive one. For
        "multinomial" any labels: their sorted distinct values are the K classes.
    theta : array_like, shape (p,)
        Coefficients, then the intercept; for K classes a table (d [+ 1], K) raveled in C order.
    sample_weight, offset : array_like, shape (n,), optional
        For K classes the offset is (n, K).
    solver : "auto" or a solver of ``fi.solvers``, default "auto"
    damping : float, default 0.0
        Added to H's diagonal for scores; never enters fitting, "exact" or "refit".
    curvature : {"hessian", "gauss-newton", "fisher"}, default "hessian"
        The observed Hessian, its Gauss–Newton form (the same for a GLM), or its expectation
        under the model.
    device : {"cpu", "cuda"}, default "cpu"
        Where passes over the rows run: "cuda" for an NVIDIA GPU, which needs CuPy. X may lie there
        already; results then stay there.
    n_threads : int, optional
        Threads of this library's own kernels; by default all that the process may use.
    progress : bool or callable, optional
        True prints a line on a terminal; a callable gets (phase, done, total).
    refit : callable, optional
        Your own training procedure, for ``method="refit"``: takes the positions of the rows that
        stay (m,) and returns theta (p,). It should start and draw the same way each time.

    Raises
    ------
    InputError
        For wrong shapes, NaN or infinity, labels outside the loss's domain.
    LossError
        If the loss has no finite derivatives at ``theta``.
    OracleError
        If an oracle's callables contradict each other on the rows they are tried on.
    """

    def __init__(
        self,
        spec: Spec,
        X: Any,
        y: Any = None,
        theta: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        solver: Solver | str = "auto",
        damping: float = 0.0,
        curvature: str = "hessian",
        device: str = "cpu",
        n_threads: int | None = None,
        progress: bool | Progress | None = None,
        refit: Refit | None = None,
    ) -> None:
        settings = Settings.of(solver, damping, curvature, progress)
        if theta is None:
            raise InputError("theta=… is needed: Influence never fits; fi.Influence.fit does")
        spec = spec.sized(theta) if isinstance(spec, Oracle) else spec
        problem = build(spec, X, y, sample_weight, offset, device, n_threads, settings.progress)
        self._start(problem, _theta_for(problem, theta), settings, refit)
        self._warn_if_far()

    def _start(
        self, problem: Problem, theta: FloatArray, settings: Settings, refit: Refit | None
    ) -> None:
        """What is given, checked before it is used."""
        if isinstance(problem.spec, Oracle):
            probe(problem, theta)
        trusted = None if refit is None else checked_refit(refit, problem.n_params)
        self._setup(problem, theta, settings, refit=trusted)

    @classmethod
    def fit(
        cls,
        spec: Spec,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        solver: Solver | str = "auto",
        damping: float = 0.0,
        curvature: str = "hessian",
        device: str = "cpu",
        n_threads: int | None = None,
        progress: bool | Progress | None = None,
        tol: float = 1e-9,
        theta: Any = None,
        seed: int | None = None,
    ) -> Self:
        """Minimise the objective, then wrap the optimum.

        Parameters
        ----------
        spec, X, y, sample_weight, offset, solver, damping, curvature, device, n_threads, progress
            As in :class:`Influence`.
        tol : float, default 1e-9
            Stop when ‖∇R‖ ≤ tol and max_j |(H⁻¹∇R)_j| ≤ tol·(1 + ‖theta‖∞).
            ``infl.fit_status`` says so where rounding forbids the first.
        theta : array_like, shape (p,), optional
            Where to start: zeros by default, or a constant inside the loss's domain; for an MLP
            random weights.
        seed : int, optional
            Of an MLP's random weights; 0 by default.

        Returns
        -------
        Influence
            Its ``fit_status`` says how the fit ended.

        Raises
        ------
        InputError
            As :class:`Influence`.
        NoOptimumError
            If no finite optimum exists (separable data, an empty category). An MLP never raises
            it: where no stationary point is reached, a warning and ``fit_status`` say so.
        """
        positive(tol, "tol")
        settings = Settings.of(solver, damping, curvature, progress)
        spec = spec.sized(theta) if isinstance(spec, Oracle) else spec
        problem = build(spec, X, y, sample_weight, offset, device, n_threads, settings.progress)
        start = starting_point(problem, seed) if theta is None else _theta_for(problem, theta)
        if isinstance(spec, Oracle):
            probe(problem, start)
        chosen = None if isinstance(solver, str) else solver
        best, status = minimize(problem, start, tol, chosen, settings.progress)
        _warn_if_unfinished(status)
        return cls._of(problem, best, settings, status)

    def polish(self, tol: float = 1e-9) -> Self:
        """A new Influence at the optimum, by Newton's method from this theta.

        Parameters
        ----------
        tol : float, default 1e-9
            As in :meth:`fit`.

        Returns
        -------
        Influence

        Raises
        ------
        NoOptimumError
            If no finite optimum exists.
        """
        solver = self._settings.solver
        chosen = None if isinstance(solver, str) else solver
        theta, status = minimize(
            self._problem, self._engine.theta, tol, chosen, progress=self._settings.progress
        )
        _warn_if_unfinished(status)
        return type(self)._of(self._problem, theta, self._settings, status, self._refit)

    def report(self) -> Report:
        """Solver and why, conditioning, warnings, and a refit of ten rows where that is cheap.

        Returns
        -------
        Report
            Print it, or write a page by ``.to_html(path)``.
        """
        return make_report(self)


def _warn_if_unfinished(status: FitStatus) -> None:
    if not status.stationary:
        warnings.warn(f"the fit ended {status.message}", FastInfluenceWarning, stacklevel=3)


def _theta_for(problem: Problem, theta: Any) -> FloatArray:
    d, K = problem.rows.n_features, problem.n_outputs
    layout = ""
    if isinstance(problem.spec, Oracle):
        layout = "as the oracle's callables take it"
    if isinstance(problem.spec, MLP):
        shapes = ", ".join(map(str, problem.spec.shapes(d, K)))
        layout = f"W1, b1, W2, b2, … raveled in C order, W of shapes {shapes}"
    return checked_theta(theta, problem.n_params, d, K, layout)
