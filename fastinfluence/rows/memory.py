"""How much of a streamed table is in memory at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.errors import InputError

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
NUMBERS = (int, float, np.integer, np.floating)
LEAST_ROWS = 256
BLOCK_BYTES = 1 << 22
"""Bytes of a block where memory is plenty: Python's share of a pass is then small."""
SHARE = 0.25
"""Share of the limit that blocks in flight may take."""
COPIES = 6
"""A block's bytes are held so many times at once: as read, as encoded, and as what a pass makes."""
DEFAULT = 2 * 10**9


def as_bytes(size: Any, what: str = "max_memory") -> int:
    """Bytes of a number, or of text such as ``"2GB"`` or ``"512 MiB"``."""
    if isinstance(size, str):
        found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", size)
        if found is None or found[2].lower() not in UNITS:
            raise InputError(f'{what}={size!r} is no size: give bytes, or text such as "2GB"')
        size = float(found[1]) * UNITS[found[2].lower()]
    if isinstance(size, bool) or not isinstance(size, NUMBERS) or not 0 < size < 2**62:
        raise InputError(f'{what}={size!r} is no size: give bytes, or text such as "2GB"')
    return int(size)


def shown(n_bytes: float) -> str:
    """A size for a message."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.3g} {unit}"
    return f"{n_bytes / 1000:.3g} kB" if n_bytes >= 1000 else f"{n_bytes:.0f} bytes"


@dataclass(frozen=True)
class Plan:
    """How many rows are read at a time by how many threads, and what may be kept beside them.

    Attributes
    ----------
    max_memory : int
        Bytes that reading, computing and keeping may take at one time, beside what the process
        held before.
    threads : int
    block_rows : int
    spare : int
        Bytes left for what is kept.
    """

    max_memory: int
    threads: int
    block_rows: int
    spare: int

    @classmethod
    def of(cls, max_memory: int, threads: int, row_bytes: int, unit_bytes: int) -> Plan:
        """The plan for rows of so many bytes in units of which so many bytes are read ahead.

        Raises
        ------
        InputError
            If not even one thread can work within the limit.
        """
        least = unit_bytes + COPIES * LEAST_ROWS * row_bytes
        if 2 * least > max_memory:
            enough = shown(1.005 * 2 * least)  # not rounded down
            raise InputError(
                f"max_memory={shown(max_memory)} is too small for this table: reading it takes "
                f"{shown(least)}, and as much is left for results; give {enough}, or name fewer "
                "columns with features=[…]"
            )
        threads = max(1, min(threads, int(max_memory // (2 * least))))
        room = int(SHARE * max_memory) // threads // (COPIES * row_bytes)
        rows = max(LEAST_ROWS, min(room, BLOCK_BYTES // row_bytes))
        return cls(
            max_memory,
            threads,
            rows,
            max_memory - threads * (unit_bytes + COPIES * rows * row_bytes),
        )
