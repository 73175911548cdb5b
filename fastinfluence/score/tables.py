"""TRAIN as a table that is streamed, and TEST as one in memory, read alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fastinfluence.audit.read import check_columns, check_distinct
from fastinfluence.errors import InputError
from fastinfluence.rows.arrow_source import plain_type
from fastinfluence.rows.csv_reader import CSVReader
from fastinfluence.rows.encode import decoded, is_category, is_number
from fastinfluence.rows.files import listed_files
from fastinfluence.rows.memory import DEFAULT
from fastinfluence.rows.readers import UNIT_ROWS, ParquetReader, Reader
from fastinfluence.rows.roles import Roles
from fastinfluence.rows.stream_tables import ArrowTable
from fastinfluence.score.options import Options
from fastinfluence.types import FloatArray


@dataclass(frozen=True)
class TestTable:
    """The rows whose loss is asked about.

    Attributes
    ----------
    path : str
        What the user called them.
    X : pyarrow.Table
        The features' own columns, t rows.
    y : ndarray, shape (t,)
        Targets as the table has them.
    offset : ndarray, shape (t,), or None
    ids : list or None
        What the rows are named by, where the table has that column.
    """

    path: str
    X: pa.Table
    y: np.ndarray[Any, Any]
    offset: FloatArray | None
    ids: list[Any] | None

    def __len__(self) -> int:
        """Number of test rows t."""
        return len(self.y)


def train_table(path: str, options: Options, delimiter: str | None) -> ArrowTable:
    """TRAIN with the roles of its columns; its memory is yet to be set.

    Raises
    ------
    InputError
        Naming a column that is not there, has two roles, or holds nothing a model can take.
    """
    reader = _reader(path, delimiter)
    names = reader.schema.names
    check_distinct(names)
    for what in ("target", "weight", "offset", "id"):
        given = getattr(options, what)
        check_columns([] if given is None else [given], names, f"--{what}")
    check_columns(options.features, names, "--features")
    check_columns(options.drop, names, "--drop")
    roles = Roles.of(
        names,
        options.target,
        options.features or _default(names, options),
        options.weight,
        options.offset,
        options.id,
    )
    _check_types(reader.schema, roles)
    if isinstance(reader, CSVReader):
        numbers = (*roles.features, roles.weight, roles.offset)
        reader.as_floats([name for name in numbers if name is not None])
    return ArrowTable(DEFAULT, reader, roles)


def read_test(path: str, train: ArrowTable, delimiter: str | None) -> TestTable:
    """All of TEST, with the columns of TRAIN that it needs and their types.

    Raises
    ------
    InputError
        Naming a column that is not there or holds another type, or the row of a missing value.
    """
    roles, schema = train.roles, train.reader.schema
    reader = _reader(path, delimiter, _types(schema, roles.used))
    needed = [n for n in (*roles.features, roles.target, roles.offset) if n is not None]
    for name in needed:
        if name not in reader.schema.names:
            raise InputError(f"{path} has no column {name!r}, which the model needs")
    for name in roles.features:
        _check_alike(path, name, reader.schema.field(name).type, schema.field(name).type)
    named = roles.id if roles.id in reader.schema.names else None
    table = _whole(reader, [*needed, *([named] if named else [])])
    for name in needed:
        _check_complete(path, name, table.column(name))
    return TestTable(
        path=path,
        X=table.select(list(roles.features)),
        y=decoded(table.column(roles.target).combine_chunks()),
        offset=None if roles.offset is None else _numbers(table.column(roles.offset)),
        ids=table.column(named).to_pylist() if named else None,
    )


def is_parquet(path: str) -> bool:
    """Whether a path, folder or pattern stands for Parquet files, by the first one's bytes."""
    if Path(path).is_dir():
        found = {kind: next(Path(path).rglob(f"*.{kind}"), None) for kind in ("parquet", "csv")}
        if not any(found.values()):
            raise InputError(f"{path} holds no files that end in .parquet or .csv")
        if all(found.values()):
            raise InputError(
                f"{path} holds Parquet files ({found['parquet']}) and CSV files ({found['csv']}): "
                'name those of one kind with a quoted pattern, such as "folder/*.csv"'
            )
        return found["parquet"] is not None
    first = Path(listed_files(path, "*")[0])
    if not first.is_file():
        raise InputError(f"{first} is no file")
    with first.open("rb") as file:
        return file.read(4) == b"PAR1"


def _reader(
    path: str, delimiter: str | None, types: dict[str, Any] | None = None
) -> ParquetReader | CSVReader:
    if is_parquet(path):
        return ParquetReader(path)
    chosen = delimiter or ("\t" if ".tsv" in path else ",")
    if len(chosen.encode()) != 1:
        raise InputError(f"--delimiter {chosen!r} must be one ASCII character")
    return CSVReader(path, chosen, types)


def _types(schema: pa.Schema, names: Sequence[str]) -> dict[str, pa.DataType]:
    """What CSV files are told to hold, so that they are read as TRAIN was."""
    kinds = {name: plain_type(schema, name) for name in names}
    return {
        name: pa.string() if is_category(kind) else kind
        for name, kind in kinds.items()
        if is_category(kind) or is_number(kind)
    }


def _default(names: Sequence[str], options: Options) -> list[str] | None:
    """All that have no other role: None where that needs no list."""
    if not options.drop:
        return None
    taken = {options.target, options.weight, options.offset, options.id, *options.drop}
    return [name for name in names if name not in taken]


def _check_types(schema: pa.Schema, roles: Roles) -> None:
    for name in roles.features:
        kind = schema.field(name).type
        if not (is_number(kind) or is_category(kind)):
            raise InputError(
                f"column {name!r} holds {kind} values: a model takes numbers and text; leave it "
                f"out with --drop {name!r}"
            )


def _check_alike(path: str, name: str, own: pa.DataType, wanted: pa.DataType) -> None:
    if (is_category(own), is_number(own)) != (is_category(wanted), is_number(wanted)):
        raise InputError(f"column {name!r} holds {own} values in {path} but {wanted} in TRAIN")


def _whole(reader: Reader, columns: list[str]) -> pa.Table:
    """All rows, one chunk a column."""
    reader.check(columns, every=False)
    batches = [b for part in reader.parts for b in reader.batches(part, columns, UNIT_ROWS)]
    table = pa.Table.from_batches(batches).select(columns)
    return table.unify_dictionaries().combine_chunks()


def _check_complete(path: str, name: str, column: pa.ChunkedArray) -> None:
    """Refuse a missing value, NaN and infinity, naming the row."""
    bad, what = pc.is_null(column), "is missing"
    if not column.null_count and pa.types.is_floating(column.type):
        bad, what = pc.invert(pc.is_finite(column)), "is not finite"
    row = pc.index(bad, True).as_py()
    if row >= 0:
        raise InputError(
            f"column {name!r} of {path} {what} in row {row}: fill it in, or leave that row out"
        )


def _numbers(column: pa.ChunkedArray) -> FloatArray:
    if not is_number(column.type):
        raise InputError(f"the offset holds {column.type} values: it must be a number")
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
