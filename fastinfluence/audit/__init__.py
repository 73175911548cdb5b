"""`fastinfluence audit`: which rows of a table look wrong, and which hurt the others.

>>> from fastinfluence.audit import Options, audit
>>> result = audit("table.csv", Options(target="label"))        # doctest: +SKIP
>>> result.ranked()                                             # doctest: +SKIP
"""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastinfluence.audit.options import MEANING, TASKS, Options

if TYPE_CHECKING:
    from fastinfluence.audit.result import Audit, audit

__all__ = ["Audit", "Options", "audit"]


def __getattr__(name: str) -> Any:
    """Import what needs the ``cli`` extra only when it is used."""
    if name in ("Audit", "audit"):
        return getattr(import_module("fastinfluence.audit.result"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `audit`, and what the columns mean."""
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
    add("--out", type=Path, metavar="FILE", help="ranked table, .parquet or .csv")
    add("--plot", type=Path, metavar="FILE", help="picture, .png, .svg or .pdf")
    add("--top", type=int, default=10, metavar="N", help="rows shown of each kind (default: 10)")
    add("--l2", type=float, help="ridge penalty, mean form (default: 1/n)")
    add("--folds", type=int, default=5, metavar="K", help="to hold out in turn (default: 5)")
    add(
        "--max-categories",
        type=int,
        default=50,
        metavar="N",
        help="of one column; the rarest are merged (default: 50)",
    )
    add("--seed", type=int, default=0, help="of the deal into folds (default: 0)")
    add("--json", action="store_true", help="print summary and top rows as JSON instead")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _epilog()


def run(args: argparse.Namespace) -> int:
    """Read, score, write, show."""
    from fastinfluence.audit import read, result, write
    from fastinfluence.inputs import positive_count
    from fastinfluence.progress import on_terminal

    top, options = positive_count(args.top, "top"), _options(args)
    out = args.out or write.default_name(args.table, ".parquet")
    plot = args.plot or write.default_name(args.table, ".png")
    write.check_output(out, write.TABLES, {"the table to be read": args.table}, "--out")
    write.check_output(plot, write.PICTURES, {"the table to be read": args.table}, "--plot")
    table = read.read_table(args.table, args.delimiter)
    write.check_types(out, table)
    try:
        found = result.audit(table, options, on_terminal)
    except KeyboardInterrupt:
        _end_line()
        raise
    _write(found, top, out, plot)
    _print(args.json, found, top, {"out": str(out), "plot": str(plot)})
    return 0


def _end_line() -> None:
    """Let a message start on a line of its own, below the progress."""
    if sys.stderr.isatty():
        print(file=sys.stderr)


def _options(args: argparse.Namespace) -> Options:
    return Options(
        target=args.target,
        drop=tuple(args.drop),
        category=tuple(args.category),
        positive=args.positive,
        task=args.task,
        l2=args.l2,
        folds=args.folds,
        max_categories=args.max_categories,
        seed=args.seed,
    )


def _write(found: Audit, top: int, out: Path, plot: Path) -> None:
    """Both files, or neither where one cannot be made."""
    from fastinfluence.audit import draw, write

    with write.whole(out) as table_part, write.whole(plot) as plot_part:
        write.write_table(found.ranked(), table_part, out)
        draw.draw(found, top, plot_part, plot.suffix.lower().removeprefix("."))


def _print(as_json: bool, found: Audit, top: int, files: dict[str, str]) -> None:
    from fastinfluence.audit import show

    if as_json:
        print(show.as_json(found, top, files))
        return
    print(show.text(found, top, shutil.get_terminal_size().columns))
    print(f"\nTable: {files['out']}\nFigure: {files['plot']}")


def _epilog() -> str:
    """What each column means, wrapped for a terminal of 80 columns."""
    import textwrap

    lines = ["columns of the written table, before its own:"]
    for name, meaning in MEANING.items():
        lines += textwrap.wrap(
            meaning, 78, initial_indent=f"  {name:<15} ", subsequent_indent=" " * 18
        )
    return "\n".join(lines).replace("%", "%%")
