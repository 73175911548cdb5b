"""What was done, how far it can be trusted, and a small proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fastinfluence.errors import SolverError
from fastinfluence.files import whole_file
from fastinfluence.removal import RemovalSets, leave_out
from fastinfluence.solvers import Solution
from fastinfluence.solvers.spectrum import needed_damping
from fastinfluence.types import FloatArray, IntArray
from fastinfluence.validation import Agreement, choose_rows

if TYPE_CHECKING:
    from fastinfluence.influence.base import InfluenceBase
    from fastinfluence.influence.facade import Influence

PROOF_OPERATIONS = 2e9
"""Multiply-adds that take under a second on one core: ten exact refits are made below it."""
PROOF_ROWS = 10
EXPECTED_PASSES = 8


@dataclass(frozen=True)
class Report:
    """Account of a model and its solver.

    Attributes
    ----------
    model : str
        Loss, size and objective.
    gradient_norm, relative_gradient : float
        ‖∇R(theta)‖₂, and its largest entry relative to what the sum cancels from.
    fit : str
        How the fit ended, where this library made it.
    solver : str
        The solver and why it was chosen.
    condition : float
        Condition number of the scaled curvature, or NaN where unknown.
    lambda_min : float
        Smallest eigenvalue of the damped curvature: a lower bound where
        ``lambda_min_is_certain``, else an estimate.
    rank_deficiency, negative_directions : int
    error_bound : float
        ‖x − H⁻¹b‖ of one solve, b the gradient of row 0: a bound where
        ``error_bound_is_certain``, else the estimate ‖residual‖/λ_min.
    error_bound_is_certain : bool
    proof : Agreement or None
        Predicted against exact self-influence of ten refitted rows, five random and five
        extreme; None where that would take more than about a second.
    proof_rows : ndarray of int
        Random ones first, ``proof_random`` of them.
    proof_predicted, proof_actual : ndarray
        What ``proof`` compares, for each of ``proof_rows``.
    suggested_damping : float
        A damping that makes H positive definite, by the Lanczos estimate of its smallest
        eigenvalue; 0 where none is needed.
    warnings : tuple of str
    """

    model: str
    gradient_norm: float
    relative_gradient: float
    fit: str
    solver: str
    condition: float
    lambda_min: float
    lambda_min_is_certain: bool
    rank_deficiency: int
    negative_directions: int
    error_bound: float
    error_bound_is_certain: bool
    proof: Agreement | None
    proof_rows: IntArray
    suggested_damping: float
    warnings: tuple[str, ...]
    influence: Influence = field(repr=False, compare=False)
    proof_predicted: FloatArray = field(repr=False, compare=False)
    proof_actual: FloatArray = field(repr=False, compare=False)
    proof_random: int = 0

    def to_html(
        self, path: str | PathLike[str] | None = None, top: int = 10, title: str | None = None
    ) -> str:
        """The report as one HTML file, with the rows that stand out, plots and warnings.

        Fetches nothing and runs no script; needs matplotlib. Computes the self-influence of every
        row, and classical diagnostics where the model has them and they take under a minute.

        Parameters
        ----------
        path : path, optional
            Where to write it too, as a whole or not at all.
        top : int, default 10
            Training rows shown.
        title : str, optional

        Returns
        -------
        str
            The text of the file.

        Raises
        ------
        UnsupportedError
            If matplotlib is not installed.
        StorageError
            If the file cannot be written.
        """
        from fastinfluence.report import model_page

        if path is None:
            return str(model_page(self, top, title))
        with whole_file(Path(path)) as file:  # refused before the work where it cannot be made
            text = str(model_page(self, top, title))
            file.write(text.encode())
        return text

    def __str__(self) -> str:
        known = "at least" if self.lambda_min_is_certain else "about"
        lines = [
            f"model      {self.model}",
            f"theta      {self.fit}; gradient ‖∇R‖ = {self.gradient_norm:.2e} "
            f"(relative {self.relative_gradient:.1e})",
            f"solver     {self.solver}",
            f"curvature  smallest eigenvalue {known} {self.lambda_min:.2e}, "
            f"condition {self.condition:.1e}",
            f"error      ‖x − H⁻¹b‖ {'≤' if self.error_bound_is_certain else 'about'} "
            f"{self.error_bound:.1e} for one right-hand side",
        ]
        if self.proof is None:
            lines.append(
                "proof      not run: ten refits would take over a second, or R is not convex; "
                "infl.validate(...) makes them"
            )
        else:
            lines.append(
                f"proof      {len(self.proof_rows)} rows refitted exactly: pearson "
                f"{self.proof.pearson:.4f}, slope {self.proof.slope:.3f}"
            )
        lines += [f"warning    {text}" for text in self.warnings]
        return "\n".join(lines)


def make_report(infl: Influence) -> Report:
    """Collect the account of one Influence."""
    problem, conditioning = infl._problem, infl._prepared.conditioning
    spec = problem.spec
    lowest, damping = conditioning.lambda_min, 0.0
    if not infl._engine.convex:
        lowest, damping = needed_damping(infl.hessian)
    probe = infl._prepared.solve(infl._engine.row_gradients(np.zeros(1, dtype=np.intp)).T.copy())
    rows, n_random, predicted, actual = _proof(infl)
    status = infl.fit_status
    return Report(
        model=f"{spec.loss.name}, n = {problem.n_rows}, p = {problem.n_params}, "
        f"{spec.reduction} form, damping {infl._settings.damping:g}{_origin(infl)}",
        gradient_norm=infl.gradient_norm,
        relative_gradient=infl.relative_gradient,
        fit="given" if status is None else f"fitted in {status.iterations} steps, {status.message}",
        solver="; ".join(filter(None, (infl._choice.reason, conditioning.note))),
        condition=conditioning.condition,
        lambda_min=lowest,
        lambda_min_is_certain=conditioning.certain and infl._engine.convex,
        rank_deficiency=conditioning.null_space.shape[1],
        negative_directions=conditioning.negative,
        error_bound=float(probe.error_bound[0]),
        error_bound_is_certain=probe.bound_is_certain,
        proof=Agreement.of(predicted, actual) if len(predicted) else None,
        proof_rows=rows,
        suggested_damping=damping,
        warnings=tuple(_warnings(infl, probe, lowest, damping)),
        influence=infl,
        proof_predicted=predicted,
        proof_actual=actual,
        proof_random=n_random,
    )


def _origin(infl: InfluenceBase) -> str:
    """What stands behind the features and the loss, where they are not the caller's own."""
    problem, told = infl._problem, []
    if problem.space is not None:
        told.append(problem.space.note)
    if problem.sharp_loss is not None:
        width = problem.spec.loss.params["t"]
        told.append(f"a hinge smoothed over {width:.3g} for scores")
    return "".join(f"; {text}" for text in told)


