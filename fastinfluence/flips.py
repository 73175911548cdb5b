"""What a search for influential subsets found, told so that nothing unconfirmed is claimed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastinfluence.inputs import listed
from fastinfluence.types import IntArray

SHOWN = 10


@dataclass(frozen=True)
class InfluentialSubset:
    """The rows whose joint removal is predicted to move a quantity most.

    Attributes
    ----------
    rows : ndarray of int, shape (k,)
        Strongest first; with clusters, cluster after cluster. Fewer than ``max_rows`` where
        fewer help the direction.
    predicted : float
        First-order change of the quantity, new minus old: the sum of the rows' removal scores.
    actual : float or None
        The change by an exact refit without the rows; None where none was asked for, NaN
        where what stays has no unique optimum.
    groups : tuple or None
        Labels of the clusters, strongest first; None for rows.
    n_total : int
        Number of training rows.
    direction : int
        1 or −1.
    quantity : str
    """

    rows: IntArray
    predicted: float
    actual: float | None
    groups: tuple[object, ...] | None
    n_total: int
    direction: int
    quantity: str

    @property
    def n_rows(self) -> int:
        """Number of rows in the subset."""
        return len(self.rows)

    @property
    def share(self) -> float:
        """Rows in the subset over all training rows."""
        return self.n_rows / self.n_total

    def __str__(self) -> str:
        way = "raises" if self.direction > 0 else "lowers"
        if not self.n_rows:
            return f"no row's removal {way} {self.quantity}"
        refit = "not refitted" if self.actual is None else f"refit {self.actual:+.4g}"
        return (
            f"removing {_counted(self.rows, self.groups)} of {self.n_total} "
            f"({self.share:.2%}) {way} {self.quantity} most: predicted {self.predicted:+.4g}, "
            f"{refit}\n{_members(self.rows, self.groups)}"
        )


@dataclass(frozen=True)
class Attempt:
    """One set of rows that was tried.

    Attributes
    ----------
    rows : ndarray of int, shape (k,)
    predicted : float
        First-order change, linearised at the model of all rows.
    actual : float or None
        Change by an exact refit; None without one, NaN where it has no unique optimum.
    value : float or None
        The quantity after the refit.
    flipped : bool or None
        Whether the refit changed the sign; None without one.
    groups : tuple or None
    """

    rows: IntArray
    predicted: float
    actual: float | None = None
    value: float | None = None
    flipped: bool | None = None
    groups: tuple[object, ...] | None = None


@dataclass(frozen=True)
class Flip:
    """How few rows flip the sign of a quantity.

    ``rows`` is a set that flips it where ``flipped`` is True: an upper bound on the smallest
    such set, since no method short of trying all sets proves that none is smaller.

    Attributes
    ----------
    quantity : str
    value : float
        Before removal.
    attempts : tuple of Attempt
        The first is first order's own answer; each later one is a larger set, grown from a
        linearisation at the refit before it. Where trimmed, the last is a shorter head of the
        set before. The attributes below are those of the last.
    n_total : int
        Number of training rows.
    limit : int
        Most rows (or groups) that were allowed.
    unit : str
        ``"rows"`` or ``"groups"``: what ``limit`` counts.
    """

    quantity: str
    value: float
    attempts: tuple[Attempt, ...]
    n_total: int
    limit: int
    unit: str

    @property
    def rows(self) -> IntArray:
        """The rows to remove; where nothing flipped, those that push hardest towards it."""
        return self.attempts[-1].rows

    @property
    def groups(self) -> tuple[object, ...] | None:
        """Labels of the clusters to remove; None for rows."""
        return self.attempts[-1].groups

    @property
    def n_rows(self) -> int:
        """Number of rows to remove."""
        return len(self.rows)

    @property
    def share(self) -> float:
        """Rows to remove over all training rows."""
        return self.n_rows / self.n_total

    @property
    def predicted(self) -> float:
        """First-order change of the quantity without ``rows``, new minus old."""
        return self.attempts[-1].predicted

    @property
    def actual(self) -> float | None:
        """Change by the exact refit without ``rows``."""
        return self.attempts[-1].actual

    @property
    def value_after(self) -> float | None:
        """The quantity after the exact refit without ``rows``."""
        return self.attempts[-1].value

    @property
    def flipped(self) -> bool | None:
        """Whether an exact refit without ``rows`` changed the sign; None without one."""
        return self.attempts[-1].flipped

    @property
    def predicted_flip(self) -> bool:
        """Whether first order found a set within the limit that flips the sign."""
        first = self.attempts[0]
        return (self.value + first.predicted) * self.value < 0

    @property
    def n_predicted(self) -> int | None:
        """Rows that first order deems enough; None where it finds no such set."""
        return len(self.attempts[0].rows) if self.predicted_flip else None

    def __str__(self) -> str:
        text = f"{self.quantity} is {self.value:.4g}: {self._verdict()}"
        return f"{text}\n{_members(self.rows, self.groups)}" if self.n_rows else text

    def _verdict(self) -> str:
        last = self.attempts[-1]
        what = f"{_counted(last.rows, last.groups)} of {self.n_total} ({self.share:.2%})"
        if self.flipped:
            return f"removing {what} flips it, confirmed by a refit ({self._numbers()})" + (
                f"; {self._first()}" if self.predicted_flip is not self.attempts[0].flipped else ""
            )
        if not self.predicted_flip:
            tail = "" if self.flipped is None else f" ({self._numbers()})"
            return (
                f"no set of at most {self.limit} {self.unit} is predicted to flip it; the most "
                f"first order promises is {self.attempts[0].predicted:+.4g}{tail}"
            )
        if self.flipped is None:
            return f"removing {what} is predicted to flip it ({last.predicted:+.4g}), not refitted"
        numbers = self._numbers()
        if len(self.attempts) == 1:
            return f"a flip by {what} is predicted but NOT confirmed ({numbers})"
        return (
            f"a flip is predicted but NOT confirmed: {self._first()}; {what} were tried in the "
            f"end ({numbers})"
        )

    def _first(self) -> str:
        first = self.attempts[0]
        if not self.predicted_flip:
            return f"first order found no set of at most {self.limit} {self.unit}"
        return (
            f"first order deemed {_counted(first.rows, first.groups)} enough, whose removal moves "
            f"it by {first.actual:+.4g}, not {first.predicted:+.4g}"
        )

    def _numbers(self) -> str:
        last = self.attempts[-1]
        if last.value is None or not math.isfinite(last.value):
            return f"predicted {last.predicted:+.4g}; what stays has no unique optimum"
        return (
            f"predicted {last.predicted:+.4g}, refit {last.actual:+.4g}, new value {last.value:.4g}"
        )


def _counted(rows: IntArray, groups: tuple[object, ...] | None) -> str:
    many = f"{len(rows)} row{'' if len(rows) == 1 else 's'}"
    if groups is None:
        return many
    return f"{len(groups)} group{'' if len(groups) == 1 else 's'} with {many}"


def _members(rows: IntArray, groups: tuple[object, ...] | None) -> str:
    if groups is None:
        return f"rows {listed([str(i) for i in rows], SHOWN)}"
    return f"groups {listed([str(g) for g in groups], SHOWN)}"
