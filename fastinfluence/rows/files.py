"""The files of a table: which they are, and that they stay as they were."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any

from fastinfluence.errors import InputError
from fastinfluence.files import utf8_path
from fastinfluence.rows.encode import is_category


class Stamps:
    """Sizes and times of files, by which a change between two passes is noticed."""

    def __init__(self, files: Sequence[str]) -> None:
        self._known = {path: _stamp(path) for path in files}

    def check(self, path: str) -> None:
        """InputError where a file was changed or removed since."""
        if _stamp(path) != self._known[path]:
            raise InputError(
                f"{path} changed, or is gone, since the table was described: describe it again"
            )


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def first_line(error: BaseException) -> str:
    """What an error says, without what libraries add below."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def listed_files(paths: Any, pattern: str) -> list[str]:
    """Files of a path, a pattern, a folder, or a list of them; sorted within each.

    Raises
    ------
    InputError
        Where there is none.
    """
    try:
        given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    except TypeError as error:
        raise InputError(f"paths={paths!r} is no path, nor a list of them") from error
    if not given:
        raise InputError("paths is empty: name at least one file")
    files: list[str] = []
    for one in given:
        path = str(one)
        if Path(path).is_dir():
            found = sorted(str(file) for file in Path(path).rglob(pattern))
        else:
            found = [path] if Path(path).exists() else sorted(glob(path, recursive=True))
        if not found:
            raise InputError(f"no file matches {path!r}")
        files += map(utf8_path, found)
    return files


def same_columns(
    first: str, wanted: Any, path: str, schema: Any, columns: Sequence[str], every: bool
) -> None:
    """InputError where a file lacks a column, or holds another type than the first file.

    With ``every`` also where it holds a column that the first file does not.
    """
    more = [name for name in schema.names if name not in wanted.names]
    if every and more:
        raise InputError(
            f"{path} has a column {more[0]!r}, which {first} has not: name those to use with "
            "features=[…]"
        )
    for name in columns:
        if name not in schema.names:
            raise InputError(f"{path} has no column {name!r}, which {first} has")
        own, other = wanted.field(name).type, schema.field(name).type
        if own != other and not (is_category(own) and is_category(other)):
            raise InputError(
                f"column {name!r} holds {other} in {path} but {own} in {first}: "
                "write all files with one type"
            )
