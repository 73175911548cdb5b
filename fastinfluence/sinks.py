"""What becomes of t×n scores as they stream past: kept, ranked, or summed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar

import numpy as np

from fastinfluence.inputs import positive_count
from fastinfluence.kernels.cpu import scores as kernels
from fastinfluence.types import FloatArray, IntArray

R_co = TypeVar("R_co", covariant=True)


class Collector(Protocol[R_co]):
    """Receives blocks of scores in row order."""

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        """Scores ``scale * (raw + shift[:, None])`` of the rows from ``start`` on.

        ``raw`` (t, b) may be overwritten, by the collector and after the call; ``shift`` (t,)
        and ``scale`` (b,) may not.
        """

    def result(self) -> R_co:
        """What was collected."""


class Sink(Protocol[R_co]):
    """A frozen description of what to collect."""

    def open(self, n_tests: int, n_rows: int, sign: float) -> Collector[R_co]:
        """Start collecting scores of ``n_tests`` quantities for ``n_rows`` rows.

        ``sign`` is 1 where a helpful row's score is large (removal), −1 where it is small.
        """


@dataclass(frozen=True)
class Ranking:
    """The k rows at one end of the scores, best first; ties go to the lower row.

    Attributes
    ----------
    rows : ndarray of int, shape (t, k)
    values : ndarray, shape (t, k)
    """

    rows: IntArray
    values: FloatArray


@dataclass(frozen=True)
class TopKResult:
    """The extremes of each test quantity.

    Attributes
    ----------
    helpful : Ranking
        The largest removal scores: removing these rows raises the quantity (a loss) most. For
        ``effect="upweight"`` the sign is the opposite and the smallest scores are meant.
    harmful : Ranking
        The other end.
    """

    helpful: Ranking
    harmful: Ranking


@dataclass(frozen=True)
class TopK:
    """Keep the k most helpful and k most harmful rows of each test quantity.

    Parameters
    ----------
    k : int
        Rows to keep at each end; at most n are returned.
    """

    k: int

    def __post_init__(self) -> None:
        positive_count(self.k, "k")

    def open(self, n_tests: int, n_rows: int, sign: float) -> _TopK:
        """Start collecting."""
        return _TopK(n_tests, min(self.k, n_rows), sign)


class _TopK:
    def __init__(self, t: int, k: int, sign: float) -> None:
        self._sign = sign
        self._values = np.full((2, t, k), -np.inf)  # helpful, harmful
        self._rows = np.full((2, t, k), -1, dtype=np.intp)

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        signed = self._sign * scale
        kernels.merge_extremes(_block(raw), shift, signed, start, self._values, self._rows)

    def result(self) -> TopKResult:
        ends = zip(self._rows, self._values, (self._sign, -self._sign), strict=True)
        return TopKResult(*(Ranking(rows, sign * values) for rows, values, sign in ends))


@dataclass(frozen=True)
class Total:
    """Sum the scores over the test quantities: an array (n,)."""

    def open(self, n_tests: int, n_rows: int, sign: float) -> _Total:
        """Start collecting."""
        return _Total(n_rows)


class _Total:
    def __init__(self, n: int) -> None:
        self._total = np.empty(n)

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        kernels.sums(_block(raw), shift, scale, self._total[start : start + raw.shape[1]])

    def result(self) -> FloatArray:
        return self._total


@dataclass(frozen=True)
class Matrix:
    """Keep every score: an array (t, n). The default."""

    def open(self, n_tests: int, n_rows: int, sign: float) -> _Matrix:
        """Start collecting."""
        return _Matrix(n_tests, n_rows)


class _Matrix:
    def __init__(self, t: int, n: int) -> None:
        self._scores = np.empty((t, n))

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        block = _block(raw)
        kernels.finish(block, shift, scale)
        self._scores[:, start : start + block.shape[1]] = block

    def result(self) -> FloatArray:
        return self._scores


@dataclass(frozen=True)
class PerOutput:
    """Another sink for each of K predictions; what they give is stacked along a last axis.

    Quantities arrive as t·K, test row after test row: arrays come out as (t, n, K), totals as
    (n, K), and the rows and values of a ranking as (t, k, K).
    """

    sink: Sink[Any]
    K: int

    def open(self, n_tests: int, n_rows: int, sign: float) -> _PerOutput:
        """Start collecting."""
        each = [self.sink.open(n_tests // self.K, n_rows, sign) for _ in range(self.K)]
        return _PerOutput(each)


class _PerOutput:
    def __init__(self, each: list[Collector[Any]]) -> None:
        self._each = each

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        K = len(self._each)
        for k, collector in enumerate(self._each):
            collector.add(start, raw[k::K], shift[k::K], scale)

    def result(self) -> Any:
        return _stacked([collector.result() for collector in self._each])


def _stacked(parts: list[Any]) -> Any:
    """Results of one kind along a last axis: arrays, or the arrays of a ranking."""
    first = parts[0]
    if isinstance(first, np.ndarray):
        return np.stack(parts, axis=-1)
    if isinstance(first, (Ranking, TopKResult)):
        names = [field.name for field in fields(first)]
        return type(first)(*(_stacked([getattr(part, name) for part in parts]) for name in names))
    return parts


def _block(raw: FloatArray) -> FloatArray:
    return np.ascontiguousarray(raw, dtype=np.float64)
