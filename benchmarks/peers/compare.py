"""Calls that must give the same numbers before they are timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.limits import best, interleaved
from benchmarks.peers.threads import Threads

HOPELESS = 2.0
"""Times the fastest setting of a peer beyond which another is not tried again."""


class Disagreement(AssertionError):
    """Two libraries gave different numbers for the same question."""


def as_it_is(result: Any) -> list[Any]:
    return [np.asarray(result)]


@dataclass(frozen=True)
class Entry:
    """One way to the answer.

    Attributes
    ----------
    name
        Who. Entries of one name are settings of one peer, of which the fastest counts.
    run
        What is timed.
    values
        Turns what ``run`` returns into arrays in this library's convention; not timed.
    setting
        The options used.
    check
        What is compared in place of ``run``, where ``run`` draws random rows.
    aim
        How many times faster this library should be.
    """

    name: str
    run: Callable[[], Any]
    values: Callable[[Any], Sequence[Any]] = as_it_is
    setting: str = ""
    check: Callable[[], Any] | None = None
    aim: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One question, put to this library and to peers.

    ``tolerance`` is relative to the largest of the numbers compared; ``flops`` are what the
    matrix products that no exact method avoids cost, where that says how fast one can be.
    """

    title: str
    size: str
    ours: Entry
    peers: Sequence[Entry]
    tolerance: float = 1e-10
    flops: float | None = None

    @property
    def entries(self) -> list[Entry]:
        return [self.ours, *self.peers]


@dataclass(frozen=True)
class Timing:
    """The fastest run of one name: its setting and threads of BLAS."""

    seconds: float
    setting: str
    threads: int


@dataclass(frozen=True)
class Result:
    """What a comparison found; ``error`` is the largest disagreement, name by name."""

    comparison: Comparison
    timings: dict[str, Timing] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def ours(self) -> Timing:
        return self.timings[self.comparison.ours.name]

    def ratio(self, name: str) -> float:
        """How many times faster this library is."""
        return self.timings[name].seconds / self.ours.seconds

    def aim(self, name: str) -> float | None:
        """How many times it should be."""
        return next(e.aim for e in self.comparison.peers if e.name == name)


def disagreement(found: Sequence[Any], expected: Sequence[Any]) -> float:
    """Return the largest |found − expected| of each pair of arrays, relative to the largest."""
    if len(found) != len(expected):
        return np.inf
    return max(map(_disagreement, found, expected))


def _disagreement(found: Any, expected: Any) -> float:
    if np.shape(found) != np.shape(expected) or not np.isfinite(found).all():
        return np.inf
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def agree(comparison: Comparison) -> dict[str, float]:
    """Run everything once and compare.

    Raises
    ------
    Disagreement
        Where a peer's numbers are not ours.
    """
    answers = [entry.values((entry.check or entry.run)()) for entry in comparison.entries]
    errors: dict[str, float] = {}
    for entry, answer in zip(comparison.peers, answers[1:], strict=True):
        error = disagreement(answer, answers[0])
        errors[entry.name] = max(error, errors.get(entry.name, 0.0))
        if not error <= comparison.tolerance:
            raise Disagreement(
                f"{comparison.title}: {entry.name} ({entry.setting}) differs by {error:.1e} of "
                f"the largest number, more than {comparison.tolerance:.0e}"
            )
    return errors


def measure(
    comparison: Comparison, threads: Threads, repeats: int, patience: float = 2.0
) -> Result:
    """Compare the numbers, then time every entry in turn at each number of threads.

    Calls of more than ``patience`` seconds are timed once, with one thread of BLAS, as are settings
    that take more than twice as long as another of the same name.
    """
    entries = comparison.entries
    with threads.limited(1):
        errors = agree(comparison)
        for entry in entries:
            if entry.check:
                entry.run()  # the others have been compiled by now
        found = [(entry, _seconds(entry.run), 1) for entry in entries]
    fast = {str(i): found[i][0] for i in _worth_repeating(found, patience)}
    for count in threads.settings:
        with threads.limited(count):
            times = interleaved({i: entry.run for i, entry in fast.items()}, repeats)
        found += [(fast[i], best(seconds), count) for i, seconds in times.items()]
    timings: dict[str, Timing] = {}
    for entry, seconds, count in sorted(found, key=lambda row: row[1]):
        timings.setdefault(entry.name, Timing(seconds, entry.setting, count))
    return Result(comparison, timings, errors)


def _worth_repeating(found: list[tuple[Entry, float, int]], patience: float) -> list[int]:
    least: dict[str, float] = {}
    for entry, once, _ in found:
        least[entry.name] = min(once, least.get(entry.name, patience / HOPELESS))
    return [i for i, (e, once, _) in enumerate(found) if once <= HOPELESS * least[e.name]]


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
