"""From any SciPy sparse matrix or array to one canonical form."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastinfluence.errors import InputError


def as_csr(X: Any, what: str = "X") -> Any:
    """X as a SciPy CSR array of float32 or float64 without duplicates, shape (n, d).

    The caller's matrix is never changed: where its entries have to be sorted, summed or cast,
    that happens to a copy; otherwise the result shares its memory.

    Raises
    ------
    InputError
        If X is not two-dimensional, not numeric, empty, or holds invalid indices.
    """
    if X.ndim != 2:
        raise InputError(f"{what} must have two dimensions (rows, columns), not {X.ndim}")
    if 0 in X.shape:
        raise InputError(f"{what} has no {'columns' if X.shape[0] else 'rows'} (shape {X.shape})")
    given = X.tocsr()
    stored = slice(0, int(given.indptr[-1]))  # the arrays may be longer than what is in use
    parts = (_numbers(given.data[stored], what), given.indices[stored], given.indptr)
    try:
        out = csr_array(parts, shape=X.shape, copy=False)
        _check_indices(out)
    except ValueError as error:
        raise InputError(f"{what} is no valid sparse matrix: {error}") from error
    if out.has_canonical_format:
        return out
    out = out.copy()
    out.sum_duplicates()
    return out


def _check_indices(X: Any) -> None:
    """ValueError where an index would read outside an array; compiled code does not check."""
    ends, d = X.indptr, X.shape[1]
    if ends[0] != 0 or (np.diff(ends) < 0).any() or ends[-1] > min(len(X.data), len(X.indices)):
        raise ValueError("indptr must rise from 0 to the number of stored entries")
    used = X.indices[: ends[-1]]
    if len(used) and (used.min() < 0 or used.max() >= d):
        raise ValueError(f"column indices must lie between 0 and {d - 1}")


def _numbers(data: np.ndarray[Any, Any], what: str) -> np.ndarray[Any, Any]:
    """The stored numbers as native float32 or float64."""
    if data.dtype.kind == "f" and data.dtype.itemsize in (4, 8):
        return data.astype(data.dtype.newbyteorder("="), copy=False)
    if data.dtype.kind in "biuf":
        return data.astype(np.float32 if data.dtype == np.float16 else np.float64)
    raise InputError(f"{what} holds {data.dtype} values: encode categories as numbers first")