def _proof(infl: InfluenceBase) -> tuple[IntArray, int, FloatArray, FloatArray]:
    """Ten rows, how many are random, predicted and exact change of their own loss.

    No rows where that is not cheap, no changes where they cannot be had.
    """
    engine, problem = infl._engine, infl._problem
    n, p, nothing = problem.n_rows, problem.n_params, np.zeros(0)
    cost = n * p * (p + 2 * PROOF_ROWS * EXPECTED_PASSES) + 10 * p**3
    if cost > PROOF_OPERATIONS or n < 3 or not engine.convex:
        return np.zeros(0, dtype=np.intp), 0, nothing, nothing
    chosen, n_random = choose_rows(engine.row_sizes, PROOF_ROWS)
    present = problem.w[chosen] > 0
    rows, n_random = chosen[present], int(present[:n_random].sum())
    if infl._prepared.conditioning.null_space.shape[1] or not len(rows):
        return rows, n_random, nothing, nothing
    sets = RemovalSets(rows, np.arange(len(rows) + 1))
    try:
        first = leave_out(engine, infl._prepared, sets, "influence")
    except SolverError:  # the report's warnings say why
        return rows, n_random, nothing, nothing
    exact = leave_out(engine, infl._prepared, sets, "exact", tol=1e-8)
    predicted, actual = (
        _own_change(infl, removal.theta - removal.theta_old, rows) for removal in (first, exact)
    )
    return rows, n_random, predicted, actual


def _own_change(infl: InfluenceBase, moves: FloatArray, rows: IntArray) -> FloatArray:
    """Change of each removed row's own loss along its gradient, shape (k,)."""
    return np.asarray(np.einsum("ij,ij->i", infl._engine.row_gradients(rows), moves))


def _warnings(infl: InfluenceBase, probe: Solution, lowest: float, damping: float) -> list[str]:
    conditioning = infl._prepared.conditioning
    found = []
    if not probe.converged.all():
        found.append(f"the solver did not converge: {probe.status[0]}")
    trained_smooth = infl._problem.sharp_loss is None or infl.fit_status is not None
    if infl.relative_gradient > 1e-3 and trained_smooth:
        found.append("theta is not stationary, scores assume that it is: use infl.polish()")
    if conditioning.null_space.shape[1]:
        found.append("H is singular: minimum-norm solutions (collinear columns?)")
    if damping > 0:
        count = (
            f"{conditioning.negative} negative eigenvalues, the" if conditioning.negative else "a"
        )
        found.append(
            f"H has {count} smallest about {lowest:.2e}: damping={damping:.2g} makes it positive, "
            "or use curvature='gauss-newton'"
        )
    if conditioning.condition > 1e12:
        found.append("H is nearly singular: scores may hold few correct digits; scale the columns")
    return found
