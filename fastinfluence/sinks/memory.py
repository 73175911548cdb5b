"""Scores that stay in memory: kept, ranked, or summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.inputs import positive_count
from fastinfluence.kernels.cpu import scores as kernels
from fastinfluence.sinks.base import Collector, Sink
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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

    def of(self, test: int = 0, output: int | None = None) -> TopKResult:
        """One test row's: rows and values are (k,).

        ``output`` counts the predictions of a test row where there are several.

        Raises
        ------
        InputError
            If there is no such test row or output, or an output must be chosen.
        """
        shape = self.helpful.rows.shape
        if not -shape[0] <= test < shape[0]:
            raise InputError(f"test={test!r} but {shape[0]} test rows were asked about")
        if (output is None) == (len(shape) == 3):
            known = f"0 to {shape[2] - 1}" if len(shape) == 3 else "None: there is one"
            raise InputError(f"output={output!r} must be {known}")
        if output is not None and not 0 <= output < shape[2]:
            raise InputError(f"output={output!r} must be 0 to {shape[2] - 1}")
        at = (test,) if output is None else (test, slice(None), output)
        ends = (self.helpful, self.harmful)
        return TopKResult(*(Ranking(end.rows[at], end.values[at]) for end in ends))

    def plot(
        self,
        test: int = 0,
        output: int | None = None,
        labels: Sequence[Any] | None = None,
        quantity: str | None = None,
        unit: str = "unit of the loss",
        ax: Axes | None = None,
    ) -> Axes:
        """Bars of one test row's most helpful and most harmful rows; needs matplotlib.

        ``labels`` names the training rows, ``quantity`` and ``unit`` the scores; both ends are
        drawn as they are, whatever their sign.
        """
        from fastinfluence.plots.ranking import REMOVAL, two_ends

        words = REMOVAL if quantity is None else quantity
        return two_ends(self.of(test, output), labels, words, unit, ax)


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


class _TopK(Collector[TopKResult]):
    def __init__(self, t: int, k: int, sign: float) -> None:
        self._sign = sign
        self._values = np.full((2, t, k), -np.inf)  # helpful, harmful
        self._rows = np.full((2, t, k), -1, dtype=np.intp)

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        signed = self._sign * scale
        kernels.merge_extremes(_block(raw), shift, signed, start, self._values, self._rows)

    def merge(self, other: Self) -> None:
        values = np.concatenate([self._values, other._values], axis=2)
        rows = np.concatenate([self._rows, other._rows], axis=2)
        empty_last = np.where(rows < 0, np.iinfo(np.intp).max, rows)
        best = np.lexsort((empty_last, -values))[:, :, : self._rows.shape[2]]
        self._values = np.take_along_axis(values, best, axis=2)
        self._rows = np.take_along_axis(rows, best, axis=2)

    def result(self) -> TopKResult:
        ends = zip(self._rows, self._values, (self._sign, -self._sign), strict=True)
        return TopKResult(*(Ranking(rows, sign * values) for rows, values, sign in ends))


@dataclass(frozen=True)
class Total:
    """Sum the scores over the test quantities: an array (n,)."""

    def open(self, n_tests: int, n_rows: int, sign: float) -> _Total:
        """Start collecting."""
        return _Total((n_rows,))


@dataclass(frozen=True)
class Matrix:
    """Keep every score: an array (t, n). The default."""

    def open(self, n_tests: int, n_rows: int, sign: float) -> _Matrix:
        """Start collecting."""
        return _Matrix((n_tests, n_rows))


class _Array(Collector[FloatArray]):
    """An array whose last axis counts rows, filled block by block.

    A pickled copy holds the filled parts alone, and collects further ones beside them: the array
    itself is made once, where the result is.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._whole: FloatArray | None = np.empty(shape)
        self._filled: list[tuple[int, int]] = []
        self._pieces: list[tuple[int, FloatArray]] = []

    def _place(self, start: int, stop: int) -> FloatArray:
        """Where the numbers of some rows go."""
        if self._whole is None:
            self._pieces.append((start, np.empty((*self._shape[:-1], stop - start))))
            return self._pieces[-1][1]
        self._filled.append((start, stop))
        return self._whole[..., start:stop]

    def _parts(self) -> list[tuple[int, FloatArray]]:
        if self._whole is None:
            return self._pieces
        return [(start, self._whole[..., start:stop]) for start, stop in self._filled]

    def __getstate__(self) -> dict[str, Any]:
        return {"_shape": self._shape, "_whole": None, "_filled": [], "_pieces": self._parts()}

    def merge(self, other: Self) -> None:
        for start, piece in other._parts():
            self._place(start, start + piece.shape[-1])[...] = piece

    def result(self) -> FloatArray:
        if self._whole is None:
            out = type(self)(self._shape)
            out.merge(self)
            return out.result()
        return self._whole


class _Total(_Array):
    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        kernels.sums(_block(raw), shift, scale, self._place(start, start + raw.shape[1]))


class _Matrix(_Array):
    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        block = final_scores(raw, shift, scale)
        self._place(start, start + block.shape[1])[...] = block


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


class _PerOutput(Collector[Any]):
    def __init__(self, each: list[Collector[Any]]) -> None:
        self._each = each

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        K = len(self._each)
        for k, collector in enumerate(self._each):
            collector.add(start, raw[k::K], shift[k::K], scale)

    def merge(self, other: Self) -> None:
        for mine, theirs in zip(self._each, other._each, strict=True):
            mine.merge(theirs)

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


def final_scores(raw: FloatArray, shift: FloatArray, scale: FloatArray) -> FloatArray:
    """Final scores (t, b) of a block, as float64; in place of ``raw`` where it is that already."""
    block = _block(raw)
    kernels.finish(block, shift, scale)
    return block


def _block(raw: FloatArray) -> FloatArray:
    return np.ascontiguousarray(raw, dtype=np.float64)
