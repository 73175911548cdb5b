"""An Arrow table, wherever it is kept, as rows of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.rows.base import ordered
from fastinfluence.rows.encode import Encoder, decoded, is_category, is_number
from fastinfluence.rows.readers import Part, Reader
from fastinfluence.rows.roles import Roles
from fastinfluence.rows.source import Raw, Unit
from fastinfluence.rows.survey import Found, Question, survey_batch
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
        roles, start = self.roles, unit.start
        for batch in self.reader.batches(unit.key, roles.used, block_rows):
            if batch.num_rows:
                yield Raw(
                    X=self.encode.block(batch, partial(self._where, start)),
                    y=decoded(batch.column(roles.target)),
                    w=_numbers(batch, roles.weight),
                    offset=_numbers(batch, roles.offset),
                    ids=None if roles.id is None else decoded(batch.column(roles.id)),
                )
                start += batch.num_rows

    def _where(self, start: int, row: int) -> str:
        return self.where(start + row)

    def where(self, row: int) -> str:
        """The file of a row and its place there."""
        return place(self.units, row)


def place(units: Sequence[Unit], row: int) -> str:
    """Where a row of the table is, for messages."""
    unit = next((unit for unit in units if row < unit.stop), units[-1])
    part: Part = unit.key
    if not part.file:
        return f"row {row}"
    return f"row {part.first + row - unit.start} of {part.file} (row {row} of the table)"


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
    check_types(reader.schema, roles, question)
    reader.check(roles.used, roles.every)
    survey = _Survey(reader, roles, question, rows, len(reader.parts))
    sizes, found = ordered(survey.part, len(reader.parts), _both, n_threads)
    stops = np.cumsum(sizes).tolist()
    units = [
        Unit(part, stop - n, stop) for part, n, stop in zip(reader.parts, sizes, stops, strict=True)
    ]
    if found.bad is not None:
        raise InputError(found.bad.at(place(units, found.bad.row)))
    return ArrowSource(reader, roles, encoder_of(reader.schema, roles, found), units), found


def encoder_of(schema: Any, roles: Roles, found: Found) -> Encoder:
    """How the features of a table are encoded, all of which was surveyed."""
    categories = {name: _sorted(name, values) for name, values in found.categories.items()}
    return Encoder.of(schema, roles.features, categories)


def found_in(batches: Iterable[Any], roles: Roles, question: Question) -> Found:
    """What some batches hold, up to the first thing that must not be there."""
    found = Found()
    for batch in batches:
        found = found.and_then(survey_batch(batch, roles, question))
        if found.bad is not None:
            break
    return found


@dataclass
class _Survey:
    """One pass over the parts of a table, which ends with the first that has a fault."""

    reader: Reader
    roles: Roles
    question: Question
    rows: int
    last: int

    def part(self, k: int) -> tuple[list[int], Found]:
        """Number of rows of the k-th part, and what they hold."""
        part = self.reader.parts[k]
        if k > self.last:
            return [0], Found()
        batches = self.reader.batches(part, self.roles.used, self.rows)
        found = found_in(batches, self.roles, self.question)
        if found.bad is not None:
            self.last = min(self.last, k)
        if not found.n_rows:
            raise InputError(f"{part.file or 'a part of the table'} holds no rows: leave it out")
        return [found.n_rows], found


def _both(a: tuple[list[int], Found], b: tuple[list[int], Found]) -> tuple[list[int], Found]:
    return a[0] + b[0], a[1].and_then(b[1])


def _sorted(name: str, values: set[Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(values))
    except TypeError as error:
        raise InputError(f"column {name!r} mixes categories that cannot be ordered") from error


def plain_type(schema: Any, name: str) -> Any:
    """A column's Arrow type, of its values where it is a dictionary."""
    kind = schema.field(name).type
    return kind.value_type if hasattr(kind, "value_type") else kind


def check_types(schema: Any, roles: Roles, question: Question) -> None:
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
    kind = schema.field(roles.target).type
    if not (is_number(kind) or (question.most and is_category(kind))):
        wanted = "numbers or text" if question.most else f"{question.domain}"
        raise InputError(
            f"column {roles.target!r} holds {kind} values: the target must hold {wanted}"
        )
