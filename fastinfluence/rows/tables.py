"""Tables to be streamed, as users describe them: ``fi.rows.parquet(...)`` and its kin.

Nothing is read when such a table is described but the names and types of its columns. It goes in
the place of X: ``fi.Influence.fit(spec, fi.rows.parquet("train/*.parquet", target="y"))``.
"""

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
from fastinfluence.rows.csv_reader import CSVReader
from fastinfluence.rows.encode import is_category, storage
from fastinfluence.rows.memory import DEFAULT, Plan, as_bytes
from fastinfluence.rows.readers import ParquetReader, Reader, SpooledReader, TableReader
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


def parquet(
    paths: Any,
    target: str,
    features: Sequence[str] | None = None,
    weight: str | None = None,
    offset: str | None = None,
    id: str | None = None,
    max_memory: int | str = DEFAULT,
) -> StreamTable:
    """Rows of Parquet files, one row group after another.

    Only the columns named are read. A column of text, or a dictionary, becomes one column for
    each of its categories, ``column=value``, on the fly; blocks are then sparse.

    Parameters
    ----------
    paths : str, path or list of them
        A file, a folder (with the ``*.parquet`` files below it), or a pattern such as
        ``"train/*.parquet"``. Files are taken in the order of their names.
    target : str
        Column of y.
    features : list of str, optional
        Columns of X in their order; by default all that have no other role.
    weight, offset, id : str, optional
        Columns of sample weights, offsets, and what names a row in a result.
    max_memory : int or str, default 2 GB
        What streaming may take at one time beside what the process held before, in bytes or as
        ``"500MB"``. It also sizes the blocks.

    Raises
    ------
    InputError
        If no file matches, one is no Parquet file, or a column is missing.
    """
    return _arrow_table(ParquetReader(paths), target, features, weight, offset, id, max_memory)


def csv(
    paths: Any,
    target: str,
    features: Sequence[str] | None = None,
    weight: str | None = None,
    offset: str | None = None,
    id: str | None = None,
    delimiter: str = ",",
    max_memory: int | str = DEFAULT,
) -> StreamTable:
    """Rows of CSV files, parsed anew in every pass: Parquet is read several times as fast.

    Parameters are those of :func:`parquet`, and

    delimiter : str, default ","
    """
    reader = CSVReader(paths, delimiter)
    table = _arrow_table(reader, target, features, weight, offset, id, max_memory)
    numbers = [*table.roles.features, weight, offset]
    reader.as_floats([name for name in numbers if name is not None])
    return table


def arrow(
    table: Any,
    target: str,
    features: Sequence[str] | None = None,
    weight: str | None = None,
    offset: str | None = None,
    id: str | None = None,
    max_memory: int | str = DEFAULT,
) -> StreamTable:
    """Rows of an Arrow table, or of record batches that come once.

    Parameters are those of :func:`parquet`, and

    table : pyarrow.Table, pyarrow.RecordBatchReader, or a data frame that Arrow can read
        What a reader of record batches hands out is kept in a temporary file.
    """
    once = hasattr(table, "read_next_batch")
    reader: Reader = SpooledReader(table) if once else TableReader(table)
    return _arrow_table(reader, target, features, weight, offset, id, max_memory)


def arrays(
    X: Any,
    y: Any,
    weight: Any = None,
    offset: Any = None,
    features: Sequence[str] | None = None,
    max_memory: int | str = DEFAULT,
) -> StreamTable:
    """Rows of arrays, mapped from files (``np.memmap``) or in memory.

    Of an array in memory nothing with an entry per row is made beside it, as
    :class:`fastinfluence.Influence` otherwise does.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Float32 or float64 of any layout, or a SciPy sparse matrix.
    y, weight, offset : array_like, shape (n,)
    features : list of str, optional
        Names of the columns.
    max_memory : int or str, default 2 GB
        As in :func:`parquet`.
    """
    source = array_source(X, y, weight, offset, features)
    return Arrays(as_bytes(max_memory), source)


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


def _arrow_table(
    reader: Reader,
    target: str,
    features: Sequence[str] | None,
    weight: str | None,
    offset: str | None,
    id: str | None,
    max_memory: int | str,
) -> ArrowTable:
    roles = Roles.of(reader.schema.names, target, features, weight, offset, id)
    return ArrowTable(as_bytes(max_memory), reader, roles)
