"""How much of the memory that a process may hold is left for its table, for how many threads."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from fastinfluence.errors import InputError
from fastinfluence.rows.memory import COPIES, DEFAULT, LEAST_ROWS, as_bytes, shown
from fastinfluence.rows.stream_tables import ArrowTable
from fastinfluence.sinks.plan import FEWEST_ROWS, MOST_ROWS, SCORES_PER_PART

LATER = 160 << 20
"""Bytes of compiled kernels, and of what the libraries keep, that come with the first passes."""
STEP = 1 << 25
"""What is held is rounded up to a multiple, so that a job has the same blocks every time."""
UNKNOWN = 256 << 20
"""Taken to be held where the system does not tell."""
ARENA = 64 << 20
"""Freed memory that the system's allocator may keep for each thread but the first."""
WRITTEN = 3
"""Copies of a part of the scores on its way to its file: collected, encoded, in a buffer."""
PARTS_SHARE = 1 / 6
"""Share of the limit that parts on their way may take."""


@dataclass(frozen=True)
class Room:
    """What a limit leaves.

    Attributes
    ----------
    table : ArrowTable
        With its own share of the memory.
    threads : int
    rows_per_part : int
        Rows of one file of scores.
    """

    table: ArrowTable
    threads: int
    rows_per_part: int


def resident() -> int:
    """Bytes of memory that this process holds now, or the most that it has held so far."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    try:
        import resource
    except ImportError:
        return UNKNOWN
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def room(table: ArrowTable, max_memory: int | str | None, threads: int, n_tests: int) -> Room:
    """What a limit on the whole process leaves, with as many of the threads as it has room for.

    ``n_tests`` scores of each training row are written to files; 0 where none are.

    Raises
    ------
    InputError
        If it is too little even for one thread, naming a limit that is enough.
    """
    held = STEP * -(-(resident() + LATER) // STEP)
    if max_memory is None:  # called from a process that holds much already
        max_memory = max(DEFAULT, held + DEFAULT // 2)
    given = as_bytes(max_memory, "--max-memory")
    least = 2 * (table.unit_bytes + COPIES * LEAST_ROWS * table.row_bytes)
    for k in range(threads, 0, -1):
        rows = _part_rows(table, given, k, n_tests)
        beside = held + k * _written(rows, n_tests) + (k - 1) * ARENA
        if given >= beside + k * least:
            return Room(replace(table, max_memory=given - beside), k, rows)
    enough = given
    for _ in range(20):  # a larger limit makes larger parts, by a sixth of the difference
        part = _written(_part_rows(table, enough, 1, n_tests), n_tests)
        enough = max(enough, held + least + part)
    raise InputError(
        f"--max-memory {shown(given)} is too small: the interpreter, the libraries and the test "
        f"rows hold {shown(held)}, and this table takes {shown(enough - held)} more; give at "
        f"least {-(-enough // 10**6)}MB"
    )


def _written(rows: int, n_tests: int) -> int:
    """Bytes that a part of so many rows takes on its way to its file."""
    return WRITTEN * 8 * (n_tests + 1) * rows if n_tests else 0


def _part_rows(table: ArrowTable, given: int, threads: int, n_tests: int) -> int:
    """Rows of one file of scores: no more than are read in one go."""
    units = [MOST_ROWS if part.n_rows is None else part.n_rows for part in table.reader.parts]
    share = int(PARTS_SHARE * given) // (WRITTEN * threads * 8 * (n_tests + 1))
    return max(FEWEST_ROWS, min(share, SCORES_PER_PART // max(n_tests, 1), max(units)))
