"""From columns of any type to the numbers of a linear model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.preprocessing import OneHotEncoder

from fastinfluence.audit import columns
from fastinfluence.audit.options import Options
from fastinfluence.errors import InputError
from fastinfluence.inputs import listed
from fastinfluence.types import FloatArray, IntArray

IDENTIFIER = 0.9
"""Share of distinct values from which a column of text names its rows."""
SINGLE_BYTES = 2 << 30
"""Size from which the encoded table is kept in float32."""
MAX_BYTES = 16 << 30
MISSING = "missing"
RARE = "other"


@dataclass(frozen=True)
class Encoded:
    """Rows as a linear model takes them.

    Attributes
    ----------
    X : ndarray, shape (n, p)
        Standardised quantities, then 0/1 columns: missing values, categories.
    names : tuple of str
        Of the p columns, such as ``age``, ``age is missing``, ``job = clerk``.
    notices : tuple of str
        What was dropped, merged or filled.
    """

    X: FloatArray
    names: tuple[str, ...]
    notices: tuple[str, ...]


@dataclass
class _Parts:
    """Columns made so far, and what there is to say about the others."""

    n: int
    max_categories: int
    numbers: list[tuple[str, FloatArray]] = field(default_factory=list)
    categories: dict[str, columns.Codes] = field(default_factory=dict)
    dropped: dict[str, list[str]] = field(default_factory=dict)

    def drop(self, reason: str, name: str) -> None:
        self.dropped.setdefault(reason, []).append(name)


def encode(table: pa.Table, options: Options) -> Encoded:
    """Encode every column of a table but the target and the dropped ones.

    Numbers, booleans, dates and times are standardised, missing ones set to the median and
    marked in a column of their own. Texts become one 0/1 column per category, a missing value
    being a category, the rarest sharing one column. Constant columns, texts that differ in
    nearly every row, row counters and nested columns are dropped.

    Raises
    ------
    InputError
        If no column is left, or the encoded table would not fit.
    """
    parts = _Parts(table.num_rows, options.max_categories)
    for name in table.column_names:
        if name == options.target or name in options.drop:
            continue
        column = table.column(name)
        kind = columns.kind_of(column)
        if kind == columns.OTHER:
            parts.drop("neither numbers nor text", name)
        elif name in options.category or kind == columns.CATEGORY:
            _add_category(parts, name, columns.codes(column), name in options.category)
        else:
            counter = pa.types.is_integer(column.type)
            _add_number(parts, name, columns.numbers(column), counter)
    names, block, merged = _one_hot(parts)
    X = _assemble(parts, names, block)
    of_numbers = (name for name, _ in parts.numbers)
    return Encoded(X, (*of_numbers, *names), (*_notices(parts), *merged))


def _add_number(parts: _Parts, name: str, values: FloatArray, may_count: bool) -> None:
    missing = np.isnan(values)
    if missing.all():
        return parts.drop("without any value", name)
    present = values[~missing]
    low, high = float(present.min()), float(present.max())
    if may_count and high - low == parts.n - 1 > 1 and len(np.unique(present)) == parts.n:
        return parts.drop("counting the rows", name)
    if low == high and not missing.any():
        return parts.drop("constant", name)
    if low < high:
        filled = np.where(missing, np.median(present), values) / max(abs(low), abs(high))
        parts.numbers.append((name, (filled - filled.mean()) / filled.std()))
    if missing.any():
        parts.numbers.append((f"{name} is missing", missing.astype(np.float64)))
    return None


def _add_category(parts: _Parts, name: str, found: columns.Codes, asked_for: bool) -> None:
    present = int((found.codes >= 0).sum())
    distinct = len(found.labels)
    if present == 0:
        parts.drop("without any value", name)
    elif distinct == 1 and present == parts.n:
        parts.drop("constant", name)
    elif not asked_for and distinct > 2 and distinct >= IDENTIFIER * present:
        parts.drop("text that differs in nearly every row", name)
    else:
        parts.categories[name] = found


def _one_hot(parts: _Parts) -> tuple[list[str], Any | None, list[str]]:
    """Names and sparse 0/1 columns of all categories, and what was merged."""
    if not parts.categories:
        return [], None, []
    encoder = OneHotEncoder(
        max_categories=parts.max_categories,
        drop="if_binary",
        dtype=np.float32,
        feature_name_combiner=lambda name, code: f"{name} = {_label(parts, name, code)}",
    )
    codes = np.column_stack([found.codes for found in parts.categories.values()])
    block = encoder.fit_transform(codes)
    names = [str(name) for name in encoder.get_feature_names_out(list(parts.categories))]
    merged = list(_merged(parts, encoder.infrequent_categories_))
    return names, block, merged


def _label(parts: _Parts, name: str, code: object) -> str:
    if isinstance(code, str):  # scikit-learn's name of the merged ones
        return RARE
    place = int(code)  # type: ignore[call-overload]
    return MISSING if place < 0 else parts.categories[name].labels[place]


def _merged(parts: _Parts, rare: list[IntArray | None]) -> Iterator[str]:
    for name, merged in zip(parts.categories, rare, strict=True):
        if merged is not None:
            kept = parts.max_categories - 1
            yield f"{name}: the {kept} commonest categories kept, {len(merged)} merged into one"


def _assemble(parts: _Parts, names: list[str], block: Any | None) -> FloatArray:
    n, p = parts.n, len(parts.numbers) + len(names)
    if p == 0:
        reasons = "; ".join(_notices(parts)) or "every column was dropped by --drop"
        raise InputError(f"no column is left to predict from: {reasons}")
    size = 8 * n * p
    if size > 2 * MAX_BYTES:
        raise InputError(
            f"the encoded table would hold {n:,} rows of {p:,} columns, {size / 2**31:.0f} GiB: "
            "--drop columns, or lower --max-categories"
        )
    X = np.empty((n, p), dtype=np.float32 if size > SINGLE_BYTES else np.float64)
    for j, (_, values) in enumerate(parts.numbers):
        X[:, j] = values
    if block is not None:
        X[:, len(parts.numbers) :] = block.toarray()
    return X


def _notices(parts: _Parts) -> Iterator[str]:
    for reason, names in parts.dropped.items():
        plural = "column" if len(names) == 1 else "columns"
        yield f"{plural} {reason}, left out of the model: {listed(names, 10)}"
