"""An Arrow table, wherever it is kept, as rows of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.rows.base import ordered
from fastinfluence.rows.encode import Encoder, decoded, is_category, is_number
from fastinfluence.rows.readers import Part, Reader
from fastinfluence.rows.roles import Roles
from fastinfluence.rows.stream import Raw, Unit
from fastinfluence.rows.survey import Bad, Found, Question, survey_batch
from fastinfluence.types import FloatArray


@dataclass(frozen=True)
class ArrowSource:
    """Parts of a table whose columns are known.

    Attributes
    ----------
    reader : Reader
    roles : Roles
    encode : Encoder
    units : list of Unit
        The parts with the rows that they hold.
    """

    reader: Reader
    roles: Roles
    encode: Encoder
    units: Sequence[Unit]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the d columns of X."""
        return self.encode.names

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """Storage type of X."""
        return self.encode.dtype

    @property
    def density(self) -> float:
        """Share of the n·d numbers that are stored."""
        return self.encode.density

    @property
    def has_offset(self) -> bool:
        """Whether rows come with an offset."""
        return self.roles.offset is not None

    @property
    def id_type(self) -> Any:
        """Arrow type of what rows are named by, or None."""
        return None if self.roles.id is None else plain_type(self.reader.schema, self.roles.id)

    @property
    def transform(self) -> Encoder | None:
        """From a frame with the table's own columns to the d columns of X, where they differ."""
        return self.encode if self.encode.categories else None

    def read(self, unit: Unit, block_rows: int) -> Iterator[Raw]:
        """The unit's rows, a block at a time."""
        roles = self.roles
        for batch in self.reader.batches(unit.key, roles.used, block_rows):
            if batch.num_rows:
                yield Raw(
                    X=self.encode.block(batch),
                    y=decoded(batch.column(roles.target)),
                    w=_numbers(batch, roles.weight),
                    offset=_numbers(batch, roles.offset),
                    ids=None if roles.id is None else decoded(batch.column(roles.id)),
                )

    def where(self, row: int) -> str:
        """The file of a row and its place there."""
        unit = next(unit for unit in self.units if row < unit.stop)
        return place(unit.key, row - unit.start, row)


def place(part: Part, row: int, of_table: int) -> str:
    """Where a row is, for messages."""
    if not part.file:
        return f"row {of_table}"
    return f"row {part.first + row} of {part.file} (row {of_table} of the table)"


def _numbers(batch: Any, name: str | None) -> FloatArray | None:
    if name is None:
        return None
    return np.ascontiguousarray(decoded(batch.column(name)), dtype=np.float64)


def surveyed(
    reader: Reader, roles: Roles, question: Question, n_threads: int, rows: int
) -> tuple[ArrowSource, Found]:
    """The table's source, and what one pass over it found.

    Raises
    ------
    InputError
        Naming the file, the column and the row of what must not be there.
    """
    check_types(reader.schema, roles)
    reader.check(roles.used)

    def survey(k: int) -> list[Found]:
        part = reader.parts[k]
        found = found_in(reader.batches(part, roles.used, rows), roles, question)
        if not found.n_rows:
            raise InputError(f"{part.file or 'a part of the table'} holds no rows: leave it out")
        return [found]

    every = ordered(survey, len(reader.parts), lambda a, b: a + b, n_threads)
    units, start = [], 0
    for part, found in zip(reader.parts, every, strict=True):
        if found.bad is not None:
            raise InputError(_complaint(part, found.bad, start))
        units.append(Unit(part, start, start + found.n_rows))
        start += found.n_rows
    whole = every[0]
    for found in every[1:]:
        whole = whole.and_then(found)
    return ArrowSource(reader, roles, encoder_of(reader.schema, roles, whole), units), whole


def found_in(batches: Iterable[Any], roles: Roles, question: Question) -> Found:
    """What some batches hold, up to the first thing that must not be there."""
    found = Found(0, None, 0.0, {}, None)
    for batch in batches:
        one = survey_batch(batch, roles, question)
        found = one if found.n_rows == 0 else found.and_then(one)
        if found.bad is not None:
            break
    return found


def encoder_of(schema: Any, roles: Roles, whole: Found) -> Encoder:
    """How the features of a table are encoded, all of which was surveyed."""
    categories = {name: _sorted(name, values) for name, values in whole.categories.items()}
    return Encoder.of(schema, roles.features, categories)


def _complaint(part: Part, bad: Bad, start: int) -> str:
    where = place(part, bad.row, start + bad.row)
    return f"column {bad.column!r} {bad.what} in {where}: impute or drop that row before scoring"


def _sorted(name: str, values: set[Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(values))
    except TypeError as error:
        raise InputError(f"column {name!r} mixes categories that cannot be ordered") from error


def plain_type(schema: Any, name: str) -> Any:
    """A column's Arrow type, of its values where it is a dictionary."""
    kind = schema.field(name).type
    return kind.value_type if hasattr(kind, "value_type") else kind


def check_types(schema: Any, roles: Roles) -> None:
    """InputError where a column's type does not fit its role."""
    for name in roles.features:
        kind = schema.field(name).type
        if not (is_number(kind) or is_category(kind)):
            raise InputError(
                f"column {name!r} holds {kind} values: features are numbers or categories; "
                "convert it, or leave it out with features=[…]"
            )
    for role in ("weight", "offset"):
        name = getattr(roles, role)
        if name is not None and not is_number(schema.field(name).type):
            kind = schema.field(name).type
            raise InputError(f"column {name!r} holds {kind} values: the {role} must be a number")
