"""Generated source kept in a private folder, so that Numba's cache hits in the next process.

Numba's on-disk cache needs a real file that keeps its name, size and modification time. So a
generated module is written once under a name that contains the hash of its text, and never again.
"""

import hashlib
import importlib.util
import os
import stat
import sys
import tempfile
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

_LOCK = threading.RLock()


@dataclass(frozen=True)
class CacheStatus:
    """Where generated kernels live: `persistent` is False, with a `note`, in a temporary folder."""

    folder: Path
    persistent: bool
    note: str


def load(source: str, stem: str) -> ModuleType:
    """Module whose text is `source`, written to the cache folder unless it is there already.

    Parameters
    ----------
    source : str
        Python text. Equal texts give the same module.
    stem : str
        Readable part of the module's name; characters outside [A-Za-z0-9_] become underscores.
    """
    safe = "".join(c if c.isascii() and c.isalnum() else "_" for c in stem)[:40]
    name = f"_fastinfluence_{safe}_{hashlib.sha256(source.encode()).hexdigest()[:24]}"
    with _LOCK:
        known = sys.modules.get(name)
        return known if known is not None else _import(name, _store(source, f"{name}.py"))


def status() -> CacheStatus:
    """Folder in use, whether it outlives this process, and why not if it does not."""
    return _resolve(str(_wanted_folder()))


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
    return _temporary(reason)


def _temporary(reason: str) -> CacheStatus:
    scratch = Path(tempfile.mkdtemp(prefix="fastinfluence-"))
    note = f"{reason}; kernels compile again in each process. Set FASTINFLUENCE_CACHE_DIR."
    return CacheStatus(scratch, False, note)


def _why_unusable(folder: Path) -> str | None:
    """Reason not to run code from this folder, or None; it is created if missing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = folder.stat()
    except OSError as error:
        return f"cannot create the cache folder {folder} ({error.strerror})"
    if hasattr(os, "getuid"):
        if info.st_uid != os.getuid():
            return f"the cache folder {folder} belongs to another user"
        if info.st_mode & stat.S_IWOTH:
            return f"the cache folder {folder} is writable by everyone"
    try:
        descriptor, probe = tempfile.mkstemp(dir=folder, suffix=".tmp")
        os.close(descriptor)
        os.unlink(probe)
    except OSError as error:
        return f"the cache folder {folder} is not writable ({error.strerror})"
    return None


def _store(source: str, file_name: str) -> Path:
    path = status().folder / file_name
    if _holds(path, source):
        return path
    try:
        return _write(source, path)
    except OSError:  # the folder filled up or was taken away after it was checked
        return _write(source, Path(tempfile.mkdtemp(prefix="fastinfluence-")) / file_name)


def _holds(path: Path, source: str) -> bool:
    """Whether the file is there with exactly this text: a cut or edited one is written anew."""
    try:
        return path.read_bytes() == source.encode()
    except OSError:
        return False


def _write(source: str, path: Path) -> Path:
    """Write through a temporary file (mode 0600), so that no reader ever sees half a file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(source.encode())
        os.replace(scratch, path)
    except OSError:
        Path(scratch).unlink(missing_ok=True)
        raise
    return path


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import generated kernels from {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
