"""What a sink is: a description of what to collect, opened once for each pass."""

from __future__ import annotations

from typing import Any, Protocol, Self, TypeVar

from fastinfluence.backend import CPU, Backend, to_host
from fastinfluence.types import FloatArray

R_co = TypeVar("R_co", covariant=True)


class Collector(Protocol[R_co]):
    """Receives blocks of scores. What it need not do has a default: subclass it by name.

    A collector that has seen nothing can be pickled to another process, fill there, and come
    back to be merged.
    """

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        """Scores ``scale * (raw + shift[:, None])`` of the rows from ``start`` on.

        Blocks come in row order. ``raw`` (t, b) may be overwritten, by the collector and after
        the call; ``shift`` (t,) and ``scale`` (b,) may not.
        """

    def result(self) -> R_co:
        """What was collected, once every row has been."""

    def merge(self, other: Self) -> None:
        """Take over what another collector of the same pass has seen of other rows."""

    def wanted(self, start: int, stop: int) -> bool:
        """Whether scores of any of these rows are still missing."""
        return True

    def name_rows(self, start: int, ids: Any) -> None:
        """The caller's names of the rows from ``start`` on, told before their scores."""
        return

    def close(self) -> None:
        """Give up what the collector holds of the system, also where the pass failed."""
        return


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
    if not hasattr(collector, "wanted"):  # a caller's own, of the methods that it needs
        collector = _Plain(collector)
    if backend is CPU or getattr(sink, "anywhere", False):
        return collector
    return _Fetched(collector)


class _Plain(Collector[R_co]):
    """A collector with ``add`` and ``result`` alone."""

    def __init__(self, inner: Collector[R_co]) -> None:
        self._inner = inner

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        self._inner.add(start, raw, shift, scale)

    def result(self) -> R_co:
        return self._inner.result()

    def merge(self, other: Self) -> None:
        self._inner.merge(other._inner)


class _Fetched(Collector[R_co]):
    """A collector of the host's that gets its blocks from a device."""

    def __init__(self, inner: Collector[R_co]) -> None:
        self._inner = inner

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        self._inner.add(start, to_host(raw), to_host(shift), to_host(scale))

    def result(self) -> R_co:
        return self._inner.result()

    def merge(self, other: Self) -> None:
        self._inner.merge(other._inner)

    def wanted(self, start: int, stop: int) -> bool:
        return self._inner.wanted(start, stop)

    def name_rows(self, start: int, ids: Any) -> None:
        self._inner.name_rows(start, ids)

    def close(self) -> None:
        self._inner.close()
