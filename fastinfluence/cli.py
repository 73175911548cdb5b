"""The `fastinfluence` command: one row per subcommand, one line per user's mistake."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from typing import NamedTuple, Protocol, cast

from fastinfluence.errors import FastInfluenceError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130  # exit codes; 2 is argparse's own


class Command(NamedTuple):
    """A subcommand: `module` offers `add_arguments(parser)` and `run(args) -> exit code`."""

    name: str
    summary: str
    module: str


COMMANDS = (
    Command(
        "audit",
        "rank the rows of a table: which look mislabelled, which hurt predictions of others",
        "fastinfluence.audit",
    ),
    Command(
        "demo", "find mislabelled rows in real data and check the scores", "fastinfluence.demo"
    ),
    Command(
        "diagnose",
        "leverage, Cook's distance, studentised residuals and DFFITS of a table's rows",
        "fastinfluence.checks.diagnose",
    ),
    Command("info", "versions, threads, cache folder, installed extras", "fastinfluence.info"),
    Command(
        "score",
        "score every row of a large table by its effect on the predictions of others",
        "fastinfluence.score",
    ),
    Command(
        "validate",
        "compare predicted effects of leaving rows out with retraining",
        "fastinfluence.checks.validate",
    ),
)


class CommandModule(Protocol):
    """What the module of a subcommand offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of the subcommand to its parser."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work and return the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; those of the process by default.

    Returns
    -------
    int
        0 success, 1 the work failed (one line on standard error says why), 2 wrong usage,
        130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except BrokenPipeError:  # `fastinfluence info | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt as error:
        return _fail(str(error) or "interrupted", INTERRUPTED)
    except (FastInfluenceError, OSError) as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        return _fail(_missing_extra(error))


def _dispatch(arguments: list[str]) -> int:
    """Load only the module of the command that was asked for, parse, run."""
    parser = argparse.ArgumentParser(
        prog="fastinfluence",
        description="Which training rows made the model this way, "
        "and what would change without them?",
    )
    parser.add_argument(
        "--version", action="version", version=f"fastinfluence {metadata.version('fastinfluence')}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.summary, description=command.summary)
        if command.name in arguments[:1]:
            module = cast(CommandModule, import_module(command.module))
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    return cast(int, args.run(args))


def _missing_extra(error: ModuleNotFoundError) -> str:
    """Name the extra that brings the missing module; a bug of our own stays a traceback."""
    from fastinfluence.info import extra_of

    extra = extra_of(error.name or "")
    if extra is None:
        raise error
    return f"{error.name} is not installed; run: pip install 'fastinfluence[{extra}]'"


def _fail(message: str, code: int = FAILED) -> int:
    print(f"fastinfluence: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
