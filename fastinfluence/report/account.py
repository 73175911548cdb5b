"""Sections that every page has: the solver, how far its numbers hold, and a proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastinfluence import plots
from fastinfluence.influence.account import Report
from fastinfluence.report.html import Child, Html, number
from fastinfluence.report.page import Section
from fastinfluence.report.pictures import Picture, gallery
from fastinfluence.report.pieces import facts, paragraph
from fastinfluence.validation import Validation

if TYPE_CHECKING:
    from fastinfluence.influence import Influence


def solver_section(report: Report) -> Section:
    """Which solver answered, why, and the numbers that say how far it can be trusted."""
    known = "at least" if report.lambda_min_is_certain else "about"
    certain = report.error_bound_is_certain
    error = f"{'≤' if certain else 'about'} {number(report.error_bound)}"
    pairs: list[tuple[str, Child]] = [
        ("fit", report.fit),
        ("solver, and why", report.solver),
        ("gradient ‖∇R‖ at theta", number(report.gradient_norm)),
        ("largest entry, relative to its terms", number(report.relative_gradient)),
        (f"error of one solution, {'bound' if certain else 'estimate'}", error),
        ("smallest eigenvalue of the curvature", f"{known} {number(report.lambda_min)}"),
        ("condition number", number(report.condition)),
    ]
    if report.rank_deficiency:
        pairs.append(("directions without curvature, left out", str(report.rank_deficiency)))
    if report.negative_directions:
        pairs.append(("directions of negative curvature", str(report.negative_directions)))
    if report.suggested_damping:
        pairs.append(("damping that would make it positive", number(report.suggested_damping)))
    body = [
        facts(pairs),
        paragraph(
            "Scores assume that theta is an optimum: the gradient should vanish to rounding. The "
            "error is the distance ‖x − H⁻¹b‖ of a computed solution from the true one: ‖residual‖ "
            "divided by the smallest eigenvalue, and as a bound also what rounding may hide."
        ),
    ]
    return Section("solver", "Solver, residuals and error bounds", body)


def proof_section(report: Report, infl: Influence, unit: str) -> Section:
    """Ten rows retrained exactly, beside what was predicted."""
    heading = "Check by exact retraining"
    if report.proof is None:
        text = (
            "Not made: ten exact refits would take more than about a second, or the objective is "
            "not convex. infl.validate(X_test, y_test) makes them on request."
        )
        return Section("proof", heading, [paragraph(text)])
    proof, rows = report.proof, report.proof_rows
    both = Validation(
        rows, report.proof_predicted, report.proof_actual, report.proof_random, "exact", unit
    )
    pairs = [
        ("correlation of predicted and exact", number(proof.pearson, 5)),
        ("slope of exact on predicted; 1 is perfect", number(proof.slope, 4)),
        (f"largest difference ({unit})", number(proof.max_abs_error)),
    ]
    picture = Picture(
        lambda: plots.predicted_against_actual(both, quantity="row's own loss"),
        "Scatter plot: predicted against exact change of the loss of removed rows",
        "Each point is a row left out; on the dashed line the prediction is exact.",
    )
    said = (
        f"{len(rows)} rows, some random and some extreme, were each left out and the model "
        "refitted exactly; below is the change of the row's own loss (to first order along its "
        "gradient)."
    )
    body: list[Html] = [paragraph(said), facts(pairs), gallery([picture], "proof")]
    return Section("proof", heading, body)
