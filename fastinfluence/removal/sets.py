"""Which rows leave together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.inputs import checked_rows
from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem
from fastinfluence.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class RemovalSets:
    """k sets of rows, stored end to end.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        All rows of all sets, set after set.
    starts : ndarray of int, shape (k + 1,)
        Set j is ``rows[starts[j]:starts[j + 1]]``.
    labels : sequence or None
        The caller's names of the sets.
    """

    rows: IntArray
    starts: IntArray
    labels: Sequence[Any] | None = None

    @classmethod
    def single(cls, rows: Any, n: int) -> RemovalSets:
        """One set per row; all rows where ``rows`` is None."""
        chosen = np.arange(n) if rows is None else checked_rows(rows, n)
        return cls(chosen, np.arange(len(chosen) + 1))

    @classmethod
    def groups(cls, groups: Any, n: int) -> RemovalSets:
        """Sets from n labels (one set per distinct label, sorted) or a list of index arrays."""
        if _is_list_of_sets(groups):
            parts = [
                np.unique(checked_rows(part, n, f"groups[{j}]")) for j, part in enumerate(groups)
            ]
            labels: Sequence[Any] = range(len(parts))
        else:
            values = np.asarray(groups)
            if values.size == 0:
                raise InputError("groups is empty: name at least one group")
            if values.shape != (n,):
                raise InputError(
                    f"groups has shape {values.shape}: give {n} labels, or a list of index arrays"
                )
            names, member = distinct(values)
            order = np.argsort(member, kind="stable")
            parts = np.split(order, np.cumsum(np.bincount(member))[:-1])
            labels = names.tolist()
        starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
        return cls(np.concatenate(parts), starts.astype(np.intp), labels)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def sizes(self) -> IntArray:
        """Number of rows in each set, shape (k,)."""
        return np.diff(self.starts)

    @cached_property
    def singles(self) -> bool:
        """Whether every set is one row."""
        return bool((self.sizes == 1).all())

    @cached_property
    def owner(self) -> IntArray:
        """The set that each entry of ``rows`` belongs to, shape (m,)."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def members(self, j: int) -> IntArray:
        """The rows of set j."""
        return self.rows[self.starts[j] : self.starts[j + 1]]

    def part(self, start: int, stop: int) -> RemovalSets:
        """Sets ``start`` to ``stop``."""
        return self.pick(np.arange(start, min(stop, len(self))))

    def pick(self, which: IntArray | BoolArray) -> RemovalSets:
        """The chosen sets."""
        if self.singles:
            rows = self.rows[which]
            return RemovalSets(rows, np.arange(len(rows) + 1))
        chosen = np.arange(len(self))[which]
        parts = [self.members(int(j)) for j in chosen]
        starts = np.concatenate([[0], np.cumsum(self.sizes[chosen])]).astype(np.intp)
        return RemovalSets(np.concatenate(parts) if parts else self.rows[:0], starts)

    def sum(self, values: FloatArray) -> FloatArray:
        """Sum values (m, …) of the rows over each set, shape (k, …)."""
        if self.singles:
            return values
        return np.asarray(np.add.reduceat(values, self.starts[:-1], axis=0))

    def weight(self, problem: Problem) -> FloatArray:
        """Total weight of each set, shape (k,); InputError where nothing would remain."""
        removed = self.sum(problem.w[self.rows])
        whole = np.flatnonzero(removed >= problem.W * (1 - 1e-14))
        if len(whole):
            raise InputError(
                f"removing {'row' if self.singles else 'group'} {self._name(int(whole[0]))} leaves "
                "no weight: at least one row with a positive weight must stay"
            )
        return removed

    def _name(self, j: int) -> str:
        return str(self.members(j)[0] if self.labels is None else self.labels[j])


def distinct(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], IntArray]:
    """The sorted distinct labels and each row's place among them."""
    missing = np.flatnonzero(values != values)  # NaN alone differs from itself
    if len(missing):
        raise InputError(f"groups holds nan in row {missing[0]}: give every row a group")
    try:
        names, member = np.unique(values, return_inverse=True)
    except TypeError as error:
        raise InputError(f"groups mixes labels that cannot be ordered: {error}") from error
    return names, member


def _is_list_of_sets(groups: Any) -> bool:
    if not isinstance(groups, (list, tuple)):
        return False
    return any(np.ndim(part) == 1 for part in groups)
