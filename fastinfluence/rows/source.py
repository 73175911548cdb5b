"""What a streamed table is read from: units of rows, each handed out a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastinfluence.rows.features import Features
from fastinfluence.types import FloatArray


class Unit(NamedTuple):
    """Rows ``start`` to ``stop``, read one after the other by one thread."""

    key: Any
    """What the source finds them by."""
    start: int
    stop: int


class Raw(NamedTuple):
    """Some rows as a source reads them: features encoded, targets as the caller has them."""

    X: Features
    y: np.ndarray[Any, Any]
    w: FloatArray | None
    offset: FloatArray | None
    ids: np.ndarray[Any, Any] | None = None


class Source(Protocol):
    """Where a streamed table comes from."""

    @property
    def units(self) -> Sequence[Unit]:
        """All of them, in the order of the rows."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the d columns of X."""

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """Storage type of X, float32 or float64."""

    @property
    def density(self) -> float:
        """Share of the n·d numbers that are stored."""

    @property
    def has_offset(self) -> bool:
        """Whether rows come with an offset."""

    @property
    def id_type(self) -> Any:
        """Arrow type of what rows are named by, or None."""

    @property
    def transform(self) -> Callable[[Any], Any] | None:
        """From a frame with the table's own columns to the d columns of X, where they differ."""

    def read(self, unit: Unit, block_rows: int) -> Iterator[Raw]:
        """The unit's rows, a block at a time."""

    def where(self, row: int) -> str:
        """The file of a row and its place there, for messages."""
