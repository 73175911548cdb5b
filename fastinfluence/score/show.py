"""A job on the screen: plain text of the terminal's width, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import pyarrow as pa

from fastinfluence.score.folder import Folder
from fastinfluence.score.job import Done
from fastinfluence.score.options import MEANING, REMOVAL, SELF
from fastinfluence.screen import cell, clipped, flow, plain, shortened
from fastinfluence.spec.multinomial import Multinomial

MOST_SHOWN = 3
"""Test rows on the screen."""
ID = 16
"""Characters of an id at most."""
GAP = "    "


def text(done: Done, notes: list[str], folder: Folder | None, width: int) -> str:
    """Heading, notes, and the files; or the strongest rows of a few test rows."""
    width = clipped(width)
    heading = [*_heading(done), *(f"Note: {cell(note)}" for note in notes)]
    parts = [line for item in heading for line in flow(item.split(), width, 6)]
    if folder is not None:
        return "\n".join([*parts, "", *_files(done, folder)])
    parts += ["", *flow(_meaning(done).split(), width, 0)]
    if done.job.test is None:
        return "\n".join([*parts, "", *_aligned(_cells(done.table, "row"))])
    t = len(done.job.test)
    for j in range(min(t, MOST_SHOWN)):
        parts += ["", shortened(_title(done, j), width), *_lists(done, j, width)]
    if t > MOST_SHOWN:
        more = f"{t - MOST_SHOWN:,} more test rows: --out FOLDER writes the lists of all of them"
        parts += ["", *flow(f"{more}, --json prints them.".split(), width, 0)]
    return "\n".join(parts)


def as_json(done: Done, notes: list[str], folder: Folder | None) -> str:
    """Summary, and the strongest rows where they are written nowhere else, as one JSON object."""
    job = done.job
    out: dict[str, Any] = {
        "target": job.options.target,
        "loss": job.spec.loss.name,
        "loss_chosen_because": job.reason,
        "classes": None
        if job.codec is None or job.codec.classes is None
        else job.codec.classes.tolist(),
        "n": job.n_rows,
        "p": done.n_params,
        "l2": job.spec.l2,
        "fit": {**vars(done.fit), "resumed": done.resumed},
        "quantity": job.options.quantity,
        "effect": job.options.effect,
        "unit": _unit(done),
        "test_rows": None if job.test is None else len(job.test),
        "notes": notes,
        "columns": {name: MEANING[name] for name in done.table.column_names},
    }
    if folder is None:
        out["top"] = done.table.to_pylist()
    else:
        out["files"] = {
            "top": str(folder.top),
            "scores": str(folder.scores),
            "model": str(folder.model),
        }
    return json.dumps(plain(out), indent=2, ensure_ascii=False, allow_nan=False)


def _heading(done: Done) -> Iterator[str]:
    job = done.job
    yield f"{_model(done)} ({'loss ' + job.reason if job.options.loss else job.reason})."
    yield f"n = {job.n_rows:,}, p = {done.n_params:,}, l2 = {job.spec.l2:.3g}"
    how = "The fit of before" if done.resumed else "The fit"
    steps = "1 step" if done.fit.iterations == 1 else f"{done.fit.iterations} steps"
    yield f"{how}: {done.fit.message} after {steps}, gradient {done.fit.gradient_norm:.1e}"


def _model(done: Done) -> str:
    job, name = done.job, cell(done.job.options.target)
    loss = job.spec.loss
    classes = None if job.codec is None else job.codec.classes
    if isinstance(loss, Multinomial):
        return f"Multinomial regression of {name}"
    kinds = {"logistic": "Logistic regression", "squared": "Least squares fit"}
    model = kinds.get(loss.name, f"Model with loss {loss.name}")
    if classes is None:
        return f"{model} of {name}"
    return f"{model} of {name}: {cell(classes[1])} against {cell(classes[0])}"


def _unit(done: Done) -> str:
    loss = done.job.spec.loss.name
    if loss in ("logistic", "multinomial"):
        return "nats"
    return f"half squares of {cell(done.job.options.target)}" if loss == "squared" else "the loss's"


def _meaning(done: Done) -> str:
    options = done.job.options
    what = "its own loss" if options.quantity == SELF else "the test row's loss"
    if options.effect == REMOVAL:
        return (
            f"score: predicted change of {what} when the training row is left out of the fit, in "
            f"{_unit(done)}; positive: the row helps"
        )
    return (
        f"score: derivative of {what} by an extra share of the weight on the training row, in "
        f"{_unit(done)}; negative: the row helps"
    )


def _title(done: Done, j: int) -> str:
    test, options = done.job.test, done.job.options
    assert test is not None, "self-influence has no test rows"
    named = "" if test.ids is None else f" ({cell(options.id)} = {cell(test.ids[j])})"
    return f"Test row {j}{named}, {cell(options.target)} = {cell(test.y[j])}"


def _lists(done: Done, j: int, width: int) -> Iterator[str]:
    """The helpful and the harmful rows of a test row, side by side where there is room."""
    k = done.top.helpful.rows.shape[1]
    both = done.table.slice(2 * k * j, 2 * k)
    left = _aligned(_cells(both.slice(0, k), "helpful row"))
    right = _aligned(_cells(both.slice(k, k), "harmful row"))
    room = max(map(len, left))
    if 2 + room + len(GAP) + max(map(len, right)) > width:
        yield from (f"  {line}" for line in [*left, *right])
        return
    for a, b in zip_longest(left, right, fillvalue=""):
        yield f"  {a:<{room}}{GAP}{b}".rstrip()


def _cells(table: pa.Table, title: str) -> list[list[str]]:
    named = "id" in table.column_names
    lines = [[title, *(["id"] if named else []), "score"]]
    for one in table.to_pylist():
        names = [shortened(cell(one["id"]), ID)] if named else []
        lines.append([f"{one['row']:,}", *names, f"{one['score']:+#.3g}"])
    return lines


def _aligned(cells: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells]


def _files(done: Done, folder: Folder) -> Iterator[str]:
    test = done.job.test
    tests = "self-influence" if test is None else f"{len(test):,} test rows"
    k = done.top.helpful.rows.shape[1]
    of = "self-influence" if test is None else "each kind for each test row"
    yield f"Strongest: {folder.top}, {k} rows of {of}"
    yield f"Scores:    {folder.scores}/, {done.job.n_rows:,} training rows, {tests}"
    yield f"Model:     {folder.model}"
