"""Scores that stay in memory: kept, ranked, or summed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from fastinfluence.backend import CPU, backend_of, contiguous, namespace
from fastinfluence.inputs import positive_count
from fastinfluence.sinks.base import Collector, Sink
from fastinfluence.sinks.extremes import Ranking, TopKResult
from fastinfluence.types import FloatArray, IntArray


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


class _TopK(Collector[TopKResult]):
    """Made where the first scores lie, on the host or on a device."""

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
        if self._kept is None:
            empty = xp.full(self._shape, -1, dtype=np.intp)
            self._kept = xp.full(self._shape, -np.inf), empty
        return self._kept

    def merge(self, other: Self) -> None:
        pairs = zip(self._extremes(np), other._extremes(np), strict=True)
        values, rows = (np.concatenate(pair, axis=2) for pair in pairs)
        empty_last = np.where(rows < 0, np.iinfo(np.intp).max, rows)
        best = np.lexsort((empty_last, -values))[:, :, : self._shape[2]]
        self._kept = (
            np.take_along_axis(values, best, axis=2),
            np.take_along_axis(rows, best, axis=2),
        )

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
        return _Total((n_rows,))


@dataclass(frozen=True)
class Matrix:
    """Keep every score: an array (t, n). The default."""

    anywhere: ClassVar[bool] = True

    def open(self, n_tests: int, n_rows: int, sign: float) -> _Matrix:
        """Start collecting."""
        return _Matrix((n_tests, n_rows))


class _Array(Collector[FloatArray]):
    """An array whose last axis counts rows, filled block by block.

    It is made where the first block lies. A pickled copy holds the filled parts alone, and
    collects further ones beside them: the array itself is made once, where the result is.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._whole: FloatArray | None = None
        self._apart = False
        self._filled: list[tuple[int, int]] = []
        self._pieces: list[tuple[int, FloatArray]] = []

    def _place(self, start: int, stop: int, xp: Any = np) -> FloatArray:
        """Where the numbers of some rows go."""
        if self._apart:
            self._pieces.append((start, np.empty((*self._shape[:-1], stop - start))))
            return self._pieces[-1][1]
        self._filled.append((start, stop))
        return self._made(xp)[..., start:stop]

    def _made(self, xp: Any) -> FloatArray:
        if self._whole is None:
            self._whole = xp.empty(self._shape)
        whole: FloatArray = self._whole
        return whole

    def _parts(self) -> list[tuple[int, FloatArray]]:
        if self._apart:
            return self._pieces
        return [(start, self._made(np)[..., start:stop]) for start, stop in self._filled]

    def __getstate__(self) -> dict[str, Any]:
        own = {"_shape": self._shape, "_whole": None, "_apart": True}
        return own | {"_filled": [], "_pieces": self._parts()}

    def merge(self, other: Self) -> None:
        for start, piece in other._parts():
            self._place(start, start + piece.shape[-1])[...] = piece

    def result(self) -> FloatArray:
        if self._apart:
            out = type(self)(self._shape)
            out.merge(self)
            return out.result()
        return self._made(np)


class _Total(_Array):
    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        place = self._place(start, start + raw.shape[1], namespace(raw))
        backend_of(raw).kernels.scores.sums(_block(raw), shift, scale, place)


class _Matrix(_Array):
    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        block = final_scores(raw, shift, scale)
        self._place(start, start + block.shape[1], namespace(raw))[...] = block


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


def result_bytes(sink: Sink[Any], t: int, n: int) -> int:
    """Bytes that a sink keeps in memory for t quantities and n rows, while its parts are merged."""
    if isinstance(sink, PerOutput):
        return 2 * sink.K * result_bytes(sink.sink, t // sink.K, n)
    kept = {Matrix: t, Total: 1}.get(type(sink), 0)
    return 2 * 8 * kept * n


class _PerOutput(Collector[Any]):
    def __init__(self, each: list[Collector[Any]]) -> None:
        self._each = each

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        K = len(self._each)
        for k, collector in enumerate(self._each):
            collector.add(start, raw[k::K], contiguous(shift[k::K]), scale)

    def merge(self, other: Self) -> None:
        for mine, theirs in zip(self._each, other._each, strict=True):
            mine.merge(theirs)

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


def final_scores(raw: FloatArray, shift: FloatArray, scale: FloatArray) -> FloatArray:
    """Final scores (t, b) of a block, as float64; in place of ``raw`` where it is that already."""
    block = _block(raw)
    backend_of(raw).kernels.scores.finish(block, shift, scale)
    return block


def _block(raw: FloatArray) -> FloatArray:
    """Row-major scores; a device's stay in the precision of its product."""
    return contiguous(raw) if backend_of(raw) is CPU else namespace(raw).ascontiguousarray(raw)
