"""Models fitted elsewhere: how an Influence is made of them."""

from __future__ import annotations

from typing import Any, Self

from fastinfluence.engines.oracle_probe import probe
from fastinfluence.fit import FitStatus
from fastinfluence.influence.base import InfluenceBase, Settings
from fastinfluence.inputs import positive_count
from fastinfluence.placement import checked_device
from fastinfluence.problem import Problem
from fastinfluence.progress import Progress
from fastinfluence.removal import Refit
from fastinfluence.solvers import Solver
from fastinfluence.spec.models import Reduction
from fastinfluence.types import FloatArray


class Sources(InfluenceBase):
    """Alternative constructors."""

    @classmethod
    def _of(
        cls,
        problem: Problem,
        theta: FloatArray,
        settings: Settings,
        status: FitStatus | None = None,
        refit: Refit | None = None,
    ) -> Self:
        out = cls.__new__(cls)
        out._setup(problem, theta, settings, status, refit)
        return out

    @classmethod
    def from_estimator(
        cls,
        fitted: Any,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        solver: Solver | str = "auto",
        damping: float = 0.0,
        curvature: str = "hessian",
        n_threads: int | None = None,
        progress: bool | Progress | None = None,
        temperature: float | None = None,
        max_rank: int = 2000,
        device: str = "cpu",
    ) -> Self:
        """Wrap a fitted model: scikit-learn's, glum's, skglm's, or statsmodels results.

        Parameters
        ----------
        fitted : estimator or results
            See the table of supported estimators in the guide.
        X, y : array_like
            What it was fitted on; of a Pipeline that ends with a model, before any step. Results of
            statsmodels hold both: leave them out, or give the same rows.
        sample_weight : array_like, shape (n,), optional
            What a scikit-learn model was fitted with. statsmodels results hold their weights.
        solver, damping, curvature, n_threads, progress, device
            As in :class:`Influence`. X is read on the host, then copied.
        temperature : float, optional
            For support vector machines: the width over which their hinge is smoothed for scores,
            at the weights trained on the hinge itself. In the unit of the margin (or, for
            regression, of y); by default 0.003 (of the standard deviation of y).
        max_rank : int, default 2000
            For kernel machines: how many features stand for the kernel. Exact for tables of up
            to as many rows; a Nyström approximation beyond, which the report then says.

        Returns
        -------
        Influence
            At the estimator's own parameters, in the layout of ``.spec``.

        Raises
        ------
        InputError
            For other rows or columns than it was fitted on, as far as that can be seen.
        UnsupportedError
            Naming the estimator or the option that is not supported, and what to do.
        """
        from fastinfluence.adapters import Margins, adapt

        settings = Settings.of(solver, damping, curvature, progress)
        checked_device(device)
        margins = Margins(temperature, positive_count(max_rank, "max_rank"))
        adapted = adapt(fitted, X, y, sample_weight, n_threads, margins)
        problem = adapted.problem.placed(device)
        out = cls._of(problem, adapted.theta, settings, refit=adapted.refit)
        if adapted.stationary:
            out._warn_if_far()
        return out

    @classmethod
    def from_torch(
        cls,
        module: Any,
        loss: Any,
        X: Any,
        y: Any,
        l2: Any = 0.0,
        sample_weight: Any = None,
        params: Any = None,
        penalize_intercept: bool = False,
        reduction: Reduction = "mean",
        mean: Any = None,
        refit: Any = None,
        batch: int = 1024,
        solver: Solver | str = "auto",
        damping: float = 0.0,
        curvature: str = "hessian",
        progress: bool | Progress | None = None,
    ) -> Self:
        """Wrap a trained torch module: all scores, through ``torch.func``.

        A copy of the module is used, in evaluation mode (dropout off, batch norm with its running
        statistics) and in float64, on the module's own device. ``theta`` is its parameters, raveled
        one after another in the order of ``named_parameters()``.

        Parameters
        ----------
        module : torch.nn.Module
            From a batch X to raw predictions (b,), (b, 1) or (b, K).
        loss : callable
            ``loss(f, y)`` of torch, such as ``torch.nn.functional.cross_entropy``, in any
            reduction; it is called with one row at a time (vectorised) and must be smooth.
        X, y : array_like or tensor
            Training rows of any shape, and targets as the loss takes them. Floating numbers are
            made float64, whole ones stay (class labels, token ids).
        l2 : float or dict of str to float, default 0.0
            Coefficient of ½·theta²: one number for all parameters but biases, or one for each
            parameter named. ``weight_decay`` of torch's SGD and Adam is this number, in the mean
            form, with ``penalize_intercept=True``.
        sample_weight : array_like, shape (n,), optional
        params : list of str, optional
            Names of the parameters that theta holds; by default those that require gradients. The
            others are constants.
        penalize_intercept : bool, default False
            Whether one number ``l2`` also applies to parameters named ``bias``.
        reduction : {"mean", "sum"}, default "mean"
            The form of the objective that was minimised.
        mean : callable, optional
            From raw predictions (b, ...) to means or probabilities, for ``output="mean"``. Known
            for cross_entropy, binary_cross_entropy_with_logits and mse_loss.
        refit : callable, optional
            Training procedure for ``method="refit"``: takes the positions of the rows that stay,
            returns a module of the same architecture, or theta (p,).
        batch : int, default 1024
            Most rows in one pass.
        solver, damping, curvature, progress
            As in :class:`Influence`.

        Returns
        -------
        Influence

        Raises
        ------
        InputError
            For a module without free parameters, names that it does not have, wrong shapes.
        OracleError
            Naming what torch refused, or derivatives that contradict each other: a loss that
            depends on other rows, a module that draws random numbers in evaluation mode.
        """
        from fastinfluence.adapters.torch_modules import Options, adapt_module

        settings = Settings.of(solver, damping, curvature, progress)
        rows = positive_count(batch, "batch")
        options = Options(l2, params, penalize_intercept, reduction, mean, refit, rows)
        adapted = adapt_module(module, loss, X, y, sample_weight, options)
        probe(adapted.problem, adapted.theta)
        out = cls._of(adapted.problem, adapted.theta, settings, refit=adapted.refit)
        out._warn_if_far()
        return out
