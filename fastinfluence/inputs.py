"""Checks of what callers pass: one clear error, or arrays that need no further checking."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastinfluence.backend import fetched
from fastinfluence.errors import InputError
from fastinfluence.rows.base import Block, Rows
from fastinfluence.spec.mlp import MLP
from fastinfluence.spec.models import GLM
from fastinfluence.spec.oracle import Oracle
from fastinfluence.tables import as_vector
from fastinfluence.types import FloatArray, IntArray

MAX_LISTED = 5


def check_spec(spec: Any) -> None:
    """InputError for what is no specification of a model."""
    if not isinstance(spec, GLM | MLP | Oracle):
        raise InputError(
            f"spec is a {type(spec).__name__}: pass fi.GLM(...), fi.MLP(...) or fi.Oracle(...)"
        )


def check_finite_rows(rows: Rows, names: Sequence[str], what: str, n_threads: int) -> None:
    """Refuse NaN and infinity, naming the column and the first row."""

    def first_bad(block: Block) -> tuple[int, int, float] | None:
        found = block.X.first_not_finite()
        return None if found is None else (block.start + found[0], *found[1:])

    given: Rows = getattr(rows, "given", rows)  # read where they lie
    found = given.map_reduce(first_bad, lambda a, b: a if a is not None else b, n_threads)
    if found is not None:
        row, column, value = found
        raise InputError(
            f"{what} holds {value} in row {row}, column {names[column]!r}: "
            "impute or drop it before scoring"
        )


def finite_vector(values: Any, n: int, what: str) -> FloatArray:
    """A finite float64 vector of length n."""
    out = as_vector(values, what)
    if len(out) != n:
        raise InputError(f"{what} has {len(out)} entries but X has {n} rows")
    if out.dtype.kind == "c":
        raise InputError(f"{what} holds complex numbers: give real ones")
    try:
        out = np.ascontiguousarray(out, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is not numeric ({out.dtype}): {error}") from error
    bad = np.flatnonzero(~np.isfinite(out))
    if len(bad):
        raise InputError(f"{what} holds {out[bad[0]]} in row {bad[0]}: impute or drop that row")
    return out


def checked_offset(values: Any, n: int, n_outputs: int, what: str) -> FloatArray:
    """A finite offset, shape (n,), or (n, K) for K predictions a row."""
    if n_outputs == 1:
        return finite_vector(values, n, what)
    out = finite_matrix(values, what)
    if out.shape != (n, n_outputs):
        raise InputError(
            f"{what} has shape {out.shape}: a model of {n_outputs} classes needs ({n}, {n_outputs})"
        )
    return np.ascontiguousarray(out)


def checked_weights(values: Any, n: int) -> FloatArray:
    """Sample weights, finite and not negative, with a positive sum."""
    w = finite_vector(values, n, "sample_weight")
    negative = np.flatnonzero(w < 0)
    if len(negative):
        raise InputError(
            f"sample_weight is negative ({w[negative[0]]}) in row {negative[0]}: "
            "weights must be zero or positive"
        )
    total = float(w.sum())
    if not 0 < total < np.inf:
        raise InputError(f"sample_weight sums to {total}: at least one weight must be positive")
    return w


def checked_theta(theta: Any, p: int, d: int, n_outputs: int = 1, layout: str = "") -> FloatArray:
    """The flat parameter vector, shape (p,); ``layout`` says of what, by default of a GLM."""
    try:
        out = np.array(fetched(theta), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"theta is not numeric: {error}") from error
    if out.ndim != 1 or len(out) != p:
        parts = f"{d} coefficients" + (", then the intercept" if p > d * n_outputs else "")
        if n_outputs > 1:
            parts += f", {n_outputs} classes each: an array (rows, {n_outputs}) raveled in C order"
        raise InputError(
            f"theta has shape {out.shape} but the model needs ({p},): {layout or parts}"
        )
    if not np.isfinite(out).all():
        raise InputError(f"theta[{int(np.flatnonzero(~np.isfinite(out))[0])}] is not finite")
    return out


def checked_rows(rows: Any, n: int, what: str = "rows") -> IntArray:
    """Row positions as an index array; negative positions and boolean masks as in NumPy."""
    given = np.atleast_1d(np.asarray(fetched(rows)))
    if given.ndim != 1:
        raise InputError(f"{what} must have one dimension, not shape {given.shape}")
    if given.dtype.kind == "b":
        if len(given) != n:
            raise InputError(f"{what} is a mask of length {len(given)} but there are {n} rows")
        given = np.flatnonzero(given)
    if len(given) == 0:
        raise InputError(f"{what} is empty: name at least one row")
    if given.dtype.kind not in "iu":
        raise InputError(f"{what} must be integer positions, not {given.dtype}")
    outside = np.flatnonzero((given < -n) | (given >= n))
    if len(outside):
        raise InputError(f"{what} holds {given[outside[0]]} but there are {n} rows (0 to {n - 1})")
    out = given.astype(np.intp)
    return np.where(out < 0, out + n, out)


def non_negative(value: Any, what: str) -> float:
    """A finite number that is zero or larger."""
    try:
        out = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}={value!r} is not a number") from error
    if not 0 <= out < np.inf:
        raise InputError(f"{what}={value!r} must be finite and not negative")
    return out


def finite_number(value: Any, what: str) -> float:
    """A finite number."""
    try:
        out = float(np.asarray(value, dtype=np.float64).reshape(()))
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}={value!r} is not a number") from error
    if not np.isfinite(out):
        raise InputError(f"{what}={value!r} is not finite")
    return out


def positive_count(value: Any, what: str) -> int:
    """An integer of at least one."""
    try:
        out = operator.index(value)
    except TypeError as error:
        raise InputError(f"{what}={value!r} must be an integer") from error
    if out < 1:
        raise InputError(f"{what}={value!r} must be at least 1")
    return out


def one_of(value: Any, allowed: Sequence[str], what: str) -> str:
    """A keyword from a fixed list."""
    if value not in allowed:
        raise InputError(f"{what}={value!r} is unknown: use one of {', '.join(allowed)}")
    return str(value)


def finite_matrix(values: Any, what: str) -> FloatArray:
    """A finite float64 array of a caller's numbers."""
    given = np.asarray(fetched(values))
    if given.dtype.kind == "c":
        raise InputError(f"{what} holds complex numbers: give real ones")
    try:
        out = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is not numeric: {error}") from error
    if not np.isfinite(out).all():
        raise InputError(f"{what} holds NaN or infinity")
    return out


def positive(value: Any, what: str) -> float:
    """A finite number above zero."""
    out = non_negative(value, what)
    if out == 0:
        raise InputError(f"{what}={value!r} must be positive")
    return out


def listed(names: Sequence[str], limit: int = MAX_LISTED) -> str:
    """A few names for a message: ``a, b, c and 12 more``."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
