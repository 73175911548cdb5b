"""Progress of long phases, for callers who ask for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from fastinfluence.errors import InputError

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with (phase, done, total); total counts rows or removals."""


def silent(phase: str, done: int, total: int) -> None:
    """The default: nothing is printed."""


def on_terminal(phase: str, done: int, total: int) -> None:
    """One line on standard error, rewritten in place; silent where that is no terminal."""
    if not sys.stderr.isatty():
        return
    end = "\n" if done >= total else ""
    sys.stderr.write(f"\r{phase}: {done:,} of {total:,} ({done / max(total, 1):.0%}){end}")
    sys.stderr.flush()


@contextmanager
def line_ended() -> Iterator[None]:
    """After an interruption, let what is said next start on a line below the progress."""
    try:
        yield
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            sys.stderr.write("\n")
        raise


def as_progress(progress: bool | Progress | None) -> Progress:
    """The callable behind the ``progress=`` argument."""
    if callable(progress):
        return progress
    if progress is None or progress is False:
        return silent
    if progress is True:
        return on_terminal
    raise InputError(f"progress={progress!r} must be True, False or a callable")
