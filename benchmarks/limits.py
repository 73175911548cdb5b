"""The machine's own limits, and how to time things beside them.

A speed means little by itself: the same code runs at half the pace on a machine that is busy or
small. What is compared here and in the suite is a ratio to a limit measured in the same minute:
how fast memory can be read, how fast NumPy's BLAS multiplies. Nothing of fastinfluence is used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import DTypeLike, NDArray

ASSUMED_CACHE = 32 << 20
CACHES = 4
"""What counts as data that no cache holds: this many times the largest cache."""
REPEATS = 7


def last_level_cache() -> int:
    """Return the bytes of the largest cache, or 32 MiB where the system does not tell."""
    sizes = []
    for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = file.read_text().strip()
        sizes.append(int(text.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(text[-1], 0))
    return max(sizes, default=ASSUMED_CACHE)


def n_cpus() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _sum() -> Callable[[NDArray[np.float64]], float]:
    """Compile a plain sum, which the compiler turns into wide loads and additions."""

    @numba.njit(nogil=True, fastmath={"reassoc", "nsz"})
    def total(x: Any) -> Any:
        found = 0.0
        for i in range(len(x)):
            found += x[i]
        return found

    compiled: Callable[[NDArray[np.float64]], float] = total
    return compiled


class Reader:
    """A call that reads one large array once, to be timed beside other calls.

    Parameters
    ----------
    threads
        Threads that share the reading; None takes every processor.
    nbytes
        Size of the array, at least; never below four times the last-level cache.

    Attributes
    ----------
    nbytes
        Bytes that one call reads.
    """

    def __init__(self, threads: int | None = None, nbytes: int = 0) -> None:
        threads = threads or n_cpus()
        self.nbytes = 8 * (max(nbytes, CACHES * last_level_cache()) // 8)
        self._parts = np.array_split(np.ones(self.nbytes // 8), threads)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self()  # compile

    def __call__(self) -> float:
        """Return the sum."""
        each = map if self._pool is None else self._pool.map
        return sum(each(_sum(), self._parts))


def read_bandwidth(threads: int | None = None, repeats: int = REPEATS) -> float:
    """Return the bytes a second at which a compiled sum reads memory, the best of `repeats`."""
    read = Reader(threads)
    return read.nbytes / best(interleaved({"read": read}, repeats)["read"])


class Gemm:
    """A call that multiplies two n×n matrices with NumPy, as the host has it set up.

    Attributes
    ----------
    flops
        Floating-point operations of one call, 2n³.
    """

    def __init__(self, dtype: DTypeLike = np.float64, n: int = 1024) -> None:
        rng = np.random.default_rng(0)
        self._A, self._B = rng.standard_normal((2, n, n)).astype(dtype)
        self._out = np.empty((n, n), dtype)
        self.flops = 2.0 * n**3

    def __call__(self) -> None:
        """Multiply."""
        np.matmul(self._A, self._B, out=self._out)


def gemm_rate(dtype: DTypeLike = np.float64, n: int = 1024, repeats: int = REPEATS) -> float:
    """Return the floating-point operations a second of NumPy's matrix product."""
    multiply = Gemm(dtype, n)
    return multiply.flops / best(interleaved({"gemm": multiply}, repeats)["gemm"])


def interleaved(
    calls: dict[str, Callable[[], object]], repeats: int = REPEATS
) -> dict[str, list[float]]:
    """Time every call in turn, `repeats` times round, after one round that is not counted.

    In turn, because what disturbs a machine lasts longer than one call: it then hits all of them.

    Returns
    -------
    dict
        Seconds of each repeat, under the same names. A call should take a millisecond or more.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def best(times: Sequence[float]) -> float:
    """Return the shortest: interruptions only ever add."""
    return min(times)


if __name__ == "__main__":
    for threads in sorted({1, n_cpus()}):
        print(f"read, {threads} thread(s): {read_bandwidth(threads) / 1e9:.1f} GB/s")
    for dtype in (np.float64, np.float32):
        print(f"gemm, {np.dtype(dtype).name}: {gemm_rate(dtype) / 1e9:.0f} GFlop/s")
