"""What becomes of t×n scores as they stream past: kept, ranked, or summed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import numpy as np

from fastinfluence.backend import CPU, Backend, backend_of, contiguous, namespace, to_host
from fastinfluence.inputs import positive_count
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
    """A frozen description of what to collect.

    One whose collector takes arrays of any device as they are has a class attribute
    ``anywhere = True``; others are handed blocks in the host's memory.
    """

    def open(self, n_tests: int, n_rows: int, sign: float) -> Collector[R_co]:
        """Start collecting scores of ``n_tests`` quantities for ``n_rows`` rows.

        ``sign`` is 1 where a helpful row's score is large (removal), −1 where it is small.
        """


def opened(
    sink: Sink[R_co], n_tests: int, n_rows: int, sign: float, backend: Backend
) -> Collector[R_co]:
    """A collector that takes blocks of scores from where they are made."""
    collector = sink.open(n_tests, n_rows, sign)
    if backend is CPU or getattr(sink, "anywhere", False):
        return collector
    return _Fetched(collector)


class _Fetched(Generic[R_co]):
    """A collector of the host's that gets its blocks from a device."""

    def __init__(self, inner: Collector[R_co]) -> None:
        self._inner = inner

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        self._inner.add(start, to_host(raw), to_host(shift), to_host(scale))

    def result(self) -> R_co:
        return self._inner.result()


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
    anywhere: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive_count(self.k, "k")

    def open(self, n_tests: int, n_rows: int, sign: float) -> _TopK:
        """Start collecting."""
        return _TopK(n_tests, min(self.k, n_rows), sign)


class _TopK:
    def __init__(self, t: int, k: int, sign: float) -> None:
        self._sign = sign
        self._shape = (2, t, k)  # helpful, harmful
        self._kept: tuple[FloatArray, IntArray] | None = None

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        signed = self._sign * scale
        values, rows = self._extremes(namespace(raw))
        kernels = backend_of(raw).kernels.scores
        kernels.merge_extremes(_block(raw), shift, signed, start, values, rows)

    def _extremes(self, xp: Any) -> tuple[FloatArray, IntArray]:
        """What is kept, made where the first scores lie."""
        if self._kept is None:
            empty = xp.full(self._shape, -1, dtype=np.intp)
            self._kept = xp.full(self._shape, -np.inf), empty
        return self._kept

    def result(self) -> TopKResult:
        values, rows = self._extremes(np)
        ends = zip(rows, values, (self._sign, -self._sign), strict=True)
        return TopKResult(*(Ranking(at, sign * best) for at, best, sign in ends))


@dataclass(frozen=True)
class Total:
    """Sum the scores over the test quantities: an array (n,)."""

    anywhere: ClassVar[bool] = True

    def open(self, n_tests: int, n_rows: int, sign: float) -> _Total:
        """Start collecting."""
        return _Total(n_rows)


class _Total:
    def __init__(self, n: int) -> None:
        self._n = n
        self._total: FloatArray | None = None

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        backend = backend_of(raw)
        if self._total is None:
            self._total = cast("FloatArray", backend.xp.empty(self._n))
        at = slice(start, start + raw.shape[1])
        backend.kernels.scores.sums(_block(raw), shift, scale, self._total[at])

    def result(self) -> FloatArray:
        return np.empty(self._n) if self._total is None else self._total


@dataclass(frozen=True)
class Matrix:
    """Keep every score: an array (t, n). The default."""

    anywhere: ClassVar[bool] = True

    def open(self, n_tests: int, n_rows: int, sign: float) -> _Matrix:
        """Start collecting."""
        return _Matrix(n_tests, n_rows)


class _Matrix:
    def __init__(self, t: int, n: int) -> None:
        self._shape = (t, n)
        self._scores: FloatArray | None = None

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        block = _block(raw)
        if self._scores is None:
            self._scores = cast("FloatArray", namespace(raw).empty(self._shape))
        backend_of(raw).kernels.scores.finish(block, shift, scale)
        self._scores[:, start : start + block.shape[1]] = block

    def result(self) -> FloatArray:
        return np.empty(self._shape) if self._scores is None else self._scores


@dataclass(frozen=True)
class PerOutput:
    """Another sink for each of K predictions; what they give is stacked along a last axis.

    Quantities arrive as t·K, test row after test row: arrays come out as (t, n, K), totals as
    (n, K), and the rows and values of a ranking as (t, k, K).
    """

    sink: Sink[Any]
    K: int

    @property
    def anywhere(self) -> bool:
        """As the other sink."""
        return bool(getattr(self.sink, "anywhere", False))

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
            collector.add(start, raw[k::K], contiguous(shift[k::K]), scale)

    def result(self) -> Any:
        return _stacked([collector.result() for collector in self._each])


def _stacked(parts: list[Any]) -> Any:
    """Results of one kind along a last axis: arrays, or the arrays of a ranking."""
    first = parts[0]
    if hasattr(first, "ndim"):
        return np.stack(parts, axis=-1)
    if isinstance(first, (Ranking, TopKResult)):
        names = [field.name for field in fields(first)]
        return type(first)(*(_stacked([getattr(part, name) for part in parts]) for name in names))
    return parts


def _block(raw: FloatArray) -> FloatArray:
    """Row-major scores; a device's stay in the precision of its product."""
    return contiguous(raw) if backend_of(raw) is CPU else namespace(raw).ascontiguousarray(raw)
