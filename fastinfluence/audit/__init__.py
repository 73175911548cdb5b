"""`fastinfluence audit`: which rows of a table look wrong, and which hurt the others.

>>> from fastinfluence.audit import Options, audit
>>> result = audit("table.csv", Options(target="label"))        # doctest: +SKIP
>>> result.ranked()                                             # doctest: +SKIP
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastinfluence.audit.arguments import add_model, add_table, options_of, teach
from fastinfluence.audit.options import MEANING, Options

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
    add_table(parser)
    add = parser.add_argument
    add("--out", type=Path, metavar="FILE", help="ranked table, .parquet or .csv")
    add("--plot", type=Path, metavar="FILE", help="picture, .png, .svg or .pdf")
    add("--report", type=Path, metavar="FILE", help="all of it as one page, .html")
    add("--top", type=int, default=10, metavar="N", help="rows shown of each kind (default: 10)")
    add("--folds", type=int, default=5, metavar="K", help="to hold out in turn (default: 5)")
    add_model(parser)
    add("--seed", type=int, default=0, help="of the deal into folds (default: 0)")
    add("--json", action="store_true", help="print summary and top rows as JSON instead")
    teach(parser, "columns of the written table, before its own:", MEANING)


def run(args: argparse.Namespace) -> int:
    """Read, score, write, show."""
    from fastinfluence.audit import read, result, write
    from fastinfluence.inputs import positive_count
    from fastinfluence.progress import line_ended, on_terminal

    top, options = positive_count(args.top, "top"), options_of(args)
    out = args.out or write.default_name(args.table, ".parquet")
    plot = args.plot or write.default_name(args.table, ".png")
    input_file = {"the table to be read": args.table}
    write.check_output(out, write.TABLES, input_file, "--out")
    write.check_output(plot, write.PICTURES, input_file, "--plot")
    if args.report is not None:
        write.check_output(args.report, write.PAGES, input_file, "--report")
    table = read.read_table(args.table, args.delimiter)
    write.check_types(out, table)
    with line_ended():
        found = result.audit(table, options, on_terminal)
    found = replace(found, source=str(args.table))
    _write(found, top, out, plot, args.report)
    files = {"out": str(out), "plot": str(plot)}
    if args.report is not None:
        files["report"] = str(args.report)
    _print(args.json, found, top, files)
    return 0


def _write(found: Audit, top: int, out: Path, plot: Path, report: Path | None) -> None:
    """All files, or none where one cannot be made."""
    from fastinfluence.audit import draw, write

    with write.whole(out) as table_part, write.whole(plot) as plot_part:
        write.write_table(found.ranked(), table_part, out)
        draw.draw(found, top, plot_part, plot.suffix.lower().removeprefix("."))
        if report is not None:
            with write.whole(report) as page_part:
                page_part.write_text(found.to_html(top=top), encoding="utf-8")


def _print(as_json: bool, found: Audit, top: int, files: dict[str, str]) -> None:
    from fastinfluence.audit import show

    if as_json:
        print(show.as_json(found, top, files))
        return
    print(show.text(found, top, shutil.get_terminal_size().columns))
    print(f"\nTable: {files['out']}\nFigure: {files['plot']}")
    if "report" in files:
        print(f"Report: {files['report']}")
