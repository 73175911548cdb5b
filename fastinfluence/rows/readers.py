"""Arrow batches from where a table is kept: Parquet and CSV files, tables, record batches."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from glob import glob
from pathlib import Path
from typing import Any

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.rows.encode import is_category

UNIT_ROWS = 1 << 20
"""Rows of one unit of a table in memory."""
READ_AHEAD = 1 << 20
"""Bytes of each column of a Parquet file that are read at a time."""


def arrow() -> Any:
    """Pyarrow; UnsupportedError where it is not installed."""
    try:
        import pyarrow
    except ImportError as error:
        raise UnsupportedError(
            "reading tables block by block needs pyarrow: pip install 'fastinfluence[parquet]'"
        ) from error
    return pyarrow


@dataclass(frozen=True)
class Part:
    """What one unit of a table is read from: rows ``first`` on of a file, or of the table."""

    file: str
    first: int
    n_rows: int | None
    """None where only reading tells."""
    key: Any = None


class Reader(ABC):
    """A table in parts, each read as Arrow batches."""

    schema: Any
    """Of all parts, a ``pyarrow.Schema``."""

    @property
    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """All of them, in the order of the rows."""

    @abstractmethod
    def batches(self, part: Part, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """The part's rows, at most so many in a batch."""

    def check(self, columns: Sequence[str]) -> None:
        """InputError where some part lacks one of the columns, or holds another type."""
        for name in columns:
            if name not in self.schema.names:
                raise InputError(f"the table has no column {name!r}")

    def ahead(self, columns: Sequence[str]) -> int:
        """Bytes read ahead of the batch that is handed out."""
        return READ_AHEAD * len(columns)


