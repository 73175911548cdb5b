"""The target: which model it asks for, and its values as that model wants them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fastinfluence.audit import columns
from fastinfluence.audit.options import Options
from fastinfluence.errors import InputError
from fastinfluence.inputs import listed
from fastinfluence.types import BoolArray, FloatArray, IntArray

FEW = 20
"""Up to so many distinct whole numbers may be codes of classes: the choice is then stated."""
MAX_LISTED = 20
REST = "all others"


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes
    ----------
    name : str
    rows : ndarray of int, shape (n,)
        Rows of the table that have a target.
    y : ndarray, shape (n,)
        Their targets: 0 and 1, or standardised numbers, (target − centre) / unit.
    centre, unit : float
        0 and 1 for classes.
    positive, negative : str
        The class whose probability is predicted, and what it is set against; empty for numbers.
    notices : tuple of str
        Choices made that the reader should know of.
    """

    name: str
    rows: IntArray
    y: FloatArray
    centre: float = 0.0
    unit: float = 1.0
    positive: str = ""
    negative: str = ""
    notices: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """One of ``TASKS``."""
        return "classify" if self.positive else "regress"


def read_target(column: pa.ChunkedArray, options: Options) -> Target:
    """The target of an audit.

    Raises
    ------
    InputError
        If the column cannot be a target, asks for a choice, or leaves too few rows.
    """
    kind = columns.kind_of(column)
    if kind == columns.OTHER or columns.is_time(column):
        raise InputError(f"target {options.target!r} holds {column.type}: give classes or numbers")
    if kind == columns.CATEGORY or pa.types.is_boolean(column.type):
        if options.task == "regress":
            raise InputError(f"target {options.target!r} holds classes ({column.type}), no numbers")
        return _classes(column, options)
    return _numbers_or_classes(column, options)


def _numbers_or_classes(column: pa.ChunkedArray, options: Options) -> Target:
    values = columns.numbers(column)
    present = ~np.isnan(values)
    distinct = np.unique(values[present])
    chosen = options.task is not None or options.positive is not None
    if options.positive is not None or options.task == "classify":
        return _classes(column, options)
    whole = bool((distinct == np.floor(distinct)).all())
    few = f"{options.target} holds {len(distinct)} distinct numbers"
    if not chosen and len(distinct) == 2:
        notice = f"{few}: taken as two classes; --task regress fits them by least squares"
        return _classes(column, options, (notice,))
    notices: tuple[str, ...] = ()
    if not chosen and whole and 2 < len(distinct) <= FEW:
        notices = (f"{few}: fitted by least squares; --positive CLASS takes one against the rest",)
    return _numbers(values, present, options, notices)


def _numbers(
    values: FloatArray, present: BoolArray, options: Options, notices: tuple[str, ...]
) -> Target:
    rows = np.flatnonzero(present)
    _check_enough(len(rows), options)
    given = values[rows]
    if np.ptp(given) == 0:
        raise InputError(f"target {options.target!r} is {given[0]:g} in every row: nothing to fit")
    with np.errstate(over="ignore", invalid="ignore"):
        centre, unit = float(given.mean()), float(given.std())
    if not np.isfinite(unit) or unit == 0:
        raise InputError(f"target {options.target!r} spans more than float64 can square: scale it")
    y = (given - centre) / unit
    return Target(options.target, rows, y, centre, unit, notices=notices)


def _classes(column: pa.ChunkedArray, options: Options, notices: tuple[str, ...] = ()) -> Target:
    codes, labels = columns.codes(column)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        codes, labels = _in_numeric_order(codes, labels)
    rows = np.flatnonzero(codes >= 0)
    _check_enough(len(rows), options)
    if len(labels) < 2:
        raise InputError(
            f"target {options.target!r} holds one class only ({labels[0]!r}): nothing to compare"
        )
    chosen = _positive(labels, options)
    y = (codes[rows] == chosen).astype(np.float64)
    negative = labels[1 - chosen] if len(labels) == 2 else REST
    for label, count in ((labels[chosen], y.sum()), (negative, (1 - y).sum())):
        if count < 2:
            raise InputError(
                f"target {options.target!r}: the class {label!r} has one row only; "
                "to hold it out and still train on it takes two"
            )
    return Target(
        options.target, rows, y, positive=labels[chosen], negative=negative, notices=notices
    )


def _in_numeric_order(codes: IntArray, labels: tuple[str, ...]) -> tuple[IntArray, tuple[str, ...]]:
    order = np.argsort([float(label) for label in labels], kind="stable")
    place = np.append(np.argsort(order), -1)  # the last place serves the code -1
    return place[codes], tuple(labels[j] for j in order)


def _positive(labels: tuple[str, ...], options: Options) -> int:
    """Place of the positive class: the one asked for, or the larger of two."""
    if options.positive is not None:
        if options.positive not in labels:
            raise InputError(
                f"target {options.target!r} has no class {options.positive!r}, "
                f"only {_shown(labels)}"
            )
        return labels.index(options.positive)
    if len(labels) > 2:
        raise InputError(
            f"target {options.target!r} has {len(labels)} classes: choose one against the rest "
            f"with --positive: {_shown(labels)}"
        )
    return 1


def _shown(labels: tuple[str, ...]) -> str:
    return listed([repr(label) for label in labels], MAX_LISTED)


def _check_enough(n: int, options: Options) -> None:
    if n == 0:
        raise InputError(f"target {options.target!r} has no value in any row")
    if n < 2 * options.folds:
        raise InputError(
            f"only {n} rows have a target: {options.folds} folds need {2 * options.folds}"
        )
