"""Files that are whole or absent."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fastinfluence.errors import InputError
from fastinfluence.files import utf8_path
from fastinfluence.inputs import listed

TABLES = (".parquet", ".csv")
PICTURES = (".png", ".svg", ".pdf")
PAGES = (".html", ".htm")
UNDATED: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""Of pictures, so that the same result gives the same bytes."""


def default_name(table: Path, suffix: str) -> Path:
    """NAME-audit and a suffix, in the current folder, for a table NAME.csv or NAME.csv.gz."""
    stem = table.name
    for ending in (".gz", ".bz2", ".zst", ".csv", ".tsv", ".txt", ".parquet", ".pq"):
        stem = stem.removesuffix(ending)
    return Path(f"{stem}-audit{suffix}")


def check_output(path: Path, suffixes: tuple[str, ...], others: dict[str, Path], what: str) -> None:
    """Refuse, before any work is done, a file that cannot or must not be written.

    Parameters
    ----------
    path : Path
        The file to write.
    suffixes : tuple of str
        Endings allowed.
    others : dict of str to Path
        Files that it must not be, by what they are.
    what : str
        The option that names it.

    Raises
    ------
    InputError
        For a wrong ending, a missing or read-only folder, a folder in the file's place, and
        one of the ``others``.
    """
    utf8_path(path)
    if path.suffix.lower() not in suffixes:
        raise InputError(f"{what} {path}: the name must end in {' or '.join(suffixes)}")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise InputError(f"{what} {path}: the folder {path.parent} does not exist, make it first")
    if path.is_dir():
        raise InputError(f"{what} {path} is a folder: name a file")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{what} {path}: the folder {path.parent} is read-only")
    for name, other in others.items():
        if os.path.realpath(path) == os.path.realpath(other) or _same_file(path, other):
            raise InputError(f"{what} {path} is {name}: name another file")


def check_types(path: Path, table: pa.Table) -> None:
    """Refuse a CSV file where a column cannot be written into one."""
    if path.suffix.lower() != ".csv":
        return
    wrong = [field.name for field in table.schema if not _fits_csv(field)]
    if wrong:
        raise InputError(
            f"a CSV file cannot hold the nested columns {listed(wrong)}: end --out in .parquet"
        )


def write_table(table: pa.Table, path: Path, kind: Path) -> None:
    """Write a table into ``path``, in the format that the name ``kind`` asks for."""
    if kind.suffix.lower() == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place when the block ends well.

    After an error or an interruption nothing is left behind, and what ``path`` held before is
    untouched.
    """
    final = Path(os.path.realpath(path))  # through a link, which stays one
    part = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
    try:
        part.touch(exist_ok=False)
        yield part
        os.replace(part, final)
    finally:
        part.unlink(missing_ok=True)


def _same_file(path: Path, other: Path) -> bool:
    """Whether both exist and are one file, by a hard link say."""
    return path.exists() and other.exists() and path.samefile(other)


def _fits_csv(field: pa.Field) -> bool:
    try:
        pa.csv.write_csv(pa.schema([field]).empty_table(), pa.BufferOutputStream())
    except pa.ArrowException:
        return False
    return True
