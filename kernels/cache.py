"""Compiled kernels kept in a private folder, so that the next process need not compile them again.

An entry is found by a name that holds a hash of all that it was made from, so none is ever out of
date, whatever the clock says. What is read is checked against the hash written beside it before
anything looks into it: a damaged file counts as missing. Entries come under their names complete,
so processes that compile at once do not meet. Without a folder that can be trusted nothing is kept.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

_SUFFIX = ".kernel"
_DIGEST_BYTES = hashlib.sha256().digest_size
OF_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class CacheStatus:
    """Where compiled kernels are kept: where `persistent` is False, nowhere, as `note` says."""

    folder: Path
    persistent: bool
    note: str


def load(source: str, stem: str) -> ModuleType:
    """Module whose text is `source`; it lives in memory, what it compiles in the cache.

    Parameters
    ----------
    source : str
        Python text. Equal texts give the same module.
    stem : str
        Readable part of the module's name; characters outside [A-Za-z0-9_] become underscores.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()
    name = f"_fastinfluence_{_safe(stem)}_{digest[:24]}"
    known = sys.modules.get(name)
    if known is not None:
        return known
    # Without a lock, which a fork in another thread would leave held: the first one to end counts.
    return sys.modules.setdefault(name, _module(name, source, digest))


def status() -> CacheStatus:
    """Folder in use, and why none is where nothing can be kept."""
    return _resolve(str(_wanted_folder()))


def read(name: str) -> bytes | None:
    """An entry as it was written; None where it is missing, damaged, or another's to change."""
    kept = status()
    if not kept.persistent:
        return None
    try:
        data = _private(kept.folder / (name + _SUFFIX))
    except OSError:
        return None
    digest, entry = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return entry if hashlib.sha256(entry).digest() == digest else None


def write(name: str, entry: bytes) -> None:
    """Keep an entry, readable and writable by this user alone; where that fails, it is not kept."""
    kept = status()
    if not kept.persistent:
        return
    path = kept.folder / (name + _SUFFIX)
    try:
        _whole(path, hashlib.sha256(entry).digest() + entry)
    except OSError:  # the disk is full, or the folder was taken away: compile again next time
        return


def entry_name(stem: str, *made_from: object) -> str:
    """Name of what was made from these, each told apart by its repr."""
    return f"{_safe(stem)}-{hashlib.sha256(repr(made_from).encode()).hexdigest()}"


def _safe(stem: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in stem)[:40]


def _module(name: str, source: str, digest: str) -> ModuleType:
    module = ModuleType(name)
    module.__dict__["SOURCE_DIGEST"] = digest
    exec(compile(source, f"<{name}>", "exec"), module.__dict__)
    return module


def _private(path: Path) -> bytes:
    """Contents of a plain file that nobody else may write to."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode) or _why_not_own(info):
            raise PermissionError(f"{path} is not this user's own file")
        return file.read()


def _whole(path: Path, data: bytes) -> None:
    """Write through a temporary file (mode 0600), so that no reader ever sees half an entry."""
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(scratch, path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def _wanted_folder() -> Path:
    own = os.environ.get("FASTINFLUENCE_CACHE_DIR")
    if own:
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "fastinfluence"
    except RuntimeError:  # no home folder can be found
        return Path("/nonexistent/fastinfluence")


@lru_cache(maxsize=8)
def _resolve(wanted: str) -> CacheStatus:
    folder = Path(wanted)
    reason = _why_unusable(folder)
    if reason is None:
        return CacheStatus(folder, True, "")
    note = f"{reason}; kernels compile again in each process. Set FASTINFLUENCE_CACHE_DIR."
    return CacheStatus(folder, False, note)


def _why_unusable(folder: Path) -> str | None:
    """Reason not to run code from this folder, or None; it is created if missing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        real = folder.resolve()
        reason = _why_not_own(real.stat())
        if reason is not None:
            return f"the cache folder {folder} {reason}"
        for parent in real.parents:
            if _may_be_swapped(parent.stat()):
                return f"the cache folder {folder} lies below {parent}, where anyone may replace it"
    except OSError as error:
        return f"cannot create the cache folder {folder} ({error.strerror})"
    try:
        descriptor, probe = tempfile.mkstemp(dir=folder, suffix=".tmp")
        os.close(descriptor)
        os.unlink(probe)
    except OSError as error:
        return f"the cache folder {folder} is not writable ({error.strerror})"
    return None


def _why_not_own(info: os.stat_result) -> str | None:
    """Reason why others could have written this, or None."""
    if not hasattr(os, "getuid"):  # permissions of another kind: the user's own folder is private
        return None
    if info.st_uid != os.getuid():
        return "belongs to another user"
    if info.st_mode & OF_OTHERS:
        who = "everyone" if info.st_mode & stat.S_IWOTH else "its group"
        return f"is writable by {who} (chmod go-w)"
    return None


def _may_be_swapped(info: os.stat_result) -> bool:
    """Whether everyone may rename what lies in this folder."""
    open_to_all = bool(info.st_mode & stat.S_IWOTH) and not info.st_mode & stat.S_ISVTX
    return hasattr(os, "getuid") and open_to_all
