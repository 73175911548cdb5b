"""The report of one table: ``fastinfluence audit TABLE --report out.html``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from fastinfluence.audit.draw import draw_harm, draw_ranking, unit_of
from fastinfluence.audit.options import MEANING
from fastinfluence.audit.result import Audit
from fastinfluence.inputs import positive_count
from fastinfluence.plots.style import new_axes
from fastinfluence.report.account import proof_section, solver_section
from fastinfluence.report.advice import warnings
from fastinfluence.report.html import MISSING, Child, Html, number, shown, user
from fastinfluence.report.page import Section, page
from fastinfluence.report.pictures import Picture, gallery
from fastinfluence.report.pieces import (
    Line,
    Value,
    code,
    definitions,
    facts,
    notes,
    paragraph,
    table,
    tiles,
)
from fastinfluence.report.provenance import provenance
from fastinfluence.report.quality import Quality
from fastinfluence.types import IntArray

SHOWN = 24
"""Values of one row at most, in the order of the table."""
LIST, LONG = 8, 80
"""Encoded columns that are named, and characters of a name in a sentence."""
SIZE = (5.8, 4.4)
SUSPICIOUS = (
    "Rows that the model fits only because they are there: leaving such a row out raises its own "
    "loss most. Wrong labels and slips of the keyboard come first, and so do rare but true cases: "
    "look before you delete."
)
HARMFUL = (
    "Rows without which held-out rows would be predicted better. A row that is on both lists is "
    "the one to look at first."
)


def audit_page(result: Audit, top: int = 10) -> str:
    """The HTML text of an audit's report, with ``top`` rows of each kind."""
    k, report = positive_count(top, "top"), result.model.report()
    fit = _quality(result)
    found = list(warnings(report, fit, None))
    unit = "nats" if result.target.task == "classify" else "squared standard deviation of target"
    sections = [
        Section("warnings", "Warnings and notes", list(_notices(result, found))),
        Section("model", "Model", [facts(_model(result))]),
        Section("quality", "Fit quality", [facts(fit.facts), _about_quality(result)]),
        Section("suspicious", "Most suspicious rows", list(_suspicious(result, k))),
        Section("harmful", "Most harmful rows", list(_harmful(result, k))),
        solver_section(report),
        proof_section(report, result.model, unit),
        Section("conventions", "Conventions: sign and unit", list(_conventions(result))),
        Section("reproduce", "How to reproduce", [*_command(result), *provenance(result.model)]),
    ]
    lead = [paragraph(_told(result)), _tiles(result, fit, found)]
    foot = "Made by fastinfluence audit. This file holds everything it shows and loads nothing."
    return page(f"Audit of {shown(Path(result.source).name, 80)}", lead, sections, foot)


def _told(result: Audit) -> Child:
    target = result.target
    if target.task == "classify":
        positive, negative = user(target.positive, LONG), user(target.negative, LONG)
        return ["Logistic regression of ", user(target.name, LONG), ": ", positive, " against ",
                negative, "."]  # fmt: skip
    return ["Least squares fit of ", user(target.name, LONG), "."]


def _quality(result: Audit) -> Quality:
    found = result.quality()
    if result.target.task == "classify":
        pairs = [
            ("held-out accuracy", f"{found['accuracy']:.1%}"),
            ("accuracy of always guessing the larger class", f"{found['larger_class']:.1%}"),
        ]
        return Quality(pairs, pairs, found["accuracy"], found["larger_class"])
    pairs = [("held-out R²", number(found["r2"], 4))]
    return Quality(pairs, pairs, None, None)


def _tiles(result: Audit, fit: Quality, found: list[str]) -> Html:
    rows, parameters = f"{len(result.target.rows):,}", f"{result.n_params:,}"
    sizes = [("rows scored", rows), ("parameters", parameters)]
    return tiles([*sizes, *fit.headline, ("warnings", str(len(found)))])


def _notices(result: Audit, found: list[str]) -> Iterator[Html]:
    if found:
        yield notes(found, "warning")
    else:
        yield notes(["Nothing is wrong with the fit: it ended at its optimum."], "good")
    if result.notices:
        yield notes([shown(f"{text[:1].upper()}{text[1:]}.") for text in result.notices], "note")


