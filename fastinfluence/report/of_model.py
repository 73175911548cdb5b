"""The report of one model: ``infl.report().to_html()``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from fastinfluence import plots
from fastinfluence.crossval import CrossValidation
from fastinfluence.diagnostics import Diagnostics
from fastinfluence.errors import FastInfluenceError
from fastinfluence.influence import Influence
from fastinfluence.influence.account import Report
from fastinfluence.inputs import positive_count
from fastinfluence.report.account import proof_section, solver_section
from fastinfluence.report.advice import warnings
from fastinfluence.report.html import Child, Html, el, number, shown
from fastinfluence.report.model_rows import FAR, ModelRows
from fastinfluence.report.page import Section, page
from fastinfluence.report.pictures import Picture, gallery
from fastinfluence.report.pieces import Line, code, facts, notes, paragraph, table, tiles
from fastinfluence.report.provenance import call_of, provenance
from fastinfluence.report.quality import Quality, quality
from fastinfluence.spec.oracle import Oracle
from fastinfluence.spec.units import loss_unit
from fastinfluence.types import FloatArray

OPERATIONS = 2e11
"""n·p² above which classical diagnostics, a minute's work, are left to the caller."""


def model_page(report: Report, top: int = 10, title: str | None = None) -> str:
    """The HTML text of a model's report.

    Parameters
    ----------
    report : Report
    top : int, default 10
        Training rows shown.
    title : str, optional
        "Influence report" by default.
    """
    infl, k = report.influence, positive_count(top, "top")
    unit = loss_unit(infl.spec.loss.name)
    diagnostics, left_out, silence = _diagnosed(infl)
    fit = quality(infl, left_out)
    found = list(warnings(report, fit, diagnostics))
    scores, refusal = _scores(infl)
    sections = [
        Section("warnings", "Warnings", [_warnings(found)]),
        _model_section(report, infl),
        Section("quality", "Fit quality", [facts(fit.facts), _about_quality(fit)]),
        solver_section(report),
        proof_section(report, infl, unit),
        _rows_section(infl, scores, refusal, k, unit),
        _diagnostics_section(diagnostics, silence),
        Section("conventions", "Conventions: sign and unit", list(_conventions(unit))),
        Section("reproduce", "How to reproduce", [code(call_of(infl)), *provenance(infl)]),
    ]
    lead = [paragraph(report.model), _tiles(report, infl, fit, found)]
    foot = "Made by fastinfluence. This file holds everything it shows and loads nothing."
    return page(shown(title or "Influence report"), lead, sections, foot)


def _diagnosed(infl: Influence) -> tuple[Diagnostics | None, CrossValidation | None, str]:
    """Diagnostics and leave-one-out, or why there are none."""
    cost = infl.n_rows * len(infl.theta) ** 2
    if cost > OPERATIONS:
        return None, None, "They would take over a minute: infl.diagnostics() computes them."
    try:
        found = infl.diagnostics()
        found.studentized_internal  # noqa: B018 - not every loss has residuals
        return found, infl.cross_validation(), ""
    except FastInfluenceError as error:
        return None, None, f"{str(error)[:1].upper()}{str(error)[1:]}."


def _scores(infl: Influence) -> tuple[FloatArray | None, str]:
    """Self-influence of every row, or why it is not computed."""
    try:
        return infl.self_influence(), ""
    except FastInfluenceError as error:
        return None, f"Not computed: {error}."


def _tiles(report: Report, infl: Influence, fit: Quality, found: list[str]) -> Html:
    pairs = [("training rows", f"{infl.n_rows:,}"), ("parameters", f"{len(infl.theta):,}")]
    pairs += [(word, value.split(" (")[0]) for word, value in fit.headline]
    if report.proof is not None:
        pairs.append(("slope, exact on predicted", number(report.proof.slope)))
    pairs.append(("warnings", str(len(found))))
    return tiles(pairs)


def _warnings(found: list[str]) -> Html:
    if not found:
        return notes(
            ["Nothing stood out: the fit ended at an optimum and the solver held."], "good"
        )
    return notes(found, "warning")


def _model_section(report: Report, infl: Influence) -> Section:
    problem, spec = infl._problem, infl.spec
    pairs: list[tuple[str, Child]] = [
        ("loss", spec.loss.name if isinstance(spec, Oracle) else repr(spec.loss)),
        ("training rows n", f"{infl.n_rows:,}"),
        ("parameters p", f"{len(infl.theta):,}"),
    ]
    if not isinstance(spec, Oracle):
        pairs.append(("features", f"{problem.rows.n_features:,}"))
    if problem.codec.classes is not None:
        classes = [shown(label) for label in problem.codec.classes]
        more = f" and {len(classes) - 10} more" if len(classes) > 10 else ""
        word = ", ".join(classes[:10]) + more
        pairs.append(("classes", word + (" (the last is positive)" if len(classes) == 2 else "")))
    pairs += [
        ("objective", f"{spec.reduction} form"),
        ("penalty l2, on ½·theta²", _penalty(infl)),
        ("sample weights", "none" if (problem.w == 1).all() else f"sum {number(problem.W, 6)}"),
        ("offset", "none" if problem.offset is None else "given"),
        ("curvature", infl._settings.curvature),
        ("damping, in scores only", number(infl._settings.damping)),
    ]
    return Section("model", "Model", [facts(pairs)])


