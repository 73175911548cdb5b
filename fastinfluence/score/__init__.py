"""`fastinfluence score`: which rows of a large table help and harm the predictions of another."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from fastinfluence.errors import InputError
from fastinfluence.score.options import (
    EFFECTS,
    LOSS,
    MEANING,
    QUANTITIES,
    REMOVAL,
    SELF,
    SOLVERS,
    Options,
)

if TYPE_CHECKING:
    from fastinfluence.score.folder import Folder

EXAMPLE = """\
example: for each row of new.csv the ten rows of the training table that help its
prediction most and the ten that harm it most, and the score of every training row

  fastinfluence score 'train/*.parquet' new.csv --target bought --id customer \\
      --out scores/ --max-memory 2GB

The same line with --resume goes on where a job was interrupted or killed.
"""
FILES = {
    "top.parquet": "the strongest rows, see below; top.csv where TRAIN is CSV",
    "scores/": "every score, a Parquet dataset: row and id as below, then a column score of a "
    "single test row, or score_0, score_1, … of several; _manifest.json says their sign",
    "model.npz": "the fitted model, so that --resume need not fit again",
}
MEMORY = (
    "bounds the whole process: interpreter, libraries, the test rows, the blocks in which TRAIN is "
    "read, and scores on their way to a file. TRAIN itself never needs to fit"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `score`, and what the columns mean."""
    add = parser.add_argument
    tables = "a CSV or Parquet file, a folder of them, or a quoted pattern"
    add("train", metavar="TRAIN", help=f"{tables}; read block by block")
    add("test", metavar="TEST", nargs="?", help="the same; read into memory")
    add("--target", required=True, metavar="COLUMN", help="what the model predicts")
    columns = parser.add_argument_group("columns")
    add = columns.add_argument
    several = {"action": "extend", "nargs": "+", "default": [], "metavar": "COLUMN"}
    add("--features", **several, help="what it predicts from (default: all others)")  # type: ignore[arg-type]
    add("--drop", **several, help="leave out of the default")  # type: ignore[arg-type]
    add("--weight", metavar="COLUMN", help="sample weights")
    add("--offset", metavar="COLUMN", help="added to the linear predictor, in TEST too")
    add("--id", metavar="COLUMN", help="what names a row in the results")
    add("--delimiter", metavar="CHARACTER", help="of CSV files (default: comma)")
    model = parser.add_argument_group("model")
    add = model.add_argument
    add(
        "--loss",
        metavar="NAME",
        help="of fi.losses or fi.families. Default: logistic for a target of two values; "
        "multinomial for more texts, or for up to 20 whole numbers; squared for other numbers",
    )
    add("--l2", type=float, help="ridge penalty, mean form (default: 1/n)")
    add("--no-intercept", action="store_true", help="no constant term")
    scores = parser.add_argument_group("scores")
    add = scores.add_argument
    add("--quantity", choices=QUANTITIES, default=LOSS,
        help="loss: of each test row; self: each training row's effect on its own loss, "
        "without TEST (default: loss)")  # fmt: skip
    add("--effect", choices=EFFECTS, default=REMOVAL, help="see score below (default: removal)")
    add("--solver", choices=SOLVERS, default="auto", help="(default: auto, the fastest)")
    add("--damping", type=float, default=0.0, metavar="NUMBER",
        help="added to the Hessian for the scores (default: 0)")  # fmt: skip
    output = parser.add_argument_group("output")
    add = output.add_argument
    add("--top", type=int, default=10, metavar="K", help="rows of each kind (default: 10)")
    add("--out", type=Path, metavar="FOLDER", help="write all scores there, see below")
    add("--resume", action="store_true", help="go on with the job in --out, if there is one")
    add("--json", action="store_true", help="print JSON instead")
    machine = parser.add_argument_group("machine")
    add = machine.add_argument
    add("--max-memory", metavar="SIZE", help=f"{MEMORY} (default: 2GB)")
    add("--threads", type=int, metavar="N", help="(default: all processors)")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _epilog()


def run(args: argparse.Namespace) -> int:
    """Look, fit, score, write, show."""
    options = _options(args)
    folder = _folder(args)
    from fastinfluence.score import job as jobs
    from fastinfluence.score import show
    from fastinfluence.score.bar import displayed
    from fastinfluence.score.notes import noted

    try:
        with displayed() as display, noted() as notes:
            writes = folder is not None
            job = jobs.prepare(args.train, args.test, options, args.delimiter, writes, display)
            done = jobs.run(job, folder, display)
    except KeyboardInterrupt:
        goes_on = "; the same command with --resume goes on" if folder else ""
        raise KeyboardInterrupt(f"interrupted{goes_on}") from None
    if args.json:
        print(show.as_json(done, notes, folder))
    else:
        print(show.text(done, notes, folder, shutil.get_terminal_size().columns))
    return 0


def _options(args: argparse.Namespace) -> Options:
    if args.quantity == LOSS and args.test is None:
        raise InputError(
            "TEST is missing: name the rows whose loss is asked about, or ask for --quantity self"
        )
    if args.quantity == SELF and args.test is not None:
        raise InputError(f"--quantity self asks about TRAIN alone: leave {args.test} out")
    return Options(
        target=args.target,
        features=tuple(args.features),
        drop=tuple(args.drop),
        weight=args.weight,
        offset=args.offset,
        id=args.id,
        loss=args.loss,
        l2=args.l2,
        intercept=not args.no_intercept,
        solver=args.solver,
        damping=args.damping,
        effect=args.effect,
        quantity=args.quantity,
        top=args.top,
        threads=args.threads,
        max_memory=args.max_memory,
    )


def _folder(args: argparse.Namespace) -> Folder | None:
    if args.out is None:
        if args.resume:
            raise InputError("--resume goes on with the job of a folder: name it with --out")
        return None
    from fastinfluence.score.folder import Folder
    from fastinfluence.score.tables import is_parquet

    folder = Folder(args.out, args.resume, ".parquet" if is_parquet(args.train) else ".csv")
    folder.check()
    return folder


def _epilog() -> str:
    """An example, the files and what each column means, for a terminal of 80 columns."""
    parts = [EXAMPLE]
    for title, table, width in (
        ("files in --out, each whole or absent:", FILES, 12),
        ("columns of the strongest rows:", MEANING, 12),
    ):
        parts.append(title)
        for name, meaning in table.items():
            parts += textwrap.wrap(
                meaning,
                78,
                initial_indent=f"  {name:<{width}}",
                subsequent_indent=" " * (width + 2),
            )
        parts.append("")
    return "\n".join(parts).rstrip().replace("%", "%%")
