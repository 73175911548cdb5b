"""Files that are there as a whole or not at all, and one error where they cannot be written."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

from fastinfluence.errors import InputError, StorageError

TEMPORARY = ".tmp"
"""How the names of unfinished files end; they start with a dot."""
ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space of your quota",
    errno.EFBIG: "raise the limit on the size of files",
    errno.EROFS: "choose a folder that may be written to",
    errno.EACCES: "choose a folder that may be written to",
    errno.EPERM: "choose a folder that may be written to",
    errno.ENOTDIR: "choose a path whose parents are folders",
    errno.EEXIST: "choose a path whose parents are folders",
}


def utf8_path(path: str | os.PathLike[str]) -> str:
    """The path as text, as Arrow takes it.

    Raises
    ------
    InputError
        Where a name in it holds bytes that are not UTF-8.
    """
    text = os.fspath(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the path {text!r} is not UTF-8, which Arrow cannot open: rename the file or folder"
        ) from None
    return text


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which gets its name once it is complete and on the disk.

    Until then it lies beside its place under another name; after an error it is gone, and what
    had the name before still has it.

    Raises
    ------
    StorageError
        Where it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}{TEMPORARY}")
    with storage_errors(path):
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def unfinished(folder: Path, names: Iterable[str]) -> list[Path]:
    """What killed writers of :func:`whole_file` left of files whose names match a pattern."""
    return sorted(path for name in names for path in folder.glob(f".{name}.*{TEMPORARY}"))


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Tell what the system refused, of which path, and what may help."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        advice = ADVICE.get(error.errno or 0, "check the path and the disk")
        raise StorageError(
            f"{path} could not be written ({reason}): {advice}. What was there is unchanged"
        ) from error


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can be asked to."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class FolderLock:
    """The right to write to a folder: given up with :meth:`release`, or when the process ends.

    The system holds it on an open file, so that none is left behind by a process that was killed.

    Raises
    ------
    InputError
        Where another process has it.
    """

    NAME = ".lock"

    def __init__(self, folder: Path) -> None:
        with storage_errors(folder):
            self._file = open(folder / self.NAME, "ab")  # noqa: SIM115 - open as long as the lock
        try:
            _lock(self._file)
        except OSError as error:
            self._file.close()
            raise InputError(
                f"{folder} is being written to by another process: wait for it, or choose another "
                "folder"
            ) from error

    def release(self) -> None:
        """Give the lock up; once more does nothing."""
        self._file.close()


if sys.platform == "win32":

    def _lock(file: IO[bytes]) -> None:
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:

    def _lock(file: IO[bytes]) -> None:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
