"""Arrays and memory maps, read a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.lazy import cached_property
from fastinfluence.rows.base import ordered
from fastinfluence.rows.source import Raw, Unit
from fastinfluence.rows.sources import as_rows
from fastinfluence.rows.survey import Found, Question, survey_block
from fastinfluence.types import FloatArray

UNIT_BYTES = 1 << 26
"""Bytes of X in one unit."""


@dataclass(frozen=True)
class ArraySource:
    """Rows of an array (n, d), dense of any layout or CSR; a memory map is read as it goes.

    Blocks are views: of a memory map the system keeps the pages it has read while nobody else
    needs the memory.
    """

    X: Any
    y: np.ndarray[Any, Any]
    w: np.ndarray[Any, Any] | None
    offset: np.ndarray[Any, Any] | None
    feature_names: tuple[str, ...]

    @cached_property
    def units(self) -> list[Unit]:
        """Ranges of rows of about the same size in bytes."""
        n = len(self.y)
        rows = max(1, UNIT_BYTES // self.row_bytes)
        return [Unit(None, start, min(start + rows, n)) for start in range(0, n, rows)]

    @property
    def row_bytes(self) -> int:
        """Bytes of X in one row, about."""
        entry = 12 if self.sparse else int(self.X.dtype.itemsize)
        return max(1, round(float(self.X.shape[1]) * self.density * entry))

    @property
    def sparse(self) -> bool:
        """Whether X is a CSR array."""
        return hasattr(self.X, "indptr")

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """Storage type of X."""
        out: np.dtype[np.floating[Any]] = self.X.dtype.newbyteorder("=")
        return out

    @property
    def density(self) -> float:
        """Share of the n·d numbers that are stored."""
        return as_rows(self.X).density

    @property
    def has_offset(self) -> bool:
        """Whether rows come with an offset."""
        return self.offset is not None

    id_type: None = None
    """Rows have no names."""

    @property
    def transform(self) -> None:
        """None: X is taken as it is."""

    def read(self, unit: Unit, block_rows: int) -> Iterator[Raw]:
        """The unit's rows, a block at a time."""
        for start in range(unit.start, unit.stop, block_rows):
            at = slice(start, min(start + block_rows, unit.stop))
            yield Raw(
                as_rows(self.X[at]).take(slice(None)),
                np.array(self.y[at]),
                _numbers(self.w, at),
                _numbers(self.offset, at),
            )

    def where(self, row: int) -> str:
        """The place of a row."""
        return f"row {row}"

    def survey(self, question: Question, n_threads: int, block_rows: int) -> Found:
        """What one pass over the rows finds.

        Raises
        ------
        InputError
            Naming the column and the row of what must not be there.
        """
        found = self.found(question, n_threads, block_rows)
        if found.bad is not None:
            raise InputError(found.bad.at(self.where(found.bad.row)))
        return found

    def found(self, question: Question, n_threads: int, block_rows: int) -> Found:
        """The same, with the first thing that must not be there; InputError for no numbers."""
        if not question.most and self.y.dtype.kind not in "biuf":
            raise InputError(
                f"y holds {self.y.dtype} values: the target must hold {question.domain}"
            )

        def survey(k: int) -> Found:
            blocks = self.read(self.units[k], block_rows)
            return reduce(
                Found.and_then, (survey_block(raw, self.feature_names, question) for raw in blocks)
            )

        return ordered(survey, len(self.units), Found.and_then, n_threads)


def _numbers(values: np.ndarray[Any, Any] | None, at: slice) -> FloatArray | None:
    return None if values is None else np.asarray(values[at], dtype=np.float64)
