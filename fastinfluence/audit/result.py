"""A whole audit, and what it found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fastinfluence.audit.columns import without_views
from fastinfluence.audit.encode import Encoded, encode
from fastinfluence.audit.frames import arrow_table
from fastinfluence.audit.options import MEANING, Options
from fastinfluence.audit.read import check_columns, check_distinct, read_table
from fastinfluence.audit.score import Scores, score
from fastinfluence.audit.target import Target, read_target
from fastinfluence.errors import InputError
from fastinfluence.files import whole_file
from fastinfluence.influence import Influence
from fastinfluence.progress import Progress, silent
from fastinfluence.types import FloatArray, IntArray

PERFECT = 0.999
"""Held-out quality above which a column is likely to give the target away."""


@dataclass(frozen=True)
class Audit:
    """Scores of every row of a table, and the model behind them.

    Attributes
    ----------
    table : pyarrow.Table
        As it was read, all columns and rows.
    target : Target
        ``target.rows`` are the places in the table of the n rows that the scores are about.
    scores : Scores
    feature_names : tuple of str
        Columns of the encoded table; p is one more, for the intercept.
    options : Options
    notices : tuple of str
        What was dropped, merged, left out or chosen.
    source : str
        Where the table came from, for a report.
    """

    table: pa.Table
    target: Target
    scores: Scores
    feature_names: tuple[str, ...]
    options: Options
    notices: tuple[str, ...]
    source: str = "TABLE"

    @property
    def model(self) -> Influence:
        """The model of all rows, for further questions; of numbers, of the standardised target."""
        return self.scores.model

    @property
    def n_params(self) -> int:
        """Length p of theta, the intercept included."""
        return len(self.feature_names) + 1

    def quality(self) -> dict[str, float]:
        """How well held-out rows are predicted.

        Returns
        -------
        dict of str to float
            ``accuracy`` beside ``larger_class``, the accuracy of always guessing it, or ``r2``.
        """
        y, held_out = self.target.y, self.scores.held_out
        if self.target.task == "classify":
            right = (held_out > 0.5) == (y > 0.5)
            return {
                "accuracy": float(right.mean()),
                "larger_class": float(max(y.mean(), 1 - y.mean())),
            }
        misfit = (held_out - self.target.centre) / self.target.unit - y
        return {"r2": 1.0 - float(np.mean(misfit**2))}

    def most_suspicious(self, k: int) -> IntArray:
        """The k scored rows of largest self-influence.

        Parameters
        ----------
        k : int

        Returns
        -------
        ndarray of int, shape (k,)
            Places in the scores; ``target.rows`` gives their rows in the table.
        """
        return np.argsort(-self.scores.self_influence, kind="stable")[:k]

    def most_harmful(self, k: int) -> IntArray:
        """At most k scored rows of largest harm, those that do harm only.

        Parameters
        ----------
        k : int

        Returns
        -------
        ndarray of int
            Places in the scores, as in :meth:`most_suspicious`.
        """
        order = np.argsort(-self.scores.harm, kind="stable")[:k]
        return order[self.scores.harm[order] > 0]

    def to_html(self, path: str | PathLike[str] | None = None, top: int = 10) -> str:
        """The audit as one HTML file that fetches nothing and runs no script.

        Parameters
        ----------
        path : path, optional
            Where to write it too, as a whole or not at all.
        top : int, default 10
            Rows shown of each kind.

        Returns
        -------
        str
            The text of the file.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        from fastinfluence.report import audit_page

        if path is None:
            return str(audit_page(self, top))
        with whole_file(Path(path)) as file:  # refused before the work where it cannot be made
            text = str(audit_page(self, top))
            file.write(text.encode())
        return text

    def score_columns(self) -> dict[str, str]:
        """Name in the ranked table of each column of ``MEANING``.

        A name that the table already has gets the prefix ``audit_``, except the target's own.

        Returns
        -------
        dict of str to str
        """
        taken = set(self.table.column_names) - ({"target"} & {self.target.name})
        return {name: free_name(name, taken) for name in MEANING}

    def ranked(self) -> pa.Table:
        """The whole table with its scores, largest self-influence first.

        Rows without a target come last, their scores empty.

        Returns
        -------
        pyarrow.Table
        """
        order = self.most_suspicious(len(self.target.rows))
        rest = np.setdiff1d(np.arange(self.table.num_rows), self.target.rows)
        rows = np.concatenate([self.target.rows[order], rest])
        table = self.table.take(pa.array(rows))
        names = self.score_columns()
        new = {
            names["row"]: pa.array(rows, pa.int64()),
            names["target"]: table.column(self.target.name),
        }
        for name in ("prediction", "loss", "self_influence", "harm"):
            new[names[name]] = padded(getattr(self.scores, name)[order], len(rest))
        kept = [name for name in table.column_names if name not in new]
        fields = [
            pa.field(names[key], new[names[key]].type, metadata={"meaning": meaning})
            for key, meaning in MEANING.items()
        ]
        schema = pa.schema(fields + [table.schema.field(name) for name in kept])
        return pa.table([*new.values(), *(table.column(name) for name in kept)], schema=schema)


