"""Which library factorises a matrix: the one of the place where it lies."""

from __future__ import annotations

from typing import Any

from fastinfluence.backend import backend_of
from fastinfluence.solvers import host_algebra


def algebra_of(matrix: Any) -> Any:
    """:mod:`~fastinfluence.solvers.host_algebra`, or the module of the same functions there."""
    if backend_of(matrix).name == "cpu":
        return host_algebra
    from fastinfluence.solvers import device_algebra

    return device_algebra
