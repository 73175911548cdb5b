"""The first pass over a streamed table: what must be known, and what must not be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.rows.encode import as_dictionary, decoded, is_category
from fastinfluence.types import BoolArray, IntArray

MOST_CATEGORIES = 1 << 16
"""Of one column: more are no categories, and would fill the memory."""
FEW_LABELS = 8
"""Up to so many labels are looked for one by one, which costs less than sorting the targets."""


class Bad(NamedTuple):
    """Something that no score may rest on, and where."""

    row: int
    column: str
    what: str
    advice: str = "impute or drop that row before scoring"

    def at(self, place: str) -> str:
        """The complaint, with the row's place in words."""
        return f"column {self.column!r} {self.what} in {place}: {self.advice}"


class Labels(NamedTuple):
    """Distinct targets, sorted, and the row that each is first seen in."""

    values: np.ndarray[Any, Any]
    first: IntArray

    @classmethod
    def of(cls, values: np.ndarray[Any, Any]) -> Labels:
        """Those of some targets; InputError where they cannot be ordered."""
        try:
            found = np.unique(values)
            if len(found) > FEW_LABELS:
                return cls(*np.unique(values, return_index=True))
        except TypeError as error:
            raise InputError(f"the target mixes labels that cannot be ordered: {error}") from error
        return cls(found, np.array([np.argmax(values == label) for label in found], dtype=np.intp))

    def none(self) -> Labels:
        """No label of the same kind."""
        return Labels(self.values[:0], self.first[:0])

    def and_then(self, later: Labels, n_rows: int, most: int) -> Labels:
        """The labels of these ``n_rows`` rows and those that follow; the ``most`` first seen."""
        both = Labels.of(np.concatenate([self.values, later.values]))
        first = np.concatenate([self.first, later.first + n_rows])[both.first]
        kept = np.sort(np.argsort(first, kind="stable")[:most])
        return Labels(both.values[kept], first[kept])


@dataclass(frozen=True)
class Question:
    """What the survey looks for in the targets.

    Attributes
    ----------
    most : int
        How many different labels to collect; 0 where targets are numbers.
    inside : callable
        Which numbers the loss is defined for.
    domain : str
        The same in words.
    """

    most: int
    inside: Callable[[Any], BoolArray]
    domain: str


@dataclass
class Found:
    """What some rows hold.

    Attributes
    ----------
    n_rows : int
    labels : Labels or None
        Distinct targets, where they are labels.
    weight : float
        Sum of the weights.
    categories : dict of str to set
    bad : Bad or None
        The first thing that must not be there.
    most : int
        How many labels are kept.
    """

    n_rows: int = 0
    labels: Labels | None = None
    weight: float = 0.0
    categories: dict[str, set[Any]] = field(default_factory=dict)
    bad: Bad | None = None
    most: int = 0

    def and_then(self, later: Found) -> Found:
        """The same for these rows and those that follow."""
        if later.labels is not None:
            known = self.labels or later.labels.none()
            self.most = later.most
            self.labels = known.and_then(later.labels, self.n_rows, self.most)
        for name, values in later.categories.items():
            self._add(name, values)
        if self.bad is None and later.bad is not None:
            self.bad = later.bad._replace(row=self.n_rows + later.bad.row)
        self.n_rows += later.n_rows
        self.weight += later.weight
        return self

    def _add(self, name: str, values: set[Any]) -> None:
        known = self.categories.setdefault(name, set())
        known |= values
        if len(known) > MOST_CATEGORIES:
            raise InputError(
                f"column {name!r} has more than {MOST_CATEGORIES} categories: leave it out with "
                f"features=[…], or group the rare ones; a column that names the rows is "
                f"id={name!r}"
            )


def survey_batch(batch: Any, roles: Any, question: Question) -> Found:
    """What one Arrow batch holds."""
    categories: dict[str, set[Any]] = {}
    bad = _first(_column_faults(batch, roles, categories))
    labels, w = None, float(batch.num_rows)
    if bad is None:
        bad, labels = survey_target(decoded(batch.column(roles.target)), roles.target, question)
    if roles.weight is not None and bad is None:
        w = float(np.asarray(decoded(batch.column(roles.weight)), dtype=np.float64).sum())
    return Found(batch.num_rows, labels, w, categories, bad, question.most)


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
    return Found(len(raw.X), labels, w, {}, bad, question.most)


def _column_faults(batch: Any, roles: Any, categories: dict[str, set[Any]]) -> Iterator[Bad]:
    for name in roles.used:
        column = batch.column(name)
        if column.null_count:
            missing = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))
            yield Bad(int(missing[0]), name, "is missing")
        elif name in roles.features and is_category(column.type):
            yield from _of_categories(name, as_dictionary(column), categories)
        elif name != roles.id and column.type in _floats():
            yield from _not_finite(name, decoded(column))
        if name == roles.weight and not column.null_count:
            yield from _negative(name, decoded(column))


def _of_categories(name: str, known: Any, categories: dict[str, set[Any]]) -> Iterator[Bad]:
    """Collect the values that are used; a null or NaN among them is a missing entry."""
    values = known.dictionary.to_pylist()
    used = {code: values[code] for code in known.indices.unique().to_pylist()}
    gone = [code for code, value in used.items() if value is None or value != value]
    if gone:
        rows = np.isin(known.indices.to_numpy(zero_copy_only=False), gone)
        yield Bad(int(np.argmax(rows)), name, "is missing")
    categories[name] = {value for code, value in used.items() if code not in gone}


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
        what = f"is {values[negative[0]]}"
        yield Bad(int(negative[0]), name, what, "a weight is zero or positive")


def survey_target(
    values: np.ndarray[Any, Any], name: str, question: Question
) -> tuple[Bad | None, Labels | None]:
    """The first target that the loss is not defined for, and the labels where they are ones."""
    if question.most:
        return None, Labels.of(values)
    outside = np.flatnonzero(~question.inside(np.asarray(values, dtype=np.float64)))
    if not len(outside):
        return None, None
    advice = f"the loss is defined for {question.domain}"
    return Bad(int(outside[0]), name, f"is {values[outside[0]]}", advice), None


def _first(faults: Iterator[Bad]) -> Bad | None:
    return min(faults, default=None, key=lambda bad: bad.row)
