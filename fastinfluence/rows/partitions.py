"""What the partitions of a Dask collection hold, and how their rows are read: on the workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.rows.array_source import ArraySource
from fastinfluence.rows.arrow_source import (
    ArrowSource,
    check_types,
    encoder_of,
    found_in,
    place,
    plain_type,
)
from fastinfluence.rows.encode import Encoder, is_category
from fastinfluence.rows.readers import TableReader, arrow
from fastinfluence.rows.roles import Roles
from fastinfluence.rows.source import Raw, Unit
from fastinfluence.rows.stream_tables import array_source
from fastinfluence.rows.survey import Question
from fastinfluence.rows.surveyed import Surveyed, nothing

Held = tuple[Any, ...]
"""What a partition holds: a frame, or arrays."""
FIELDS = ("X", "y", "weight", "offset")
"""What arrays a partition may hold, in this order."""


class Layout(Protocol):
    """How the rows of a partition are read."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, about."""

    @property
    def names(self) -> dict[str, str]:
        """What the columns of the target and the weight are called in messages."""

    def survey(self, k: int, held: Held, question: Question, block_rows: int) -> Surveyed:
        """What partition k holds."""

    def source(self, surveyed: Surveyed) -> PartitionSource:
        """The table, once it is known."""

    def read(self, unit: Unit, held: Held, block_rows: int) -> Iterator[Raw]:
        """The rows of a partition, a block at a time."""


@dataclass(frozen=True)
class PartitionSource:
    """A table in partitions. It reads the one that it holds: on a worker; elsewhere none."""

    layout: Layout
    units: Sequence[Unit]
    feature_names: tuple[str, ...]
    dtype: np.dtype[np.floating[Any]]
    density: float
    has_offset: bool
    id_type: Any = None
    transform: Encoder | None = None
    held: Held = ()

    def read(self, unit: Unit, block_rows: int) -> Iterator[Raw]:
        """The rows of the partition that is held, a block at a time."""
        return self.layout.read(unit, self.held, block_rows)

    def where(self, row: int) -> str:
        """The partition of a row and its place there."""
        return place(self.units, row)

    def holding(self, unit: Unit, held: Held) -> PartitionSource:
        """One partition."""
        return replace(self, units=(unit,), held=held)


@dataclass(frozen=True)
class Frames:
    """Partitions that are data frames, or Arrow tables.

    Attributes
    ----------
    roles : Roles
    sparse : bool
        Whether a feature holds categories.
    encode : Encoder or None
        Of the features, once they are known.
    """

    roles: Roles
    sparse: bool
    encode: Encoder | None = None

    @property
    def row_bytes(self) -> int:
        """Bytes of one row as a block holds it: 12 for an entry where it is sparse."""
        d = len(self.roles.features)
        return (12 if self.sparse else 8) * d + 8 * (len(self.roles.used) - d)

    @property
    def names(self) -> dict[str, str]:
        """The columns of the target and the weight."""
        return {"target": self.roles.target, "weight": str(self.roles.weight)}

    def survey(self, k: int, held: Held, question: Question, block_rows: int) -> Surveyed:
        """What partition k holds."""
        table = arrow_table(held[0], self.roles.used, f"partition {k}")
        if not table.num_rows:
            return nothing(k)
        check_types(table.schema, self.roles, question)
        found = found_in(table.to_batches(max_chunksize=block_rows), self.roles, question)
        kinds = {
            column.name: "categories" if is_category(column.type) else str(column.type)
            for column in table.schema
        }
        return Surveyed([(k, table.num_rows)], kinds, {"schema": table.schema}, 0, found)

    def source(self, surveyed: Surveyed) -> PartitionSource:
        """The table, once it is known."""
        units, schema = surveyed.units(), surveyed.facts["schema"]
        encode = encoder_of(schema, self.roles, surveyed.found)
        return PartitionSource(
            layout=replace(self, encode=encode),
            units=units,
            feature_names=encode.names,
            dtype=encode.dtype,
            density=encode.density,
            has_offset=self.roles.offset is not None,
            id_type=None if self.roles.id is None else plain_type(schema, self.roles.id),
            transform=encode if encode.categories else None,
        )

    def read(self, unit: Unit, held: Held, block_rows: int) -> Iterator[Raw]:
        """The rows of a partition, a block at a time."""
        assert self.encode is not None, "the features are known before rows are read"
        table = arrow_table(held[0], self.roles.used, unit.key.file)
        source = ArrowSource(TableReader(table), self.roles, self.encode, [unit])
        return source.read(unit, block_rows)