def _model(result: Audit) -> Iterator[tuple[str, Child]]:
    scores, options, target = result.scores, result.options, result.target
    yield "table", user(result.source)
    yield "target", user(target.name, LONG)
    if target.task == "classify":
        yield "predicted", ["probability of ", user(target.positive, LONG)]
    else:
        yield "mean of the target", number(target.centre, 4)
        yield "standard deviation of the target", number(target.unit, 4)
    yield "rows of the table", f"{result.table.num_rows:,}"
    yield "rows with a target, scored", f"{len(target.rows):,}"
    yield "parameters, after encoding", f"{result.n_params:,}"
    names = [user(name, LONG) for name in result.feature_names[:LIST]]
    parted = [part for name in names for part in (name, ", ")][:-1]
    rest = len(result.feature_names) - LIST
    yield "encoded columns", [*parted, f" and {rest:,} more" if rest > 0 else None]
    yield "ridge penalty l2 (mean form, intercept free)", number(scores.l2)
    yield "folds, seed of the deal", f"{options.folds}, {options.seed}"


def _about_quality(result: Audit) -> Html:
    return paragraph(
        f"Each row was predicted by the model of the other {result.options.folds - 1} folds. Where "
        "that is no better than the larger class alone (or R² is near 0), the model knows nothing "
        "about the target, and the ranking means little."
    )


def _suspicious(result: Audit, top: int) -> Iterator[Html]:
    yield paragraph(SUSPICIOUS)
    yield _table(
        result, result.most_suspicious(top), f"Largest self-influence ({unit_of(result)})."
    )
    pictures = [
        Picture(
            lambda: draw_ranking(new_axes(*SIZE), result, top),
            "Self-influence of all rows from the largest to the smallest, log scales",
            "A few rows far above a straight fall deserve a look.",
        ),
        Picture(
            lambda: draw_harm(new_axes(*SIZE), result, top),
            "Harm to held-out rows against self-influence",
            "Rows at the top right are unusual and hurt the prediction of others.",
        ),
    ]
    yield gallery(pictures, "rows")


def _harmful(result: Audit, top: int) -> Iterator[Html]:
    chosen = result.most_harmful(top)
    if not len(chosen):
        yield paragraph("No row does harm.")
        return
    yield paragraph(HARMFUL)
    yield _table(result, chosen, f"Largest harm to held-out rows ({unit_of(result)}).")


def _table(result: Audit, chosen: IntArray, caption: str) -> Html:
    target = result.target
    predicted = f"P({shown(target.positive, 20)})" if target.task == "classify" else "predicted"
    heads = ["", "row", shown(target.name, 30), predicted, "loss", "self-influence", "harm"]
    lines = [_line(result, place, int(i)) for place, i in enumerate(chosen, start=1)]
    return table(heads, lines, caption)


def _line(result: Audit, place: int, i: int) -> Line:
    scores, row = result.scores, int(result.target.rows[i])
    values = result.table.slice(row, 1).to_pylist()[0]
    own = values.pop(result.target.name)
    prediction = float(scores.prediction[i])
    classify = result.target.task == "classify"
    numbers = (scores.loss[i], scores.self_influence[i], scores.harm[i])
    cells: list[Child] = [
        str(place),
        f"{row:,}",
        number(own, 6) if isinstance(own, float) else user(own, LONG),
        f"{prediction:.4f}" if classify else number(prediction, 6),
        *(number(float(value), column=True) for value in numbers),
    ]
    pairs = [Value(name, value) for name, value in list(values.items())[:SHOWN]]
    return Line(cells, pairs, max(0, len(values) - SHOWN))


def _conventions(result: Audit) -> Iterator[Html]:
    yield definitions(MEANING.items())
    yield paragraph(
        f"Losses, self-influence and harm are in: {unit_of(result)}. The sign of harm is the "
        'opposite of effect="removal" in the library: here the large values are the bad ones.'
    )
    yield paragraph(f"{MISSING} stands for a missing value.")


def _command(result: Audit) -> Iterator[Html]:
    words = ["fastinfluence", "audit", result.source, *result.options.arguments()]
    yield code(shlex.join([*words, "--report", "report.html"]))
