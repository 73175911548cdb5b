"""Text files as Arrow batches."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastinfluence.errors import InputError
from fastinfluence.lazy import cached_property
from fastinfluence.rows.files import Stamps, first_line, listed_files, same_columns
from fastinfluence.rows.readers import READ_AHEAD, Part, Reader, arrow

VALUE = re.compile(
    r"CSV column #(?P<column>\d+): Row #(?P<line>\d+): CSV conversion error to (?P<kind>\w+): "
    r"(?P<what>.*)"
)
"""How Arrow complains about a value."""


class CSVReader(Reader):
    """Text files, one part each, parsed by Arrow with the column types of the first one.

    ``types`` says what some of the columns hold, whatever the first file suggests.
    """

    def __init__(
        self, paths: Any, delimiter: str = ",", types: Mapping[str, Any] | None = None
    ) -> None:
        arrow()
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            raise InputError(f"delimiter={delimiter!r} must be one character")
        self.files = listed_files(paths, "*.csv")
        self._stamps = Stamps(self.files)
        self._delimiter = delimiter
        self._types = dict(types or {})
        self.schema = self._head(self.files[0])
        self._types = {field.name: field.type for field in self.schema}

    def _head(self, path: str) -> Any:
        """The columns of one file."""
        with self._open(path, None) as stream:
            try:
                stream.read_next_batch()
            except StopIteration:
                raise InputError(f"{path} holds no rows: leave it out") from None
            schema = stream.schema
        try:
            schema.names  # noqa: B018 - decoded only now
        except UnicodeDecodeError:
            raise InputError(f"{path} cannot be read: its column names are not UTF-8") from None
        return schema

    def as_floats(self, columns: Sequence[str]) -> None:
        """Parse integers as floating numbers: what looks like one at first may get a fraction."""
        pa = arrow()
        for name in columns:
            if pa.types.is_integer(self._types[name]):
                self._types[name] = pa.float64()
        self.schema = pa.schema(list(self._types.items()))

    def check(self, columns: Sequence[str], every: bool) -> None:
        """Every file must have the columns that the first one has."""
        for path in self.files[1:]:
            same_columns(self.files[0], self.schema, path, self._head(path), columns, every)

    @cached_property
    def parts(self) -> Sequence[Part]:
        """One for each file; how many rows it has is not known before it is read."""
        return [Part(path, 0, None) for path in self.files]

    def _open(self, path: str, columns: Sequence[str] | None) -> Any:
        from pyarrow import csv as parser

        try:
            return parser.open_csv(
                path,
                read_options=parser.ReadOptions(use_threads=False, block_size=READ_AHEAD),
                parse_options=parser.ParseOptions(delimiter=self._delimiter),
                convert_options=parser.ConvertOptions(
                    column_types=self._types,
                    include_columns=None if columns is None else list(columns),
                    strings_can_be_null=True,
                    null_values=["", "NA", "NaN", "nan", "null", "NULL"],
                ),
            )
        except (OSError, arrow().ArrowException) as error:
            raise self._refusal(path, error) from error

    def batches(self, part: Part, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """The file's rows, as Arrow parses them, cut to size."""
        self._stamps.check(part.file)
        try:
            with self._open(part.file, columns) as stream:
                for batch in stream:
                    for start in range(0, batch.num_rows, rows):
                        yield batch.slice(start, rows)
        except arrow().ArrowException as error:
            raise self._refusal(part.file, error) from error

    def _refusal(self, path: str, error: Exception) -> InputError:
        """The parser's complaint, with the column by name and the row counted from 0."""
        told = first_line(error)
        found = VALUE.search(told)
        if found is None:
            return InputError(f"{path} cannot be read as CSV: {told}")
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            header = next(csv.reader(file, delimiter=self._delimiter))
        place, row = int(found["column"]), int(found["line"]) - 2  # the header is line 1
        return InputError(
            f"column {header[place]!r} cannot be read in row {row} of {path}: {found['what']}; the "
            f"first rows of {self.files[0]} hold {found['kind']} values, and so must all others"
        )
