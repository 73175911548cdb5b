"""Options that the commands on one table share: what to read, what to predict, how to fit."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping
from pathlib import Path

from fastinfluence.audit.options import TASKS, Options


def add_table(parser: argparse.ArgumentParser) -> None:
    """Which table, and what its columns are."""
    add = parser.add_argument
    add("table", type=Path, metavar="TABLE", help="a CSV file with column names, or Parquet")
    add("--target", required=True, metavar="COLUMN", help="what the model predicts")
    add("--positive", metavar="CLASS", help="model this class against all others")
    add("--task", choices=TASKS, help="by default what the target suggests")
    add("--drop", action="append", default=[], metavar="COLUMN", help="hide it from the model")
    add(
        "--category",
        action="append",
        default=[],
        metavar="COLUMN",
        help="read these numbers as codes of categories",
    )
    add("--delimiter", metavar="CHARACTER", help="of a CSV file (default: comma)")


def add_model(parser: argparse.ArgumentParser) -> None:
    """How the model is fitted."""
    add = parser.add_argument
    add("--l2", type=float, help="ridge penalty, mean form (default: 1/n)")
    add(
        "--max-categories",
        type=int,
        default=50,
        metavar="N",
        help="of one column; the rarest are merged (default: 50)",
    )


def options_of(args: argparse.Namespace) -> Options:
    """The choices made; what a command does not ask for keeps its default."""
    given = vars(args)
    rest = {name: given[name] for name in ("folds", "seed") if name in given}
    return Options(
        target=args.target,
        drop=tuple(args.drop),
        category=tuple(args.category),
        positive=args.positive,
        task=args.task,
        l2=args.l2,
        max_categories=args.max_categories,
        **rest,
    )


def teach(
    parser: argparse.ArgumentParser, heading: str, meanings: Mapping[str, str], example: str = ""
) -> None:
    """Say below the options what columns or lines mean, wrapped for a terminal of 80 columns."""
    lines = [heading]
    for name, meaning in meanings.items():
        lines += textwrap.wrap(
            meaning, 78, initial_indent=f"  {name:<15} ", subsequent_indent=" " * 18
        )
    if example:
        lines += ["", "example:", *(f"  {line}" for line in example.splitlines())]
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(lines).replace("%", "%%")