class ParquetReader(Reader):
    """Row groups of Parquet files."""

    def __init__(self, paths: Any) -> None:
        self.files = listed_files(paths, "*.parquet")
        self._footers = [self._footer(path) for path in self.files]
        self.schema = self._footers[0].schema.to_arrow_schema()

    def _footer(self, path: str) -> Any:
        import pyarrow.parquet as pq

        try:
            footer = pq.read_metadata(path)
        except (OSError, arrow().ArrowException) as error:
            raise InputError(f"{path} cannot be read as Parquet: {error}") from error
        if not footer.num_rows:
            raise InputError(f"{path} holds no rows: leave it out")
        return footer

    @cached_property
    def parts(self) -> Sequence[Part]:
        """One for each row group."""
        out: list[Part] = []
        for path, footer in zip(self.files, self._footers, strict=True):
            first = 0
            for k in range(footer.num_row_groups):
                n = footer.row_group(k).num_rows
                if n:
                    out.append(Part(path, first, n, k))
                first += n
        return out

    def check(self, columns: Sequence[str]) -> None:
        """Every file must have the columns that the first one has, of the same types."""
        for path, footer in zip(self.files[1:], self._footers[1:], strict=True):
            same_columns(self.files[0], self.schema, path, footer.schema.to_arrow_schema(), columns)

    def batches(self, part: Part, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """One row group, decoded a batch at a time by the calling thread."""
        import pyarrow.parquet as pq

        text = [name for name in columns if is_category(self.schema.field(name).type)]
        try:
            file = pq.ParquetFile(part.file, read_dictionary=text, buffer_size=READ_AHEAD)
            with file:
                yield from file.iter_batches(
                    rows, row_groups=[part.key], columns=list(columns), use_threads=False
                )
        except (OSError, arrow().ArrowException) as error:
            raise InputError(f"{part.file} cannot be read: {error}") from error


class TableReader(Reader):
    """An Arrow table in memory, or anything that becomes one without a copy."""

    def __init__(self, table: Any) -> None:
        pa = arrow()
        self.table = table if isinstance(table, pa.Table) else pa.table(table)
        self.schema = self.table.schema
        if not self.table.num_rows:
            raise InputError("the table holds no rows")

    @cached_property
    def parts(self) -> Sequence[Part]:
        """Ranges of rows."""
        n = self.table.num_rows
        cuts = range(0, n, UNIT_ROWS)
        return [Part("", start, min(UNIT_ROWS, n - start)) for start in cuts]

    def batches(self, part: Part, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """Views of the table."""
        chosen = self.table.select(list(columns)).slice(part.first, part.n_rows)
        yield from chosen.to_batches(max_chunksize=rows)

    def ahead(self, columns: Sequence[str]) -> int:
        """Nothing: the table is in memory."""
        return 0


class SpooledReader(Reader):
    """Record batches that come once, kept in a temporary file for the passes to come.

    The file is in the folder for temporary files, uncompressed, and goes with the reader.
    """

    def __init__(self, batches: Any) -> None:
        pa = arrow()
        self._folder = tempfile.TemporaryDirectory(prefix="fastinfluence-")
        self._path = str(Path(self._folder.name) / "rows.arrow")
        self.schema = batches.schema
        with pa.OSFile(self._path, "wb") as out, pa.ipc.new_file(out, self.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        self._sizes = self._counted()
        if not sum(self._sizes):
            raise InputError("the record batches hold no rows")

    def _counted(self) -> list[int]:
        pa = arrow()
        with pa.memory_map(self._path) as file, pa.ipc.open_file(file) as batches:
            return [batches.get_batch(k).num_rows for k in range(batches.num_record_batches)]

    @cached_property
    def parts(self) -> Sequence[Part]:
        """One for each batch that came."""
        out, first = [], 0
        for k, n in enumerate(self._sizes):
            if n:
                out.append(Part("", first, n, k))
            first += n
        return out

    def batches(self, part: Part, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """One of the batches that came, in slices."""
        pa = arrow()
        with pa.OSFile(self._path) as file, pa.ipc.open_file(file) as stored:
            whole = stored.get_batch(part.key).select(list(columns))
            for start in range(0, whole.num_rows, rows):
                yield whole.slice(start, rows)

    def ahead(self, columns: Sequence[str]) -> int:
        """A batch is read whole."""
        largest = max(self._sizes)
        return 8 * largest * len(self.schema)


class CSVReader(Reader):
    """Text files, one part each, parsed by Arrow with the column types of the first one.

    ``types`` says what some of the columns hold, whatever the first file suggests.
    """

    def __init__(
        self, paths: Any, delimiter: str = ",", types: Mapping[str, Any] | None = None
    ) -> None:
        self.files = listed_files(paths, "*.csv")
        self._delimiter = delimiter
        self._types = dict(types or {})
        with self._open(self.files[0], None, 1 << 20) as first:
            self.schema = first.schema
        self._types = {field.name: field.type for field in self.schema}

    @cached_property
    def parts(self) -> Sequence[Part]:
        """One for each file; how many rows it has is not known before it is read."""
        return [Part(path, 0, None) for path in self.files]

    def _open(self, path: str, columns: Sequence[str] | None, block: int) -> Any:
        from pyarrow import csv

        try:
            return csv.open_csv(
                path,
                read_options=csv.ReadOptions(use_threads=False, block_size=block),
                parse_options=csv.ParseOptions(delimiter=self._delimiter),
                convert_options=csv.ConvertOptions(
                    column_types=self._types,
                    include_columns=None if columns is None else list(columns),
                    strings_can_be_null=True,
                    null_values=["", "NA", "NaN", "nan", "null", "NULL"],
                ),
            )
        except (OSError, arrow().ArrowException) as error:
            raise InputError(f"{path} cannot be read as CSV: {error}") from error

    def batches(self, part: Part, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """The file's rows, as Arrow parses them, cut to size."""
        try:
            with self._open(part.file, columns, READ_AHEAD) as stream:
                for batch in stream:
                    for start in range(0, batch.num_rows, rows):
                        yield batch.slice(start, rows)
        except arrow().ArrowException as error:
            raise InputError(f"{part.file} cannot be read as CSV: {error}") from error


def listed_files(paths: Any, pattern: str) -> list[str]:
    """Files of a path, a pattern, a folder, or a list of them; sorted within each.

    Raises
    ------
    InputError
        Where there is none.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files: list[str] = []
    for one in given:
        path = str(one)
        if Path(path).is_dir():
            found = sorted(str(file) for file in Path(path).rglob(pattern))
        else:
            found = [path] if Path(path).exists() else sorted(glob(path, recursive=True))
        if not found:
            raise InputError(f"no file matches {path!r}")
        files += found
    return files


def same_columns(first: str, wanted: Any, path: str, schema: Any, columns: Sequence[str]) -> None:
    """InputError where a file lacks a column, or holds another type than the first file."""
    for name in columns:
        if name not in schema.names:
            raise InputError(f"{path} has no column {name!r}, which {first} has")
        own, other = wanted.field(name).type, schema.field(name).type
        if own != other and not (is_category(own) and is_category(other)):
            raise InputError(
                f"column {name!r} holds {other} in {path} but {own} in {first}: "
                "write all files with one type"
            )