def _penalty(infl: Influence) -> str:
    spec = infl.spec
    if not isinstance(spec.l2, float):
        return f"{number(min(spec.l2))} to {number(max(spec.l2))}"
    if not spec.l2 or isinstance(spec, Oracle):
        return number(spec.l2) if spec.l2 else "none"
    free = spec.penalize_intercept or not getattr(spec, "fit_intercept", True)
    return number(spec.l2) if free else f"{number(spec.l2)}; the intercept is free"


def _about_quality(fit: Quality) -> Html:
    if fit.accuracy is None:
        return paragraph("Losses are those of the rows' own targets, the penalty left out.")
    return paragraph(
        "Left out: each row judged by the model without it (one Newton step). A model that is no "
        "better than its larger class has nothing to say about single rows."
    )


def _rows_section(
    infl: Influence, scores: FloatArray | None, refusal: str, top: int, unit: str
) -> Section:
    heading = "Rows that stand out"
    if scores is None:
        return Section("rows", heading, [paragraph(refusal)])
    order = np.argsort(-scores, kind="stable")[:top]
    shown_rows = ModelRows.of(infl, order)
    heads = ["", shown_rows.heads[0], *shown_rows.heads[1:], "self-influence"]
    lines = [
        Line(
            [
                f"{i + 1}",
                *(column[i] for column in shown_rows.columns),
                number(float(scores[row]), column=True),
            ],
            shown_rows.values[i],
            shown_rows.more,
        )
        for i, row in enumerate(order)
    ]
    caption = (
        f"Largest self-influence first ({unit}). ▲ ▼ mark values over {FAR:g} standard deviations "
        "above or below the column's mean; the most unusual values come first."
    )
    said = (
        "Rows that the model fits only because they are there: leaving such a row out raises its "
        "own loss most. Wrong labels and slips of the keyboard come first, and so do rare but true "
        "cases: look before you delete."
    )
    draw = partial(plots.falloff, scores, top, unit=unit)
    alternative = "Self-influence of all rows from the largest to the smallest, log scales"
    caption_below = "A few rows far above a straight fall deserve a look."
    picture = Picture(draw, alternative, caption_below)
    return Section(
        "rows", heading, [paragraph(said), table(heads, lines, caption), gallery([picture], "rows")]
    )


def _diagnostics_section(diagnostics: Diagnostics | None, silence: str) -> Section:
    heading = "Classical diagnostics"
    if diagnostics is None:
        return Section("diagnostics", heading, [paragraph(silence)])
    flagged = {
        name: int(diagnostics.flagged(name).sum())
        for name in ("leverage", "cooks_distance", "dffits", "studentized_external")
    }
    pairs: list[tuple[str, Child]] = [
        ("effective degrees of freedom", number(diagnostics.p_eff, 4)),
        ("dispersion φ", number(diagnostics.dispersion, 4)),
    ]
    for name, count in flagged.items():
        word = plots.DIAGNOSTICS[name]
        bound = number(diagnostics.thresholds[name])
        pairs.append((f"rows with {word} beyond {bound}", f"{count:,}"))
    pictures = [
        Picture(
            diagnostics.plot,
            "Cook's distance of every row, with the threshold 4/n",
            "Cook's distance: how far removing the row moves all predictions, in units of their "
            "uncertainty. Beyond the dashed line a row deserves a look.",
        ),
        Picture(
            diagnostics.plot_leverage,
            "Studentised residual against leverage, with contours of Cook's distance",
            "To the right: unusual features. At the top and bottom: unusual targets. Beyond a "
            "contour: both, and the fit follows the row.",
        ),
    ]
    return Section("diagnostics", heading, [facts(pairs), gallery(pictures, "diagnostics")])


def _conventions(unit: str) -> Iterator[Html]:
    yield paragraph(
        "Scores are predicted changes when a row is removed, new minus old (",
        el("code", 'effect="removal"'),
        "): +(w_i/W)·∇fᵀH⁻¹g_i, to first order. On a loss a positive score means that the row was "
        "helpful. The paper's upweighting influence is −(W/w_i) times it.",
    )
    yield paragraph(
        f"Losses and their changes are in: {unit}. Self-influence is the predicted rise of a "
        "row's own loss when it is left out, so it is never negative but for a trace from the "
        "penalty. Leverage, Cook's distance, DFFITS and studentised residuals have no unit."
    )
    yield paragraph(
        "Rows are named by the table's own labels where it has them, else by position from 0."
    )
