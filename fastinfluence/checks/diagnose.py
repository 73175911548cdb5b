"""`fastinfluence diagnose`: leverage, Cook's distance and their kin of every row of a table."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastinfluence.audit.arguments import add_model, add_table, options_of, teach

MEANING = {
    "row": "position of the row in the file; the first row of data is 0",
    "target": "the target, as in the file",
    "prediction": "the probability of the positive class, or the predicted target in its own unit",
    "leverage": "how much of the row's prediction its own target decides, from 0 to 1; no unit; "
    "customary bound 2 p/n",
    "cooks_distance": "how far leaving the row out moves all predictions, in units of their "
    "uncertainty; no unit, never negative; customary bound 4/n",
    "studentized": "externally studentised residual: target minus prediction in standard "
    "deviations estimated without the row; customary bounds -2 and 2",
    "dffits": "change of the row's own prediction through its own presence, in standard errors; "
    "positive: the row pulls its prediction up; customary bound 2 sqrt(p/n)",
    "flags": "which of the four lie beyond their bound: L leverage, C Cook's distance, S residual, "
    "D DFFITS",
}
"""Meaning, unit and sign of every column that a diagnosis adds to a table."""
EXAMPLE = """fastinfluence diagnose people.csv --target bought --out people-diagnosed.csv
p in the bounds is the effective number of parameters, less than p where l2 shrinks them"""
NAMES = ("leverage", "cooks_distance", "studentized_external", "dffits")
LETTERS = "LCSD"
VALUE_LINES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diagnose`, and what the columns mean."""
    add_table(parser)
    add = parser.add_argument
    add("--out", type=Path, metavar="FILE", help="table by Cook's distance, .parquet or .csv")
    add("--plot", type=Path, metavar="FILE", help="picture, .png, .svg or .pdf")
    add("--top", type=int, default=10, metavar="N", help="rows shown (default: 10)")
    add_model(parser)
    add("--json", action="store_true", help="print summary and top rows as JSON instead")
    teach(parser, "columns, largest Cook's distance first:", MEANING, EXAMPLE)


def run(args: argparse.Namespace) -> int:
    """Fit, diagnose, write, show."""
    from fastinfluence.audit import write
    from fastinfluence.checks.diagnosis import Diagnosis
    from fastinfluence.checks.fitted import Encoding
    from fastinfluence.inputs import positive_count
    from fastinfluence.progress import line_ended

    top, options = positive_count(args.top, "top"), options_of(args)
    read = {"the table to be read": args.table}
    if args.out is not None:
        write.check_output(args.out, write.TABLES, read, "--out")
    if args.plot is not None:
        write.check_output(args.plot, write.PICTURES, read, "--plot")
    data = Encoding.read(args, options)
    if args.out is not None:
        write.check_types(args.out, data.table)
    with line_ended():
        found = Diagnosis.of(data)
    if args.out is not None:
        with write.whole(args.out) as part:
            write.write_table(found.ranked(), part, args.out)
    if args.plot is not None:
        with write.whole(args.plot) as part:
            found.draw(part, args.plot.suffix.lower().removeprefix("."))
    files = {"out": args.out, "plot": args.plot}
    if args.json:
        print(_json(found, top, files))
        return 0
    print("\n".join(_text(found, top, shutil.get_terminal_size().columns)))
    named = [f"{word}: {files[key]}" for word, key in _WORDS if files[key] is not None]
    if named:
        print("\n" + "\n".join(named))
    return 0


_WORDS = (("Table", "out"), ("Figure", "plot"))


def _text(found: Any, top: int, width: int) -> Iterator[str]:
    from fastinfluence.audit.show import own_values, ranking
    from fastinfluence.screen import clipped, flow

    width = clipped(width)
    data, diagnostics = found.data, found.diagnostics
    for line in data.heading(found.infl):
        yield from flow(line.split(), width, 6)
    yield f"Effective parameters {diagnostics.p_eff:.4g}, dispersion {diagnostics.dispersion:.4g}."
    yield ""
    yield "Rows beyond the customary bounds:"
    for letter, name, word in zip(LETTERS, NAMES, WORDS, strict=True):
        count, bound = int(diagnostics.flagged(name).sum()), diagnostics.thresholds[name]
        yield f"  {letter}  {word:<32} {count:>7,}  (bound {bound:.3g})"
    yield ""
    yield "Rows of the largest Cook's distance:"
    chosen = found.order[:top]
    rows = [int(data.target.rows[i]) for i in chosen]
    limits = [10, width - 74, 12, 9, 9, 10, 9, 5]
    heads = ["row", data.target.name, found.predicted_name, *SHORT]
    body = [found.cells(int(i)) for i in chosen]
    values = own_values(data.table, data.target.name, rows)
    yield from ranking(heads, body, limits, values, VALUE_LINES)


WORDS = ("leverage", "Cook's distance", "externally studentised residual", "DFFITS")
SHORT = ("leverage", "Cook", "student.", "DFFITS", "flags")


def _json(found: Any, top: int, files: dict[str, Path | None]) -> str:
    from fastinfluence.screen import plain

    diagnostics = found.diagnostics
    summary = {
        **found.data.summary(found.infl),
        "effective_parameters": diagnostics.p_eff,
        "dispersion": diagnostics.dispersion,
        "beyond": {name: int(diagnostics.flagged(name).sum()) for name in NAMES},
        "bounds": {name: diagnostics.thresholds[name] for name in NAMES},
        "columns": MEANING,
        **{name: None if path is None else str(path) for name, path in files.items()},
        "largest": [found.record(int(i)) for i in found.order[:top]],
    }
    return json.dumps(plain(summary), indent=2, ensure_ascii=False, allow_nan=False)
