"""`fastinfluence validate`: predicted effects of rows against those of retraining."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastinfluence.audit.arguments import add_model, add_table, options_of, teach

MEANING = {
    "rows": "half of them random, half those of the largest predicted effect",
    "Pearson r": "correlation of the predicted and the actual change of the held-out rows' summed "
    "loss when a row is left out; 1: predictions rank rows as retraining does",
    "slope": "of actual on predicted, through the origin; 1: sizes are right; above 1: effects are "
    "larger than predicted",
    "largest error": "largest difference of predicted and actual, in nats for classes, in the "
    "target's unit squared for numbers",
}
"""What the columns on the screen mean, with unit and sign."""
EXAMPLE = """fastinfluence validate people.csv --target bought --plot agreement.png
holds a fifth of the rows out, fits the others, and retrains without each of 50 rows"""
RANKS, SIZES = 0.95, 0.1
"""Correlation and distance of the slope from 1 from which predictions are called good."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `validate`, and what its numbers mean."""
    add_table(parser)
    add = parser.add_argument
    add("--rows", type=int, default=50, metavar="N", help="rows to retrain without (default: 50)")
    add("--folds", type=int, default=5, metavar="K", help="hold one part of K out (default: 5)")
    add(
        "--method",
        choices=("exact", "newton"),
        default="exact",
        help="truth: retraining to the optimum, or one Newton step (default: exact)",
    )
    add("--plot", type=Path, metavar="FILE", help="picture, .png, .svg or .pdf")
    add_model(parser)
    add("--seed", type=int, default=0, help="of the parts and the random rows (default: 0)")
    add("--json", action="store_true", help="print the numbers as JSON instead")
    teach(parser, "columns on the screen:", MEANING, EXAMPLE)


def run(args: argparse.Namespace) -> int:
    """Fit, predict, retrain, compare."""
    from fastinfluence.audit import write
    from fastinfluence.audit.score import deal
    from fastinfluence.checks.fitted import Encoding
    from fastinfluence.errors import InputError
    from fastinfluence.inputs import positive_count
    from fastinfluence.progress import line_ended

    if positive_count(args.rows, "rows") < 2:
        raise InputError("--rows must be at least 2: half random ones, half of large effect")
    options = options_of(args)
    if args.plot is not None:
        write.check_output(
            args.plot, write.PICTURES, {"the table to be read": args.table}, "--plot"
        )
    data = Encoding.read(args, options)
    held = deal(data.target, options) == 0
    with line_ended():
        infl = data.fit(~held)
        X, y = data.X[held], data.target.y[held]
        found = infl.validate(X, y, rows=args.rows, method=args.method, seed=options.seed)
    found = _in_unit(found, data.target.unit)
    if args.plot is not None:
        with write.whole(args.plot) as part:
            kind = args.plot.suffix.lower().removeprefix(".")
            figure = found.plot().get_figure(root=True)
            figure.savefig(part, format=kind, dpi=150, metadata=write.UNDATED.get(kind))
    if args.json:
        print(_json(data, infl, found, int(held.sum()), args))
    else:
        more = f"; {int(held.sum()):,} rows held out"
        width = shutil.get_terminal_size().columns
        print("\n".join(_text(list(data.heading(infl, more)), found, width)))
        if args.plot is not None:
            print(f"\nFigure: {args.plot}")
    return 0


def _in_unit(found: Any, unit: float) -> Any:
    """Changes of losses in the target's own unit, squared."""
    name = found.unit if unit == 1.0 else "squared unit of the target"
    square = unit**2
    return replace(
        found, predicted=found.predicted * square, actual=found.actual * square, unit=name
    )


def _text(heading: list[str], found: Any, width: int) -> Iterator[str]:
    from fastinfluence.screen import clipped, flow

    width = clipped(width)
    for line in heading:
        yield from flow(line.split(), width, 6)
    truth = {"exact": "exact retraining", "newton": "one Newton step"}[found.method]
    yield ""
    said = (
        f"Each of {len(found.rows)} rows left out in turn: change of the held-out rows' summed "
        f"loss ({found.unit}), predicted to first order, against {truth}."
    )
    yield from flow(said.split(), width, 0)
    yield ""
    yield f"{'':<22}  {'rows':>5}  {'Pearson r':>9}  {'slope':>7}  {'largest error':>13}"
    n_random = found.n_random
    for name, count, part in (
        ("random rows", n_random, found.random),
        ("largest predictions", len(found.rows) - n_random, found.extreme),
        ("all", len(found.rows), found),
    ):
        yield (
            f"{name:<22}  {count:>5}  {part.pearson:>9.5f}  {part.slope:>7.4f}  "
            f"{part.max_abs_error:>13.3g}"
        )
    yield ""
    yield from flow(verdict(found.pearson, found.slope).split(), width, 0)


def verdict(pearson: float, slope: float) -> str:
    """What the two numbers mean for the scores, in words."""
    if not pearson >= RANKS:  # NaN too
        return (
            "Predictions do not rank these rows as retraining does: use leave-one-out by "
            'retraining (method="exact" in Python), or a larger --l2.'
        )
    if abs(slope - 1) <= SIZES:
        return "Predictions rank rows as retraining does, and their sizes are right within 10 %."
    size = "small" if slope > 1 else "large"
    return (
        "Predictions rank rows as retraining does, but are too "
        f"{size}: actual effects are {slope:.2f} times the predicted ones."
    )


def _json(data: Any, infl: Any, found: Any, held_out: int, args: argparse.Namespace) -> str:
    from fastinfluence.screen import plain

    parts = (("random", found.random), ("largest", found.extreme), ("all", found))
    summary = {
        **data.summary(infl),
        "held_out_rows": held_out,
        "seed": args.seed,
        "method": found.method,
        "unit": found.unit,
        "plot": None if args.plot is None else str(args.plot),
        "verdict": verdict(found.pearson, found.slope),
        "agreement": {
            name: {
                "pearson": part.pearson,
                "slope": part.slope,
                "largest_error": part.max_abs_error,
            }
            for name, part in parts
        },
    }
    return json.dumps(plain(summary), indent=2, ensure_ascii=False, allow_nan=False)
