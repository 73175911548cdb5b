"""The first pass over a streamed table: what must be known, and what must not be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.rows.encode import decoded, is_category
from fastinfluence.types import BoolArray


class Bad(NamedTuple):
    """Something that no score may rest on, and where."""

    row: int
    column: str
    what: str


@dataclass(frozen=True)
class Question:
    """What the survey looks for in the targets.

    Attributes
    ----------
    classes : bool
        Whether they are labels, to be collected.
    inside : callable
        Which numbers the loss is defined for.
    domain : str
        The same in words.
    """

    classes: bool
    inside: Callable[[Any], BoolArray]
    domain: str


@dataclass
class Found:
    """What some rows hold.

    Attributes
    ----------
    n_rows : int
    labels : ndarray or None
        Distinct targets, sorted, where they are labels.
    weight : float
        Sum of the weights.
    categories : dict of str to set
    bad : Bad or None
        The first thing that must not be there.
    """

    n_rows: int
    labels: np.ndarray[Any, Any] | None
    weight: float
    categories: dict[str, set[Any]]
    bad: Bad | None

    def and_then(self, later: Found) -> Found:
        """The same for these rows and those that follow."""
        if self.labels is not None and later.labels is not None:
            self.labels = merged_labels(self.labels, later.labels)
        for name, values in later.categories.items():
            self.categories.setdefault(name, set()).update(values)
        if self.bad is None and later.bad is not None:
            self.bad = later.bad._replace(row=self.n_rows + later.bad.row)
        self.n_rows += later.n_rows
        self.weight += later.weight
        return self


def merged_labels(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The distinct labels of both, sorted; InputError where they cannot be ordered."""
    try:
        return np.unique(np.concatenate([a, b]))
    except TypeError as error:
        raise InputError(f"the target mixes labels that cannot be ordered: {error}") from error


def survey_batch(batch: Any, roles: Any, question: Question) -> Found:
    """What one Arrow batch holds."""
    categories: dict[str, set[Any]] = {}
    bad = _first(_column_faults(batch, roles, categories))
    labels, w = None, float(batch.num_rows)
    if bad is None:
        bad, labels = survey_target(decoded(batch.column(roles.target)), roles.target, question)
    if roles.weight is not None and bad is None:
        w = float(np.asarray(decoded(batch.column(roles.weight)), dtype=np.float64).sum())
    return Found(batch.num_rows, labels, w, categories, bad)


def survey_block(raw: Any, names: Sequence[str], question: Question) -> Found:
    """What a block of arrays holds."""
    bad, labels, w = None, None, float(len(raw.X))
    found = raw.X.first_not_finite()
    if found is not None:
        bad = Bad(found[0], names[found[1]], f"is {found[2]}")
    for values, what in ((raw.w, "weight"), (raw.offset, "offset")):
        if values is not None and bad is None:
            bad = _first(_not_finite(what, values))
    if raw.w is not None and bad is None:
        bad = _first(_negative("weight", raw.w))
        w = float(raw.w.sum())
    if bad is None and raw.y.dtype.kind == "f":
        bad = _first(_not_finite("y", raw.y))
    if bad is None:
        bad, labels = survey_target(raw.y, "y", question)
    return Found(len(raw.X), labels, w, {}, bad)


def _column_faults(batch: Any, roles: Any, categories: dict[str, set[Any]]) -> Iterator[Bad]:
    for name in roles.used:
        column = batch.column(name)
        if column.null_count:
            missing = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))
            yield Bad(int(missing[0]), name, "is missing")
        elif name in roles.features and is_category(column.type):
            known = column if hasattr(column, "dictionary") else column.dictionary_encode()
            used = known.dictionary.take(known.indices.unique())
            categories[name] = set(used.to_pylist())
        elif name != roles.id and column.type in _floats():
            yield from _not_finite(name, decoded(column))
        if name == roles.weight and not column.null_count:
            yield from _negative(name, decoded(column))


def _floats() -> tuple[Any, ...]:
    import pyarrow as pa

    return pa.float16(), pa.float32(), pa.float64()


def _not_finite(name: str, values: np.ndarray[Any, Any]) -> Iterator[Bad]:
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        yield Bad(int(bad[0]), name, f"is {values[bad[0]]}")


def _negative(name: str, values: np.ndarray[Any, Any]) -> Iterator[Bad]:
    negative = np.flatnonzero(values < 0)
    if len(negative):
        what = f"is {values[negative[0]]}: a weight must not be negative"
        yield Bad(int(negative[0]), name, what)


def survey_target(
    values: np.ndarray[Any, Any], name: str, question: Question
) -> tuple[Bad | None, np.ndarray[Any, Any] | None]:
    """The first target that the loss is not defined for, and the labels where they are ones."""
    if question.classes:
        return None, merged_labels(values, values[:0])
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the target {name!r} is not numeric: {error}") from error
    outside = np.flatnonzero(~question.inside(numbers))
    if not len(outside):
        return None, None
    what = f"is {values[outside[0]]}: the loss is defined for {question.domain}"
    return Bad(int(outside[0]), name, what), None


def _first(faults: Iterator[Bad]) -> Bad | None:
    return min(faults, default=None, key=lambda bad: bad.row)
