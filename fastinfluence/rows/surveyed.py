"""What the first pass over the partitions of a Dask collection finds, combined as it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastinfluence.errors import InputError
from fastinfluence.rows.arrow_source import place
from fastinfluence.rows.readers import Part
from fastinfluence.rows.source import Unit
from fastinfluence.rows.survey import Found


@dataclass
class Surveyed:
    """What the first pass finds in some partitions.

    Attributes
    ----------
    sizes : list of (int, int)
        Each partition and its number of rows.
    kinds : dict of str to str
        What each column holds, the same in all partitions.
    facts : dict
        What else was learned, the same in all partitions.
    stored : int
        Numbers of X that are stored.
    found : Found
    """

    sizes: list[tuple[int, int]]
    kinds: dict[str, str]
    facts: dict[str, Any]
    stored: int
    found: Found

    def and_then(self, later: Surveyed) -> Surveyed:
        """The same for these partitions and those that follow; one without rows tells nothing."""
        if not (self.found.n_rows and later.found.n_rows):
            told = self if self.found.n_rows else later
            told.sizes = self.sizes + later.sizes
            return told
        self._refuse_other_kinds(later)
        self.sizes += later.sizes
        self.stored += later.stored
        self.found = self.found.and_then(later.found)
        return self

    def _refuse_other_kinds(self, later: Surveyed) -> None:
        for name in {**self.kinds, **later.kinds}:
            own, other = (one.kinds.get(name, "nothing") for one in (self, later))
            if own != other:
                raise InputError(
                    f"column {name!r} holds {other} in partition {later.first} but {own} in "
                    f"partition {self.first}: give all partitions one type"
                )

    @property
    def first(self) -> int:
        """The first partition that has rows."""
        return next(k for k, n in self.sizes if n)

    def units(self) -> list[Unit]:
        """Those partitions that have rows.

        Raises
        ------
        InputError
            If none has; naming partition, column and row of what must not be there.
        """
        units, start, bad = [], 0, self.found.bad
        for k, n in self.sizes:
            if n:
                units.append(Unit(Part(f"partition {k}", 0, None, k), start, start + n))
            start += n
        if not units:
            raise InputError("the table holds no rows")
        if bad is not None:
            raise InputError(bad.at(place(units, bad.row)))
        return units


def nothing(k: int) -> Surveyed:
    """Of a partition without rows."""
    return Surveyed([(k, 0)], {}, {}, 0, Found())
