"""One file of arrays and a JSON document, read without running anything that it holds.

The file is NumPy's ``.npz``, read with ``allow_pickle=False``; one of its arrays holds the bytes of
the document.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fastinfluence.errors import FastInfluenceError, InputError
from fastinfluence.files import whole_file

DOCUMENT = "document"
"""Name of the array of the document's bytes."""
UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error, NotImplementedError,
    AttributeError, TypeError, OverflowError, RecursionError, MemoryError, TokenError,
)  # fmt: skip
"""What NumPy and ``zipfile`` raise of damaged bytes: a wrong shape may ask for any memory."""
MALFORMED = (
    KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError,
)  # fmt: skip


@dataclass(frozen=True)
class Archive:
    """What a file holds.

    Attributes
    ----------
    document : dict
        With ``kind``, ``format`` and ``library`` besides what was given.
    arrays : dict of str to ndarray
    """

    document: dict[str, Any]
    arrays: dict[str, np.ndarray[Any, Any]]


def write_archive(
    path: Path, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
) -> None:
    """Write a file as a whole; a file of that name is kept until then.

    Raises
    ------
    StorageError
        Where it cannot be written.
    """
    text = np.frombuffer(json.dumps(document).encode(), dtype=np.uint8)
    with whole_file(path) as file:
        np.savez(file, allow_pickle=False, **{DOCUMENT: text, **arrays})


def read_archive(path: Path, kind: str, newest: int) -> Archive:
    """Read a file of some kind, up to a format.

    Raises
    ------
    InputError
        Where there is none, it is damaged, of another kind, or newer than this version.
    """
    arrays = _arrays(path)
    with telling_damage(path):
        document = json.loads(arrays.pop(DOCUMENT).tobytes())
        if document["kind"] != kind:
            raise InputError(f"{path} holds {document['kind']!r}, not {kind!r}")
        if int(document["format"]) > newest:
            raise InputError(
                f"{path} was saved by fastinfluence {document['library']}, in format "
                f"{document['format']}, and this version knows formats up to {newest}: update "
                "fastinfluence"
            )
    return Archive(document, arrays)


def _arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    if not path.is_file():
        raise InputError(f"{path} is no file")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as members:
            return {name: members[name] for name in members.files}
    except UNREADABLE as error:
        raise InputError(
            f"{path} cannot be read ({error}): it is damaged, was cut off, or was not saved by "
            "fastinfluence"
        ) from error


@contextmanager
def telling_damage(path: Path) -> Iterator[None]:
    """InputError where a document that could be read does not hold what it must."""
    try:
        yield
    except FastInfluenceError:
        raise
    except MALFORMED as error:
        raise InputError(
            f"{path} is damaged or was not saved by fastinfluence: {type(error).__name__} {error}"
        ) from error
