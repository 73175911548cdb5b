"""Configurations of solvers as JSON documents."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.solvers.cg import CG, Jacobi
from fastinfluence.solvers.direct import Direct
from fastinfluence.solvers.lissa import LiSSA
from fastinfluence.solvers.nystrom import Nystrom

KNOWN: dict[str, Any] = {cls.__name__: cls for cls in (Direct, CG, LiSSA, Jacobi, Nystrom)}


def solver_document(solver: Any) -> dict[str, Any]:
    """A solver or preconditioner as a document, for :func:`solver_of`.

    Raises
    ------
    UnsupportedError
        For one of the caller's own.
    """
    name = type(solver).__name__
    if KNOWN.get(name) is not type(solver):
        raise UnsupportedError(
            f"{name} is no solver or preconditioner of this library and cannot be saved: make the "
            "Influence with one of fi.solvers, or again with yours instead of loading it"
        )
    values = {field.name: getattr(solver, field.name) for field in fields(solver)}
    return {"name": name, **{key: _plain(value) for key, value in values.items()}}


def solver_of(document: dict[str, Any]) -> Any:
    """The solver or preconditioner that a document stands for, checked as any other."""
    given = dict(document)
    name = given.pop("name")
    if name not in KNOWN:
        raise InputError(f"a solver called {name!r} is unknown to this version")
    nested = {key: solver_of(value) for key, value in given.items() if isinstance(value, dict)}
    return KNOWN[name](**{**given, **nested})


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return solver_document(value)
