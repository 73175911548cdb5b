"""Peak memory of one call, in a process of its own so that nothing is left over from others."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
POSSIBLE = CLEAR.exists()
"""Only Linux tells, and forgets when asked, how large a process has been. (``ru_maxrss`` of a new
process starts at what its parent had.)"""


@dataclass(frozen=True)
class Peak:
    """A call to be made in a fresh process: ``prepare``, which pickles, returns it."""

    name: str
    what: str
    size: tuple[int, int, int]
    prepare: Callable[[], Callable[[], Any]]


def grown(peak: Peak) -> float:
    """Return the bytes by which resident memory grew, at the highest, above the data."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as process:
        return process.submit(_grown, peak).result()


def _grown(peak: Peak) -> float:
    call = peak.prepare()
    CLEAR.write_text("5")  # the high-water mark starts again at what is resident now
    before = _high_water()
    result = call()  # held, since the answer is part of what the call needs
    after = _high_water()
    del result
    return float(after - before)


def _high_water() -> int:
    found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
    assert found is not None
    return int(found[1]) * 1024
