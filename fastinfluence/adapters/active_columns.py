"""From all columns of an l1-penalised model to those with coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.active_set import ActiveSet
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.inputs import listed
from fastinfluence.rows.sources import as_rows
from fastinfluence.tables import Table, as_table
from fastinfluence.types import FloatArray, IntArray


@dataclass(frozen=True)
class Columns:
    """Turns the caller's rows into the active columns of the training table.

    Attributes
    ----------
    inner : callable or None
        The first steps of a Pipeline.
    full : Table
        The training table, all columns.
    kept : ndarray of int
        Positions of the active columns.
    """

    inner: Callable[[Any], Any] | None
    full: Table
    kept: IntArray

    def __call__(self, X: Any) -> Table:
        """The active columns of X; named columns in any order, others by position."""
        table = as_table(X if self.inner is None else self.inner(X), "X_test")
        if table.named and self.full.named:
            return self._by_name(table)
        d = self.full.values.shape[1]
        if table.values.shape[1] != d:
            raise InputError(
                f"X_test has {table.values.shape[1]} columns but the model was trained on {d} "
                "(columns without a coefficient included)"
            )
        return self.part(table, self.kept)

    def _by_name(self, table: Table) -> Table:
        wanted = [self.full.names[j] for j in self.kept]
        missing = [name for name in wanted if name not in table.names]
        if missing:
            raise InputError(f"X_test lacks the columns {listed(missing)}")
        return self.part(table, np.array([table.names.index(name) for name in wanted]))

    @staticmethod
    def part(table: Table, columns: IntArray) -> Table:
        """Some columns of a table."""
        names = tuple(table.names[j] for j in columns)
        return Table(table.values[:, columns], names, table.labels, table.named, table.library)


def active_set(
    full: Table, theta: FloatArray, kept: IntArray, l1: float, l1_intercept: float
) -> ActiveSet:
    """The linear term of theta (all parameters, (d,) or (d + 1,)) and the columns left out.

    Raises
    ------
    UnsupportedError
        If no coefficient is left, or a penalised intercept is zero.
    """
    d = full.values.shape[1]
    if not len(kept):
        raise UnsupportedError(
            "the l1 penalty left no coefficient, so no row has an influence on one: weaken it"
        )
    if l1_intercept and theta[d] == 0:
        raise UnsupportedError(
            "liblinear's l1 penalty left the intercept at zero: use fit_intercept=False, or "
            "another solver, which does not penalise it"
        )
    strength = np.full(len(theta), l1)
    strength[d:] = l1_intercept
    at = np.append(kept, np.arange(d, len(theta)))
    others = np.setdiff1d(np.arange(d), kept)
    return ActiveSet(
        linear=(strength * np.sign(theta))[at],
        others=as_rows(full.values[:, others]) if len(others) else None,
        limit=l1,
    )
