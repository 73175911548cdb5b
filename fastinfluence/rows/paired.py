"""One table for two places: the host's rows, and the same rows where the passes run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fastinfluence.backend import CUDA, free_bytes, to_host
from fastinfluence.lazy import cached_property
from fastinfluence.rows.base import Block, Rows
from fastinfluence.rows.device import DeviceCSR, DeviceDense, DeviceRows, FetchedRows
from fastinfluence.rows.features import Features
from fastinfluence.rows.overlay import OverlayRows
from fastinfluence.rows.uploads import UploadedRows, stored_bytes, uploaded
from fastinfluence.rows.view import Derived, RowView
from fastinfluence.types import IntArray

T = TypeVar("T")

RESIDENT = 0.6
"""X stays on the device where it takes no more than this share of the free memory."""


class PairedRows(Derived):
    """Rows of a source in the host's memory, with their twin on the device.

    Parameters
    ----------
    source : Rows
        What the host reads.
    """

    def __init__(self, source: Rows) -> None:
        super().__init__(source, source.n_rows)

    @cached_property
    def device(self) -> Rows:
        """The same rows on the device: all of them, or streamed where they do not fit."""
        if isinstance(self.source, FetchedRows):
            return self.source.device
        return resident(self.source)

    @property
    def given_there(self) -> bool:
        """Whether the caller's own table lies on the device."""
        return isinstance(self.source, FetchedRows)

    @property
    def given(self) -> Rows:
        """The rows where the caller's own table lies."""
        return self.device if self.given_there else self.source

    @property
    def in_place(self) -> Any:
        """The source's table where a kernel can read it."""
        return getattr(self.source, "in_place", None)

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """As the source's, on the host."""
        return self.source.map_reduce(task, combine, n_threads, once)

    def fingerprint(self) -> str:
        """The source's."""
        return self.source.fingerprint()

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows, on the host."""
        return self.source.take(rows)


def twin(rows: Rows) -> Rows:
    """The same rows on the device; of views of a table that is there already, made of it there."""
    if isinstance(rows, PairedRows):
        return rows.device
    if isinstance(rows, (RowView, OverlayRows)):
        source = twin(rows.source)
        if not isinstance(source, DeviceRows):
            return UploadedRows(rows)
        if isinstance(rows, RowView):
            return DeviceRows(source.whole[rows.kept])
        return _overlaid(source, rows)
    return resident(rows)


def _overlaid(source: DeviceRows, rows: OverlayRows) -> Rows:
    """The device's table with some rows replaced: a copy of it."""
    if not isinstance(source.whole, DeviceDense):
        return resident(rows)
    X = source.whole.X.copy()
    X[CUDA.array(rows.at)] = uploaded(rows.new).toarray().astype(X.dtype)
    return DeviceRows(DeviceDense(X))


def resident(rows: Rows) -> Rows:
    """All rows copied to the device, or streamed through it where they take too much of it."""
    if stored_bytes(rows) > RESIDENT * free_bytes():
        return UploadedRows(rows)
    try:
        return DeviceRows(uploaded(rows.take(slice(None))))
    except CUDA.xp.cuda.memory.OutOfMemoryError:  # free, but in pieces too small
        return UploadedRows(rows)


def device_features(values: Any) -> DeviceDense | DeviceCSR:
    """A caller's table on the device, (n, d) of float32 or float64, as the device's rows."""
    if not hasattr(values, "tocsr"):
        return DeviceDense(CUDA.xp.ascontiguousarray(values))
    canonical = values.tocsr().copy()
    canonical.sum_duplicates()
    ends = np.asarray(to_host(canonical.indptr))
    parts = canonical.data, canonical.indices, canonical.indptr
    return DeviceCSR(*parts, values.shape[1], ends)
