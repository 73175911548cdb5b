"""How many threads BLAS and torch may use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

from benchmarks.limits import n_cpus


class Threads:
    """Sets the threads of every BLAS in the process, and torch's.

    One and all processors are tried, and what is faster counts, for every library alike: NumPy
    and SciPy each bring a BLAS whose idle threads spin, so more threads are often slower. All
    entries run at one setting before any runs at the next, for the same reason. The
    threads of this library's own kernels are not touched.

    Make it after every library that will be used has been imported.
    """

    def __init__(self) -> None:
        self._blas = ThreadpoolController()
        self.settings = tuple(sorted({1, n_cpus()}))

    @contextmanager
    def limited(self, count: int) -> Iterator[None]:
        """Use ``count`` threads inside the block."""
        torch = sys.modules.get("torch")
        before = torch.get_num_threads() if torch else 0
        with self._blas.limit(limits=count, user_api="blas"):
            if torch:
                torch.set_num_threads(count)
            try:
                yield
            finally:
                if torch:
                    torch.set_num_threads(before)
