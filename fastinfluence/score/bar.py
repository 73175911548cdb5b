"""How far a job is: rows done, rows per second, time left. On terminals only."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

EVERY = 0.1
"""Seconds between two changes of a line."""
SETTLED = 0.5
"""Seconds of a pass before its speed says anything."""
LABEL = 22
"""Characters of a phase's name."""

WIDTHS = (19, 12, 9)
"""Characters of the rows done, the rows per second and the time left, of most passes."""


class Bar(Protocol):
    """What shows a pass."""

    def show(self, label: str, pace: Pace) -> None:
        """Show how far it is."""

    def close(self) -> None:
        """Leave the terminal as it was."""


@dataclass
class Pace:
    """A pass over the rows: how many are done, since when.

    Attributes
    ----------
    phase : str
    total : int
        0 where it is not known.
    start : float
        Seconds, of ``time.monotonic``.
    """

    phase: str
    total: int
    start: float
    done: int = 0
    now: float = 0.0

    @property
    def rate(self) -> float:
        """Rows per second; 0 where it is too early to tell."""
        seconds = self.now - self.start
        return self.done / seconds if seconds > SETTLED else 0.0

    def texts(self) -> tuple[str, str, str]:
        """Rows done, rows per second, time left; empty where not known."""
        done = (
            f"{compact(self.done)} of {compact(self.total)}" if self.total else compact(self.done)
        )
        if not self.rate:
            return f"{done} rows", "", ""
        left = clock((self.total - self.done) / self.rate) + " left" if self.total else ""
        return f"{done} rows", f"{compact(self.rate)} rows/s", left


class Display:
    """The ``progress`` of a job: names its passes and shows them."""

    def __init__(self, bar: Bar | None) -> None:
        self._bar, self._stage = bar, ""
        self._pace = Pace("", 0, 0.0)
        self._shown = 0.0

    def stage(self, name: str) -> None:
        """What the passes that follow are for."""
        self._stage = name
        self._pace = Pace("", 0, 0.0)
        if self._bar is not None:
            self._bar.show(name, self._pace)

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Told by the library: (phase, rows done, n); of a fit the steps that it has made."""
        if self._bar is None:
            return
        if phase == "fitting":
            self.stage(f"fitting, step {done + 1}")
            return
        now = time.monotonic()
        if (phase, total) != (self._pace.phase, self._pace.total) or done < self._pace.done:
            self._pace = Pace(phase, total, now)
        self._pace.done, self._pace.now = done, now
        if now - self._shown >= EVERY or done == total:
            self._shown = now
            self._bar.show(self._stage if phase == "reading" else phase, self._pace)


@contextmanager
def displayed() -> Iterator[Display]:
    """A display while the block runs; silent where standard error is no terminal."""
    bar = _bar() if sys.stderr.isatty() else None
    try:
        yield Display(bar)
    finally:
        if bar is not None:
            bar.close()


def _bar() -> Bar:
    try:
        return RichBar()
    except ImportError:
        return PlainBar()


class PlainBar:
    """One line, written anew."""

    def show(self, label: str, pace: Pace) -> None:
        """Write the line."""
        share = f"({pace.done / pace.total:.0%})" if pace.total else ""
        rows, *rest = pace.texts()
        line = label
        if pace.phase:
            line = f"{label}: {', '.join(filter(None, [f'{rows} {share}'.strip(), *rest]))}"
        sys.stderr.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()

    def close(self) -> None:
        """Clear the line."""
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class RichBar:
    """A bar of rich, which vanishes when the job is done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress: Any = Progress(
            TextColumn(f"{{task.description:<{LABEL}}}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[told]}", markup=False),
            console=Console(stderr=True),
            transient=True,
            expand=True,
        )
        self._task: Any = None

    def show(self, label: str, pace: Pace) -> None:
        """Move the bar."""
        texts = pace.texts() if pace.phase else ("", "", "")
        told = "  ".join(one.rjust(width) for one, width in zip(texts, WIDTHS, strict=True))
        known = {"total": pace.total or None, "completed": pace.done, "told": told}
        if self._task is None:
            self._task = self._progress.add_task(label[:LABEL], **known)
            self._progress.start()
        self._progress.update(self._task, description=label[:LABEL], **known)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def compact(count: float) -> str:
    """A number of rows in a few characters: 950, 12.3k, 4.56M."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= scale:
            return f"{count / scale:#.3g}".rstrip(".") + unit
    return f"{count:.0f}"


def clock(seconds: float) -> str:
    """A time such as 0:07, 12:30 or 3:05:00."""
    minutes, left = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"
