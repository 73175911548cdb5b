"""How much of the memory that a process may hold is left for its table."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from fastinfluence.errors import InputError
from fastinfluence.rows.base import available_threads
from fastinfluence.rows.memory import COPIES, LEAST_ROWS, as_bytes, shown
from fastinfluence.rows.stream_tables import ArrowTable

LATER = 160 << 20
"""Bytes of compiled kernels, and of what the libraries keep, that come with the first passes."""
STEP = 1 << 25
"""What is held is rounded up to a multiple, so that a job has the same blocks every time."""
UNKNOWN = 256 << 20
"""Taken to be held where the system does not tell."""


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


def within(table: ArrowTable, max_memory: int | str, n_threads: int | None) -> ArrowTable:
    """The table with what a limit on the whole process leaves for it.

    Raises
    ------
    InputError
        If that is too little, naming a limit that is enough.
    """
    given = as_bytes(max_memory, "--max-memory")
    held = STEP * -(-(resident() + LATER) // STEP)
    least = 2 * (table.unit_bytes + COPIES * LEAST_ROWS * table.row_bytes)
    if given < held + least:
        raise InputError(
            f"--max-memory {shown(given)} is too small: the interpreter, the libraries and the "
            f"test rows hold {shown(held)}, and reading this table takes {shown(least)} more; give "
            f"at least {-(-(held + least) // 10**6)}MB"
        )
    out = replace(table, max_memory=given - held)
    out.plan(n_threads or available_threads())
    return out
