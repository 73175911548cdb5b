"""The same problem with fewer rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.inputs import checked_rows
from fastinfluence.problem import Problem
from fastinfluence.removal import Refit
from fastinfluence.rows.view import RowView
from fastinfluence.streaming import without_weight
from fastinfluence.types import IntArray

NOTHING = 1e-12
"""Share of the weight below which what is left is rounding."""


def rows_that_stay(problem: Problem, rows: Any) -> IntArray:
    """Positions of the rows that stay, increasing; InputError where no weight would stay."""
    gone = checked_rows(rows, problem.n_rows)
    kept = np.setdiff1d(np.arange(problem.n_rows), gone)
    if not problem.w[kept].any():
        raise InputError(
            f"rows names {len(np.unique(gone))} of {problem.n_rows} rows and leaves no weight: at "
            "least one row with a positive weight must stay"
        )
    return kept


def silenced(problem: Problem, rows: Any) -> Problem:
    """A streamed problem whose rows named weigh nothing; InputError where no weight would stay."""
    gone = checked_rows(rows, problem.n_rows)
    out = without_weight(problem, gone)
    if not problem.W * NOTHING < out.W:
        raise InputError(
            f"rows names {len(np.unique(gone))} of {problem.n_rows} rows and leaves no weight: at "
            "least one row with a positive weight must stay"
        )
    return out


def keep_rows(problem: Problem, kept: IntArray) -> Problem:
    """The problem of the kept rows only; X is viewed, not copied.

    Encoding of the labels, penalty, feature names and transformers stay what they were, also
    where only one class is left.
    """
    return replace(
        problem,
        rows=RowView(problem.rows, kept),
        y=problem.y[kept],
        w=problem.w[kept],
        offset=None if problem.offset is None else problem.offset[kept],
        labels=_kept_labels(problem.labels, kept),
        active=None if problem.active is None else problem.active.keep(kept),
        space=None if problem.space is None else problem.space.keep(kept),
    )


def refit_of_kept(refit: Refit | None, kept: IntArray) -> Refit | None:
    """The caller's refitting procedure, told positions among the kept rows."""
    if refit is None:
        return None
    return lambda rows: refit(kept[rows])


def _kept_labels(labels: Sequence[Any] | None, kept: IntArray) -> Sequence[Any] | None:
    if labels is None:
        return None
    if hasattr(labels, "dtype"):  # an array or an index: one of its own kind
        by_array: Any = labels
        out: Sequence[Any] = by_array[kept]
        return out
    return [labels[i] for i in kept]
