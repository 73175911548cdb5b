"""What a streamed table is, whatever it is read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.progress import Progress
from fastinfluence.rows.array_source import ArraySource
from fastinfluence.rows.arrow_source import surveyed
from fastinfluence.rows.encode import is_category, storage
from fastinfluence.rows.memory import Plan
from fastinfluence.rows.readers import Reader
from fastinfluence.rows.roles import Roles, listed_names
from fastinfluence.rows.source import Source
from fastinfluence.rows.stream import StreamRows
from fastinfluence.rows.survey import Found, Question
from fastinfluence.tables import as_table, as_vector

NUMBERS = "biuf"
"""Kinds of NumPy arrays that hold numbers, or true and false."""


@dataclass(frozen=True)
class StreamTable(ABC):
    """A table that is read anew in every pass.

    Attributes
    ----------
    max_memory : int
        Bytes that streaming may take at one time, beside what the process held before.
    """

    max_memory: int

    @property
    @abstractmethod
    def row_bytes(self) -> int:
        """Bytes of one row, about."""

    @property
    @abstractmethod
    def unit_bytes(self) -> int:
        """Bytes read ahead of a block."""

    @property
    @abstractmethod
    def names(self) -> dict[str, str]:
        """What the columns of the target, the weight and so on are called in messages."""

    @abstractmethod
    def survey(self, question: Question, plan: Plan) -> tuple[Source, Found]:
        """The rows, and what one pass over them finds."""

    def rows(
        self,
        source: Any,
        encode: Callable[[Any, int], Any],
        total_weight: float,
        plan: Plan,
        progress: Progress,
    ) -> StreamRows:
        """The rows as engines see them."""
        return StreamRows(source, encode, total_weight, plan, progress)

    def plan(self, n_threads: int) -> Plan:
        """How the table is read within its memory."""
        return Plan.of(self.max_memory, n_threads, self.row_bytes, self.unit_bytes)


@dataclass(frozen=True)
class ArrowTable(StreamTable):
    """Columns of a table that Arrow reads.

    Attributes
    ----------
    reader : Reader
    roles : Roles
    """

    reader: Reader
    roles: Roles

    @property
    def row_bytes(self) -> int:
        """Bytes of one row as a block holds it: 12 for an entry where it is sparse."""
        kinds = [self.reader.schema.field(name).type for name in self.roles.features]
        entry = 12 if any(map(is_category, kinds)) else storage(kinds).itemsize
        return entry * len(kinds) + 8 * (len(self.roles.used) - len(kinds))

    @property
    def unit_bytes(self) -> int:
        """Bytes read ahead of a block."""
        return self.reader.ahead(self.roles.used)

    @property
    def names(self) -> dict[str, str]:
        """The columns of the target and the weight."""
        return {"target": self.roles.target, "weight": str(self.roles.weight)}

    def survey(self, question: Question, plan: Plan) -> tuple[Source, Found]:
        """The rows, and what one pass over them finds."""
        return surveyed(self.reader, self.roles, question, plan.threads, plan.block_rows)


@dataclass(frozen=True)
class Arrays(StreamTable):
    """Arrays in memory or mapped from files.

    Attributes
    ----------
    source : ArraySource
    """

    source: ArraySource

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, about."""
        return self.source.row_bytes + 24

    @property
    def unit_bytes(self) -> int:
        """Nothing is read ahead."""
        return 0

    @property
    def names(self) -> dict[str, str]:
        """The arrays of the targets and the weights."""
        return {"target": "y", "weight": "weight"}

    def survey(self, question: Question, plan: Plan) -> tuple[Source, Found]:
        """The rows, and what one pass over them finds."""
        return self.source, self.source.survey(question, plan.threads, plan.block_rows)


def array_source(
    X: Any, y: Any, weight: Any = None, offset: Any = None, features: Sequence[str] | None = None
) -> ArraySource:
    """Rows of arrays whose shapes fit together; InputError where they do not."""
    table = as_table(X)
    named = listed_names(features)
    names = table.names if named is None else tuple(map(str, named))
    n, d = table.values.shape
    if len(names) != d:
        raise InputError(f"features has {len(names)} names but X has {d} columns")
    if y is None:
        raise InputError("y is needed: one target for each row")
    return ArraySource(
        table.values, _column(y, n, "y"), _numbers(weight, n, "weight"),
        _numbers(offset, n, "offset"), names,
    )  # fmt: skip


def _column(values: Any, n: int, what: str, kinds: str = "biufUST") -> np.ndarray[Any, Any]:
    """An array (n,) of one of the NumPy kinds; numbers among objects are read as numbers."""
    out = as_vector(values, what)
    if len(out) != n:
        raise InputError(f"{what} has {len(out)} entries but X has {n} rows")
    if out.dtype.kind == "O":
        try:
            return out.astype(np.float64)
        except (TypeError, ValueError):
            if kinds != NUMBERS:
                return out
    if out.dtype.kind not in kinds:
        raise InputError(f"{what} holds {out.dtype} values: give numbers")
    return out


def _numbers(values: Any, n: int, what: str) -> np.ndarray[Any, Any] | None:
    return None if values is None else _column(values, n, what, NUMBERS)
