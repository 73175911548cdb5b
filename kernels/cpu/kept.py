"""Numba's compiled functions in this library's own cache.

Numba's own cache finds entries by a file's time of change, reads whatever lies there with pickle,
fails on a damaged file, and needs a folder it can write to. Here an entry is named by what it was
made from, checked before it is read, and may be missing: see :mod:`fastinfluence.kernels.cache`.
"""

from __future__ import annotations

import hashlib
import pickle
import platform
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from typing import Any, ParamSpec, TypeVar

import llvmlite
import numba
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.serialize import dumps

from fastinfluence.forks import held_across_forks
from fastinfluence.kernels import cache

P = ParamSpec("P")
R = TypeVar("R")

held_across_forks(global_compiler_lock)
"""A child forked while another thread compiles could never compile; LLVM would be half-way too."""

_rebuild: Any = CompileResult._rebuild
_dumps: Any = dumps

FORMAT = 1
"""Raised whenever entries come to hold something else."""


def kept(compiled: Callable[P, R]) -> Callable[P, R]:
    """The same dispatcher, which keeps what it compiles; a plain function where Numba is off."""
    if hasattr(compiled, "overloads"):
        dispatcher: Any = compiled
        dispatcher._cache = KernelCache(dispatcher)
    return compiled


class KernelCache:
    """What a dispatcher asks for compiled code and gives it to, in Numba's terms."""

    def __init__(self, dispatcher: Any) -> None:
        self._function = dispatcher.py_func
        self._options = _in_order(dispatcher.targetoptions)
        self._enabled = True

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(cache.status().folder)

    def enable(self) -> None:
        """Read and write from now on."""
        self._enabled = True

    def disable(self) -> None:
        """Neither read nor write."""
        self._enabled = False

    def flush(self) -> None:
        """Forget nothing: an entry is named by what it was made from and cannot be out of date."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The function compiled for these types, or None."""
        target_context.refresh()
        if not self._enabled:
            return None
        entry = cache.read(self._name(sig, target_context.codegen()))
        if entry is None:
            return None
        parts = pickle.loads(entry)  # checked, and written by this user
        return _rebuild(target_context, *parts)

    def save_overload(self, sig: Any, compiled: Any) -> None:
        """Keep a function that was compiled for these types."""
        if self._enabled and not compiled.library.has_dynamic_globals:
            cache.write(self._name(sig, compiled.codegen), _dumps(compiled._reduce()))

    def _name(self, sig: Any, codegen: Any) -> str:
        function = self._function
        return cache.entry_name(
            function.__name__,
            FORMAT,
            _versions(),
            codegen.magic_tuple(),
            (function.__module__, function.__qualname__, self._options),
            function.__globals__.get("SOURCE_DIGEST"),
            _digest_of_sources(),
            str(sig),
        )


def _versions() -> tuple[str, ...]:
    made_by = (numba.__version__, llvmlite.__version__, sys.version, sys.byteorder)
    return (*made_by, *platform.architecture())


@lru_cache(maxsize=1)
def _digest_of_sources() -> str:
    """Of every kernel written by hand: a change of one that another calls counts too."""
    whole = hashlib.sha256()
    for file in sorted(files(__package__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".py"):
            whole.update(file.name.encode() + file.read_bytes())
    return whole.hexdigest()


def _in_order(options: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted(
        (name, repr(sorted(value) if isinstance(value, (set, frozenset)) else value))
        for name, value in options.items()
    )
