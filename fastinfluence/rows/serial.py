"""Tables whose blocks are worked on one after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fastinfluence.rows.base import Block, fingerprint_of, ordered_map_reduce
from fastinfluence.rows.features import Features
from fastinfluence.types import IntArray

T = TypeVar("T")


class SerialRows(ABC):
    """What such tables share: a subclass says where blocks begin and end, and takes rows."""

    n_rows: int
    n_features: int
    dtype: np.dtype[np.floating[Any]]
    density: float

    @abstractmethod
    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows."""

    @abstractmethod
    def _cuts(self, once: bool) -> list[int]:
        """The first row of every block, and n; ``once`` as in :meth:`map_reduce`."""

    def threads(self, n_columns: int, n_threads: int) -> int:
        """One: a device is the parallel part, and of a caller's code nothing is known."""
        return 1

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """Apply ``task`` to every block; combine the results in block order."""
        return ordered_map_reduce(self._cuts(once), self._block, task, combine, 1)

    def _block(self, start: int, stop: int) -> Block:
        return Block(start, stop, self.take(slice(start, stop)))

    def fingerprint(self) -> str:
        """SHA-256 of the rows; a pass over them."""
        return fingerprint_of(self)