@dataclass(frozen=True)
class Chunks:
    """Partitions that are arrays.

    Attributes
    ----------
    fields : tuple of str
        What a partition holds, of :data:`FIELDS`; or nothing, where it holds a tuple of them.
    row_bytes : int
        Bytes of one row, about.
    columns : tuple of str or None
        Names of the columns of X; by default their own.
    """

    fields: tuple[str, ...]
    row_bytes: int
    columns: tuple[str, ...] | None = None

    @property
    def names(self) -> dict[str, str]:
        """The arrays of the targets and the weights."""
        return {"target": "y", "weight": "weight"}

    def survey(self, k: int, held: Held, question: Question, block_rows: int) -> Surveyed:
        """What partition k holds."""
        try:
            if not np.shape(self._given(held)["X"])[0]:
                return nothing(k)
            source = self._source(held)
            found = source.found(question, 1, block_rows)
        except InputError as error:
            raise InputError(f"partition {k}: {error}") from error
        facts = {"names": source.feature_names, "dtype": source.dtype}
        kinds = {"X": f"{len(source.feature_names)} columns of {source.dtype}"}
        kinds |= {name: "numbers" for name in FIELDS[2:] if self._given(held).get(name) is not None}
        stored = round(source.density * source.X.shape[0] * source.X.shape[1])
        return Surveyed([(k, len(source.y))], kinds, facts, stored, found)

    def source(self, surveyed: Surveyed) -> PartitionSource:
        """The table, once it is known."""
        units, names = surveyed.units(), surveyed.facts["names"]
        return PartitionSource(
            layout=self,
            units=units,
            feature_names=names,
            dtype=surveyed.facts["dtype"],
            density=surveyed.stored / (units[-1].stop * len(names)),
            has_offset="offset" in surveyed.kinds,
        )

    def read(self, unit: Unit, held: Held, block_rows: int) -> Iterator[Raw]:
        """The rows of a partition, a block at a time."""
        source = self._source(held)
        return source.read(Unit(None, 0, len(source.y)), block_rows)

    def _given(self, held: Held) -> dict[str, Any]:
        """The arrays by name."""
        if self.fields:
            return dict(zip(self.fields, held, strict=True))
        values = held[0]
        if not isinstance(values, tuple | list) or not 2 <= len(values) <= len(FIELDS):
            raise InputError(
                f"a block is a {type(values).__name__}: without target=… each must be a tuple "
                "(X, y), (X, y, weight) or (X, y, weight, offset)"
            )
        return dict(zip(FIELDS, values, strict=False))

    def _source(self, held: Held) -> ArraySource:
        given = self._given(held)
        return array_source(given.pop("X"), given.pop("y"), features=self.columns, **given)


def arrow_table(frame: Any, columns: Sequence[str] | None, what: str) -> Any:
    """The named columns of a data frame of any library, or all, as an Arrow table."""
    import narwhals as nw

    pa = arrow()
    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise InputError(f"{what} is a {type(frame).__name__}: give data frames") from error
    chosen = table.columns if columns is None else list(columns)
    missing = [name for name in chosen if name not in table.columns]
    if missing:
        raise InputError(f"{what} has no column {missing[0]!r}")
    if hasattr(frame, "iloc"):
        return pa.table({name: _of_pandas(frame[name], what) for name in chosen})
    return table.select(chosen).to_arrow()


def _of_pandas(column: Any, what: str) -> Any:
    """A column as an Arrow array: numbers as they are, what pandas calls missing as null."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return arrow().array(column.to_numpy())  # a view: looking for NaN is the survey's work
    try:
        return arrow().array(column, from_pandas=True)
    except arrow().ArrowException as error:
        raise InputError(f"column {column.name!r} of {what} mixes types: {error}") from error