def audit(table: Any, options: Options, progress: Progress = silent) -> Audit:
    """Find the suspicious and the harmful rows of a table.

    Parameters
    ----------
    table : path, pyarrow.Table, or any table that speaks Arrow (pandas, polars)
        A path names a CSV or Parquet file.
    options : Options
    progress : callable, optional
        Called with (phase, done, total).

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        If the table or an option cannot be used; the message says what to do.
    """
    source = str(table) if isinstance(table, str | Path) else "TABLE"
    table = read_table(Path(table)) if isinstance(table, str | Path) else arrow_table(table)
    target, encoded, notices = prepare(table, options)
    scores = score(encoded.X, target, options, progress)
    plain = without_views(table)
    result = Audit(plain, target, scores, encoded.names, options, notices, source)
    return _with_warning(result)


def prepare(table: pa.Table, options: Options) -> tuple[Target, Encoded, tuple[str, ...]]:
    """The target, the rows that have one as numbers, and what there is to say about both.

    Raises
    ------
    InputError
        If the table or an option cannot be used; the message says what to do.
    """
    table = without_views(table)
    names = table.column_names
    check_distinct(names)
    check_columns([options.target], names, "target")
    check_columns(options.drop, names, "--drop")
    check_columns(options.category, names, "--category")
    if options.target in (*options.drop, *options.category):
        raise InputError(f"{options.target!r} is the target: it cannot be dropped or encoded")
    target = read_target(table.column(options.target), options)
    encoded = encode(table.take(pa.array(target.rows)), options)
    left_out = table.num_rows - len(target.rows)
    return target, encoded, (*target.notices, *_left_out(left_out, target), *encoded.notices)


def _left_out(count: int, target: Target) -> Iterator[str]:
    if count:
        are = "1 row is" if count == 1 else f"{count:,} rows are"
        yield f"{are} without {target.name}: not scored, last in the written table"


def _with_warning(result: Audit) -> Audit:
    """Say so where the target is predicted too well to be true."""
    quality = result.quality()
    value = quality.get("accuracy", quality.get("r2", 0.0))
    if value < PERFECT or quality.get("larger_class", 0.0) >= PERFECT:
        return result
    notice = (
        f"held-out rows are predicted almost perfectly: --drop the column that gives "
        f"{result.target.name} away, if there is one"
    )
    fields = {**vars(result), "notices": (*result.notices, notice)}
    return Audit(**fields)


def free_name(name: str, taken: set[str]) -> str:
    """The name with the prefix ``audit_`` as often as it is taken."""
    while name in taken:
        name = f"audit_{name}"
    return name


def padded(values: FloatArray, n_empty: int) -> pa.Array:
    """A column of numbers that ends with empty places."""
    return pa.concat_arrays([pa.array(values, pa.float64()), pa.nulls(n_empty, pa.float64())])
