"""Arrow batches from where a table is kept: Parquet files, tables, record batches."""

from __future__ import annotations

import os
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.lazy import cached_property
from fastinfluence.rows.encode import is_category
from fastinfluence.rows.files import Stamps, first_line, listed_files, same_columns

UNIT_ROWS = 1 << 20
"""Rows of one unit of a table in memory."""
SPOOL_ROWS = 1 << 16
"""Most rows of record batches that are kept, and read again, as one."""
READ_AHEAD = 1 << 20
"""Bytes of each column of a Parquet file that are read at a time."""
BUFFERS = 3
"""Of each column, of that size: what was read, a page of its dictionary and one of its values."""


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

    def check(self, columns: Sequence[str], every: bool) -> None:
        """InputError where some part lacks one of the columns, or holds another type.

        With ``every`` also where it holds columns that the first part does not.
        """
        return  # parts of one table have its columns

    def ahead(self, columns: Sequence[str]) -> int:
        """Bytes read ahead of the batch that is handed out."""
        return READ_AHEAD * len(columns)


class ParquetReader(Reader):
    """Row groups of Parquet files."""

    def __init__(self, paths: Any) -> None:
        arrow()
        self.files = listed_files(paths, "*.parquet")
        self._footers = [self._footer(path) for path in self.files]
        self.schema = self._footers[0].schema.to_arrow_schema()
        self._stamps = Stamps(self.files)

    def _footer(self, path: str) -> Any:
        import pyarrow.parquet as pq

        try:
            footer = pq.read_metadata(path)
        except (OSError, arrow().ArrowException) as error:
            raise InputError(f"{path} cannot be read as Parquet: {first_line(error)}") from error
        if not footer.num_rows:
            raise InputError(f"{path} holds no rows: leave it out")
        return footer

    @cached_property
    def _footer_of(self) -> dict[str, Any]:
        return dict(zip(self.files, self._footers, strict=True))

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

    def check(self, columns: Sequence[str], every: bool) -> None:
        """Every file must have the columns that the first one has, of the same types."""
        for path, footer in zip(self.files[1:], self._footers[1:], strict=True):
            schema = footer.schema.to_arrow_schema()
            same_columns(self.files[0], self.schema, path, schema, columns, every)

    def batches(self, part: Part, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """One row group, decoded a batch at a time by the calling thread."""
        import pyarrow.parquet as pq

        text = [name for name in columns if is_category(self.schema.field(name).type)]
        self._stamps.check(part.file)
        try:
            file = pq.ParquetFile(
                part.file,
                metadata=self._footer_of[part.file],  # read once, however many row groups there are
                read_dictionary=text,
                buffer_size=READ_AHEAD,
                pre_buffer=False,  # buffered before, a row group would be in memory as a whole
            )
            with file:
                yield from file.iter_batches(
                    rows, row_groups=[part.key], columns=list(columns), use_threads=False
                )
        except (OSError, arrow().ArrowException) as error:
            raise InputError(
                f"{part.file} cannot be read in row group {part.key}, from row {part.first} on: "
                f"{first_line(error)}"
            ) from error

    def ahead(self, columns: Sequence[str]) -> int:
        """A buffer and two pages of each column, or the whole of it where that is less."""
        most = 0
        for footer in self._footers:
            for k in range(footer.num_row_groups):
                group = footer.row_group(k)
                chunks = (group.column(j) for j in range(group.num_columns))
                wanted = (c for c in chunks if c.path_in_schema.split(".")[0] in columns)
                sizes = (c.total_compressed_size + c.total_uncompressed_size for c in wanted)
                most = max(most, sum(min(size, BUFFERS * READ_AHEAD) for size in sizes))
        return most


class TableReader(Reader):
    """An Arrow table in memory, or anything that becomes one without a copy."""

    def __init__(self, table: Any) -> None:
        pa = arrow()
        try:
            self.table = table if isinstance(table, pa.Table) else pa.table(table)
        except (TypeError, ValueError, pa.ArrowException) as error:
            raise InputError(
                f"a {type(table).__name__} is no table that Arrow can read: arrays go to "
                "fi.rows.arrays(X, y)"
            ) from error
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

    The file is in the folder for temporary files, uncompressed, and goes with the reader. Each
    piece is a stream of its own in it, since batches may bring dictionaries of their own.
    """

    def __init__(self, batches: Any) -> None:
        pa = arrow()
        handle, self._path = tempfile.mkstemp(prefix="fastinfluence-", suffix=".arrow")
        os.close(handle)
        self._remove = weakref.finalize(self, Path(self._path).unlink, missing_ok=True)
        self.schema = batches.schema
        self._parts: list[Part] = []
        try:
            with pa.OSFile(self._path, "wb") as out:
                for batch in batches:
                    self._keep(batch, out)
        except pa.ArrowException as error:
            raise InputError(f"the record batches cannot be kept: {first_line(error)}") from error
        except OSError as error:
            raise InputError(
                f"the record batches cannot be kept in {self._path}: {error}; make room there, "
                "set TMPDIR to another folder, or write them to Parquet files"
            ) from error
        finally:
            if not self._parts:
                self._remove()
        if not self._parts:
            raise InputError("the record batches hold no rows")

    def _keep(self, batch: Any, out: Any) -> None:
        for start in range(0, batch.num_rows, SPOOL_ROWS):
            piece = batch.slice(start, SPOOL_ROWS)
            first = self._parts[-1].first + int(self._parts[-1].n_rows or 0) if self._parts else 0
            at = out.tell()
            with arrow().ipc.new_stream(out, self.schema) as writer:
                writer.write_batch(piece)
            self._parts.append(Part("", first, piece.num_rows, at))

    @property
    def parts(self) -> Sequence[Part]:
        """One for each piece that was kept."""
        return self._parts

    def batches(self, part: Part, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """One of the pieces, in slices."""
        pa = arrow()
        with pa.OSFile(self._path) as file:
            file.seek(part.key)
            with pa.ipc.open_stream(file) as stored:
                whole = stored.read_next_batch().select(list(columns))
        for start in range(0, whole.num_rows, rows):
            yield whole.slice(start, rows)

    def ahead(self, columns: Sequence[str]) -> int:
        """A piece is read whole."""
        return 8 * max(int(part.n_rows or 0) for part in self._parts) * len(self.schema)
