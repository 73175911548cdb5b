"""From a CSV or Parquet file to an Arrow table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fastinfluence.audit.columns import MISSING
from fastinfluence.errors import InputError
from fastinfluence.files import utf8_path
from fastinfluence.inputs import listed

BLOCK_BYTES = 1 << 24
"""Bytes that the CSV reader takes at a time; no row may be longer."""


def read_table(path: Path, delimiter: str | None = None) -> pa.Table:
    """Read a whole table.

    Parameters
    ----------
    path : Path
        A Parquet file, known by its first bytes, or else a CSV file with a line of column names,
        compressed or not (``.csv.gz``).
    delimiter : str, optional
        Between the fields of a CSV file: by default a comma, or a tab for ``.tsv``.

    Raises
    ------
    InputError
        If the file is missing or is no such table; the message says where it stops being one.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a CSV or Parquet file")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    utf8_path(path)
    try:
        table = _read_parquet(path) if _is_parquet(path) else _read_csv(path, delimiter)
        check_distinct(table.column_names)
    except pa.ArrowException as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except UnicodeDecodeError:
        raise InputError(f"cannot read {path}: its column names are not UTF-8") from None
    return table


def check_distinct(names: Sequence[str]) -> None:
    """Refuse a table in which a name does not say which column is meant."""
    twice = [repr(name) for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"the table has more than one column named {listed(twice)}: rename them")


def check_columns(wanted: Sequence[str], names: Sequence[str], what: str) -> None:
    """Refuse names that no column has, with a guess at what was meant."""
    for name in wanted:
        if name not in names:
            folded = {other.casefold(): other for other in reversed(names)}
            close = get_close_matches(name.casefold(), folded, n=1)
            guess = f"did you mean {folded[close[0]]!r}?" if close else f"it has {listed(names)}"
            raise InputError(f"{what} {name!r} is no column of the table: {guess}")


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _read_parquet(path: Path) -> pa.Table:
    return pa.parquet.read_table(path)


def _read_csv(path: Path, delimiter: str | None) -> pa.Table:
    delimiter = delimiter or ("\t" if ".tsv" in path.suffixes else ",")
    if len(delimiter.encode()) != 1:
        raise InputError(f"delimiter={delimiter!r} must be one ASCII character")
    table = pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(null_values=sorted(MISSING)),
    )
    for field in table.schema:
        if pa.types.is_binary(field.type):
            raise InputError(f"cannot read {path}: the column {field.name!r} is not UTF-8 text")
    if table.num_columns == 1:
        _refuse_other_delimiter(path, table.column_names[0])
    return table


def _refuse_other_delimiter(path: Path, header: str) -> None:
    for other, name in ((";", "';'"), ("\t", "a tab"), ("|", "'|'")):
        if other in header:
            raise InputError(
                f"{path} looks delimited by {name}: say so with --delimiter, written "
                + (r"$'\t'" if other == "\t" else f"'{other}'")
            )
