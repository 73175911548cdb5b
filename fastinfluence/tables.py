"""From what users hold (arrays, pandas, polars, Arrow) to arrays with names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.backend import adopted, fetched, on_device
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.sparse import as_csr
from fastinfluence.types import FloatArray


@dataclass(frozen=True)
class Table:
    """A numeric table: values (n, d), one name per column, the caller's row labels if any.

    The values are a float array or a SciPy CSR array without duplicates.
    """

    values: Any
    names: tuple[str, ...]
    labels: Sequence[Any] | None = None
    named: bool = False
    library: str = "numpy"


def as_table(X: Any, what: str = "X") -> Table:
    """X as a float table.

    Raises
    ------
    InputError
        If X is not two-dimensional, not numeric, or empty.
    """
    if isinstance(X, Table):
        return X
    X = adopted(X)
    if on_device(X):
        values = _numeric(X, what)
        return Table(values, tuple(f"x{j}" for j in range(values.shape[1])), library="cupy")
    if hasattr(X, "tocsr"):
        values = as_csr(X, what)
        return Table(values, tuple(f"x{j}" for j in range(values.shape[1])))
    if isinstance(X, np.ma.MaskedArray):
        raise InputError(f"{what} is a masked array: fill or drop the masked entries first")
    if isinstance(X, np.ndarray):
        values = _numeric(X, what)
        return Table(values, tuple(f"x{j}" for j in range(values.shape[1])))
    if hasattr(X, "__dataframe__") or hasattr(X, "__arrow_c_stream__") or hasattr(X, "iloc"):
        return _from_frame(X, what)
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise InputError(f"{what} is no table of numbers (ragged rows?): {error}") from error
    return as_table(array, what)


def library_of(X: Any) -> str:
    """The library of a data frame, as a Table names it; "numpy" of anything else."""
    known = {"pandas", "polars", "pyarrow"} & {
        parent.__module__.partition(".")[0] for parent in type(X).__mro__
    }
    return next(iter(known), "numpy")


def own_table(X: Any) -> Table:
    """Rows in a container that nothing is known of but, where it is a frame, its labels."""
    frame = hasattr(X, "iloc")
    return Table(X, (), getattr(X, "index", None) if frame else None, library="pandas")


def check_same_order(X: Any, values: Any, what: str, table: str = "X") -> None:
    """InputError where two pandas objects hold the same row labels in different orders.

    Rows are paired by position, as in scikit-learn; that would pair the wrong ones.
    """
    if not (hasattr(X, "iloc") and hasattr(values, "iloc")):
        return
    own, other = X.index, values.index
    if len(own) != len(other) or own.equals(other):
        return
    if own.is_unique and other.is_unique and other.isin(own).all():
        raise InputError(
            f"{what} has the row labels of {table} in another order, but rows are paired by "
            f"position: pass {what}.loc[{table}.index], or {what}.to_numpy() if the positions "
            "are right"
        )


def _numeric(X: np.ndarray[Any, Any], what: str) -> FloatArray:
    if X.ndim != 2:
        hint = f": use {what}.reshape(1, -1) for a single row" if X.ndim == 1 else ""
        raise InputError(f"{what} must have two dimensions (rows, columns), not {X.ndim}{hint}")
    if X.shape[0] == 0:
        raise InputError(f"{what} has no rows (shape {X.shape})")
    if X.shape[1] == 0:
        raise InputError(f"{what} has no columns (shape {X.shape})")
    if X.dtype.kind == "f" and X.dtype.itemsize in (4, 8):
        return X
    if X.dtype.kind in "biuf":
        return X.astype(np.float32 if X.dtype == np.float16 else np.float64)
    if X.dtype.kind == "O":
        try:
            return X.astype(np.float64)
        except (TypeError, ValueError):
            pass
    raise InputError(
        f"{what} holds {X.dtype} values{_first_non_number(X)}: "
        "encode categories as numbers before scoring"
    )


def _first_non_number(X: np.ndarray[Any, Any]) -> str:
    if X.dtype.kind != "O":
        return ""
    for i, j in np.ndindex(X.shape):
        try:
            float(X[i, j])
        except (TypeError, ValueError):
            return f" ({X[i, j]!r} in row {i}, column {j})"
    return ""


def _from_frame(X: Any, what: str) -> Table:
    import narwhals as nw

    if getattr(X, "ndim", 2) == 1:
        raise InputError(f"{what} has one dimension: for a single row pass table.iloc[[0]]")
    named = "column_names" if hasattr(X, "column_names") else "columns"  # those of Arrow are data
    given = [str(name) for name in getattr(X, named, ())]
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise InputError(f"{what} has several columns named {twice[0]!r}: rename them")
    frame = nw.from_native(X, eager_only=True)
    names = tuple(str(name) for name in frame.columns)
    for name, dtype in frame.schema.items():
        if not (dtype.is_numeric() or dtype == nw.Boolean):
            raise InputError(
                f"column {name!r} of {what} holds {dtype} values: "
                "encode categories as numbers before scoring"
            )
    single = all(dtype == nw.Float32 for dtype in frame.schema.values())
    values = np.asarray(frame.to_numpy(), dtype=np.float32 if single else np.float64)
    labels = getattr(X, "index", None)
    library = frame.implementation.value
    return Table(_numeric(values, what), names, labels, named=True, library=library)


def frame_of(columns: dict[str, Any], labels: Sequence[Any] | None, library: str) -> Any:
    """A data frame of the library the caller uses; pandas where the caller gave arrays."""
    import narwhals as nw

    backend: Any = "pandas" if library in ("numpy", "cupy") else library
    try:
        frame = nw.from_dict(columns, backend=backend).to_native()
    except ImportError as error:
        raise UnsupportedError(
            "to_frame needs pandas, or a polars or Arrow table as X: pip install pandas"
        ) from error
    if labels is not None and hasattr(frame, "set_index"):
        frame.index = labels
    return frame


def as_vector(values: Any, what: str) -> np.ndarray[Any, Any]:
    """A one-dimensional array from a list, array, or a Series of any of the frame libraries."""
    values = fetched(values)
    if isinstance(values, np.ndarray):
        out: np.ndarray[Any, Any] = values
    else:
        out = np.asarray(_to_numpy(values))
    if out.ndim == 2 and out.shape[1] == 1:
        out = out[:, 0]
    if out.ndim != 1:
        raise InputError(f"{what} must have one dimension, not shape {out.shape}")
    return out


def _to_numpy(values: Any) -> Any:
    """What NumPy makes an array of; Arrow copies texts only when told."""
    if hasattr(values, "to_pylist"):
        return values.to_numpy(zero_copy_only=False)
    return values.to_numpy() if hasattr(values, "to_numpy") else values
