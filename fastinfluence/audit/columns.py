"""One column of an Arrow table as numbers, or as codes of categories."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute

from fastinfluence.types import BoolArray, FloatArray, IntArray

MISSING = frozenset([
    "", "?", "NA", "N/A", "n/a", "#N/A", "#NA", "#N/A N/A", "NULL", "null", "NaN", "nan",
    "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN",
])  # fmt: skip
"""Texts that stand for a missing value, in columns of numbers and of categories alike."""

NUMBER, CATEGORY, OTHER = "number", "category", "other"
"""Kinds of columns; "other" are lists, structs, bytes: nothing a linear model can take."""


class Codes(NamedTuple):
    """A column of categories: ``labels[codes[i]]`` is row i's, sorted; code -1 is missing."""

    codes: IntArray
    labels: tuple[str, ...]


def without_views(table: pa.Table) -> pa.Table:
    """Cast the string and binary views of polars, whose rows Arrow cannot yet pick."""
    for place, field in enumerate(table.schema):
        plain = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
        if field.type in plain:
            cast = table.column(place).cast(plain[field.type])
            table = table.set_column(place, field.with_type(cast.type), cast)
    return table


def kind_of(column: pa.ChunkedArray) -> str:
    """What a column is, by its type."""
    types, kind = pa.types, column.type
    if types.is_dictionary(kind):
        return OTHER if types.is_nested(kind.value_type) else CATEGORY
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return CATEGORY
    quantities = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)
    if types.is_null(kind) or is_time(column) or any(is_(kind) for is_ in quantities):
        return NUMBER
    return OTHER


def is_time(column: pa.ChunkedArray) -> bool:
    """Whether a column holds dates, times of day, timestamps or durations."""
    return pa.types.is_temporal(column.type) and not pa.types.is_interval(column.type)


def numbers(column: pa.ChunkedArray) -> FloatArray:
    """A column as float64, shape (n,); NaN where missing or infinite.

    True is 1, and times count from 1970 (or midnight) in the column's own unit.
    """
    if is_time(column):
        narrow = pa.types.is_date32(column.type) or pa.types.is_time32(column.type)
        column = column.cast(pa.int32() if narrow else pa.int64())
    values = column.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def codes(column: pa.ChunkedArray) -> Codes:
    """A column as categories: text without its outer blanks, whole numbers without a point."""
    texts = _texts(column)
    encoded = pa.compute.dictionary_encode(texts.combine_chunks())
    raw = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    found = np.array(encoded.dictionary.to_pylist(), dtype=object)
    order = [int(j) for j in np.argsort(found, kind="stable") if found[j] not in MISSING]
    new = np.full(len(found) + 1, -1, dtype=np.intp)  # the last place serves the code -1
    new[order] = np.arange(len(order))
    return Codes(new[raw], tuple(found[order]))


def is_missing(column: pa.ChunkedArray) -> BoolArray:
    """Which rows have no value, shape (n,)."""
    if kind_of(column) == CATEGORY:
        return np.asarray(codes(column).codes < 0)
    return np.asarray(np.isnan(numbers(column)))


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        labels = [None if v is None else repr(v).removesuffix(".0") for v in column.to_pylist()]
        return pa.chunked_array([labels], pa.large_string())
    return pa.compute.utf8_trim_whitespace(column.cast(pa.large_string()))
