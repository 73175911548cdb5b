"""Arrow columns to features: numbers as they are, categories as zeros and ones on the fly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.lazy import cached_property
from fastinfluence.rows.columnar import ColumnFeatures
from fastinfluence.rows.csr import CSRFeatures
from fastinfluence.rows.features import Features
from fastinfluence.tables import Table


def is_category(kind: Any) -> bool:
    """Whether an Arrow type holds categories: text, or a dictionary of anything."""
    import pyarrow.types as kinds

    return bool(
        kinds.is_dictionary(kind)
        or kinds.is_string(kind)
        or kinds.is_large_string(kind)
        or (hasattr(kinds, "is_string_view") and kinds.is_string_view(kind))
    )


def is_number(kind: Any) -> bool:
    """Whether an Arrow type holds numbers, or true and false."""
    import pyarrow.types as kinds

    return bool(kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind))


def storage(kinds: Sequence[Any]) -> np.dtype[np.floating[Any]]:
    """Single precision where all of some Arrow types of numbers are, double otherwise."""
    single = bool(kinds) and all(str(kind) in ("float", "halffloat") for kind in kinds)
    dtype: np.dtype[np.floating[Any]] = np.dtype(np.float32 if single else np.float64)
    return dtype


def as_arrow(frame: Any, columns: Sequence[str]) -> Any:
    """The named columns of a data frame of any library, as one Arrow batch without gaps."""
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"X_test has no column {missing[0]!r}")
    whole = table.select(list(columns)).to_arrow().combine_chunks()
    if not whole.num_rows:
        raise InputError("X_test has no rows")
    for name in columns:
        if whole.column(name).null_count:
            row = int(np.argmax(whole.column(name).is_null().to_numpy()))
            raise InputError(f"column {name!r} of X_test is missing in row {row}")
    return whole.to_batches()[0]


def as_dictionary(column: Any) -> Any:
    """A column of categories as codes and their values."""
    import pyarrow as pa

    if hasattr(column, "dictionary"):
        return column
    if hasattr(pa, "string_view") and column.type == pa.string_view():
        column = column.cast(pa.large_string())  # views cannot be gathered
    return column.dictionary_encode()


def decoded(array: Any) -> np.ndarray[Any, Any]:
    """An Arrow array without nulls as a NumPy one, without a copy where its type allows."""
    if is_category(array.type) and hasattr(array, "dictionary"):
        array = array.dictionary_decode()
    out: np.ndarray[Any, Any] = array.to_numpy(zero_copy_only=False)
    return out


@dataclass(frozen=True)
class Encoder:
    """From the feature columns of a batch to its block of X.

    A column of numbers stays one; a column of categories becomes one for each that the table
    holds, named ``column=value``, in sorted order. With categories blocks are sparse.

    Parameters
    ----------
    features : sequence of str
    categories : mapping
        The sorted values of each column of categories.
    dtype : dtype
        Of X.
    """

    features: tuple[str, ...]
    categories: Mapping[str, tuple[Any, ...]]
    dtype: np.dtype[np.floating[Any]]

    @classmethod
    def of(
        cls, schema: Any, features: Sequence[str], categories: Mapping[str, tuple[Any, ...]]
    ) -> Encoder:
        """Single precision where every number is stored so, double otherwise."""
        numbers = [schema.field(name).type for name in features if name not in categories]
        out = cls(tuple(features), categories, storage(numbers))
        if len(set(out.names)) < len(out.names):
            twice = next(name for name in out.names if out.names.count(name) > 1)
            raise InputError(
                f"two columns of X would be called {twice!r}: rename a column whose name reads as "
                "one's category"
            )
        return out

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the d columns of X."""
        out: list[str] = []
        for name in self.features:
            values = self.categories.get(name)
            out += [name] if values is None else [f"{name}={value}" for value in values]
        return tuple(out)

    @property
    def density(self) -> float:
        """Share of X that is stored."""
        return len(self.features) / len(self.names) if self.categories else 1.0

    def __call__(self, frame: Any) -> Table:
        """A data frame's rows in the d columns of X, for test rows.

        Raises
        ------
        InputError
            If a column is missing, or holds a category that the training table does not.
        """
        if not hasattr(frame, "columns") and not hasattr(frame, "column_names"):
            raise InputError(
                "the model was trained on a table with categories: give X_test as a data frame "
                f"with the columns {', '.join(self.features[:8])}"
            )
        batch = as_arrow(frame, self.features)
        for name in self.features:
            kind = batch.column(name).type
            if name not in self.categories and not is_number(kind):
                raise InputError(f"column {name!r} of X_test holds {kind} values, not numbers")
        labels = getattr(frame, "index", None)
        X = self.block(batch, lambda row: f"row {row} of X_test")
        return Table(X.native(), self.names, labels, named=True)

    def block(self, batch: Any, where: Callable[[int], str]) -> Features:
        """The batch's block of X, shape (b, d); ``where`` tells the place of one of its rows.

        Raises
        ------
        InputError
            Naming the column and the row of a category that the table did not hold.
        """
        if not self.categories:
            return ColumnFeatures(self._numbers(batch), batch.num_rows)
        b, m = batch.num_rows, len(self.features)
        data, indices = np.ones((b, m), dtype=self.dtype), np.empty((b, m), dtype=np.int32)
        first = 0
        for k, name in enumerate(self.features):
            column, values = batch.column(name), self.categories.get(name)
            if values is None:
                data[:, k], indices[:, k] = decoded(column), first
                first += 1
                continue
            indices[:, k] = first + self._codes(name, column, where)
            first += len(values)
        starts = np.arange(0, (b + 1) * m, m, dtype=np.int64)
        return CSRFeatures(data.ravel(), indices.ravel(), starts, first)

    def _numbers(self, batch: Any) -> list[np.ndarray[Any, Any]]:
        """The columns, which come first in a batch: those of the right type without a copy."""
        given = batch.columns[: len(self.features)]
        return [
            np.ascontiguousarray(column.to_numpy(zero_copy_only=False), dtype=self.dtype)
            for column in given
        ]

    @cached_property
    def _places(self) -> dict[str, dict[Any, int]]:
        return {name: {v: k for k, v in enumerate(vs)} for name, vs in self.categories.items()}

    def _codes(self, name: str, column: Any, where: Callable[[int], str]) -> np.ndarray[Any, Any]:
        """Each row's place among the column's categories."""
        column = as_dictionary(column)
        places, values = self._places[name], column.dictionary.to_pylist()
        codes = np.array([places.get(value, -1) for value in values] or [-1], dtype=np.int32)
        out: np.ndarray[Any, Any] = codes[column.indices.to_numpy(zero_copy_only=False)]
        if len(out) and out.min() < 0:
            row = int(np.argmin(out))
            value = values[int(column.indices[row].as_py())]
            raise InputError(
                f"column {name!r} holds {value!r} in {where(row)}: the model knows "
                f"{len(places)} categories of it, and this is none of them"
            )
        return out
