"""The one place where Python functions become compiled ones.

Every kernel of this package is compiled by a decorator below, so the choices are made once. All
kernels release the GIL, are cached on disk and follow NumPy's error model (``1/0`` is infinite and
raises nothing).
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba

from fastinfluence.kernels.cpu.kept import kept

P = ParamSpec("P")
R = TypeVar("R")

# Flags that let LLVM reassociate sums (and so vectorise them) while NaN and infinity keep their
# meaning; ``fastmath=True`` would assume them away.
FAST_FLAGS = frozenset({"reassoc", "contract", "arcp", "nsz"})

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on first call, keeping the written order of floating-point operations."""
    return kept(numba.njit(**OPTIONS)(function))


def jit_helper(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a small function that kernels in the same file call; the kernel's cache holds it."""
    compiled: Callable[P, R] = numba.njit(**OPTIONS)(function)
    return compiled


def jit_fast_helper(function: Callable[P, R]) -> Callable[P, R]:
    """:func:`jit_helper` with the flags of :func:`jit_fast`, which must be its caller's too."""
    compiled: Callable[P, R] = numba.njit(fastmath=set(FAST_FLAGS), **OPTIONS)(function)
    return compiled


def jit_fast(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function`, letting sums be reassociated; never use it for compensated sums."""
    return kept(numba.njit(fastmath=set(FAST_FLAGS), **OPTIONS)(function))
