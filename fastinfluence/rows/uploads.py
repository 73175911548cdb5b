"""A table in the host's memory that passes through a device, block by block.

While the device works on one block the next is copied: the host writes it to page-locked memory,
and a stream of its own carries it over. Two blocks are on the device at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastinfluence.backend import CUDA, free_bytes, out_of_memory, to_host
from fastinfluence.rows.base import Block, Rows, ordered_map_reduce
from fastinfluence.rows.csr import CSRFeatures
from fastinfluence.rows.dense import DenseFeatures
from fastinfluence.rows.device import BLOCK_BYTES, LEAST_ROWS, DeviceCSR, DeviceDense
from fastinfluence.rows.features import Features
from fastinfluence.rows.serial import SerialRows
from fastinfluence.types import IntArray

T = TypeVar("T")
Parts = tuple[NDArray[Any], ...]

SLOTS = 2


class UploadedRows(SerialRows):
    """Rows of any source in the host's memory, uploaded in every pass.

    Parameters
    ----------
    source : Rows
    """

    def __init__(self, source: Rows) -> None:
        self._source = source
        self.n_rows, self.n_features = source.n_rows, source.n_features
        self.dtype, self.density = source.dtype, source.density
        self._row_bytes = stored_bytes(source) / max(1, source.n_rows)
        fitting = int(min(CUDA.budget(BLOCK_BYTES), free_bytes() // 8) // self._row_bytes)
        self.block_rows = max(1, min(self.n_rows, max(LEAST_ROWS, fitting)))

    def _cuts(self, once: bool) -> list[int]:
        return [*range(0, self.n_rows, self.block_rows), self.n_rows]

    def map_reduce(
        self,
        task: Callable[[Block], T],
        combine: Callable[[T, T], T],
        n_threads: int = 1,
        once: bool = False,
    ) -> T:
        """Apply ``task`` to every block; combine the results in block order."""
        slots = self._slots()
        cuts = self._cuts(once)
        coming = self._blocks(cuts, slots)
        try:
            return ordered_map_reduce(cuts, lambda *_: next(coming), task, combine, 1)
        finally:
            coming.close()
            for slot in slots:  # their memory is the pool's again once the copies are done
                slot.finish()

    def _slots(self) -> list[_Slot]:
        """Room for the blocks; smaller blocks where the device refuses it."""
        errors = CUDA.xp.cuda.memory.OutOfMemoryError
        while True:
            try:
                return [_Slot(self._room()) for _ in range(SLOTS)]
            except errors as error:
                if self.block_rows <= LEAST_ROWS:
                    needs = SLOTS * self._room() / 2**20
                    what = f"a block of {self.block_rows} rows of X, of which {SLOTS} are needed"
                    raise out_of_memory(f"{what} ({needs:.1f} MiB),", error) from error
                self.block_rows = max(LEAST_ROWS, self.block_rows // 2)

    def _room(self) -> int:
        return int(self.block_rows * self._row_bytes)

    def _blocks(self, cuts: list[int], slots: list[_Slot]) -> Generator[Block, None, None]:
        """The blocks in order, each with the next one on its way."""
        compute = CUDA.xp.cuda.get_current_stream()
        copies = CUDA.xp.cuda.Stream(non_blocking=True)
        ahead = self._upload(cuts, 0, slots, copies)
        for k in range(len(cuts) - 1):
            slot, parts = ahead
            if k + 2 < len(cuts):
                ahead = self._upload(cuts, k + 1, slots, copies)
            compute.wait_event(slot.copied)
            yield Block(cuts[k], cuts[k + 1], self._features(parts, slot))
            slot.used.record(compute)

    def _upload(
        self, cuts: list[int], k: int, slots: list[_Slot], copies: Any
    ) -> tuple[_Slot, list[Any]]:
        slot = slots[k % SLOTS]
        return slot, slot.upload(_parts(self._source.take(slice(cuts[k], cuts[k + 1]))), copies)

    def _features(self, parts: list[Any], slot: _Slot) -> Features:
        if len(parts) == 1:
            return DeviceDense(parts[0])
        data, indices, indptr = parts
        return DeviceCSR(data, indices, indptr, self.n_features, slot.ends)

    def fingerprint(self) -> str:
        """The source's."""
        return self._source.fingerprint()

    def take(self, rows: IntArray | slice) -> Features:
        """The chosen rows, copied to the device."""
        return uploaded(self._source.take(rows if isinstance(rows, slice) else to_host(rows)))


class _Slot:
    """Page-locked memory, the device's memory for the same block, and what orders their use."""

    def __init__(self, n_bytes: int) -> None:
        cuda = CUDA.xp.cuda
        self._device = CUDA.xp.empty(n_bytes, dtype=np.uint8)
        self._pinned: NDArray[Any] = _pinned(n_bytes)
        self.copied, self.used = (cuda.Event(disable_timing=True) for _ in range(2))
        self.used.record()
        self.ends: NDArray[Any] = np.zeros(0, dtype=np.intp)

    def upload(self, parts: Parts, copies: Any) -> list[Any]:
        """Start the copy of a block on the stream ``copies``; the arrays it will fill."""
        self.copied.synchronize()  # the page-locked memory may be written again
        sizes = [-(-part.nbytes // 16) * 16 for part in parts]
        if sum(sizes) > len(self._pinned):
            self._device = CUDA.xp.empty(sum(sizes), dtype=np.uint8)
            self._pinned = _pinned(sum(sizes))
            self.used.record()
        self.ends = parts[-1]
        copies.wait_event(self.used)
        out, at = [], 0
        for part, size in zip(parts, sizes, strict=True):
            staged = self._pinned[at : at + part.nbytes].view(part.dtype).reshape(part.shape)
            staged[...] = part
            room = self._device[at : at + part.nbytes].view(part.dtype).reshape(part.shape)
            room.set(staged, stream=copies)
            out.append(room)
            at += size
        self.copied.record(copies)
        return out

    def finish(self) -> None:
        """Wait for copies under way."""
        self.copied.synchronize()


def _pinned(n_bytes: int) -> NDArray[Any]:
    memory = CUDA.xp.cuda.alloc_pinned_memory(max(n_bytes, 1))
    return np.frombuffer(memory, dtype=np.uint8, count=n_bytes)


def _parts(X: Features) -> Parts:
    """The arrays that hold some rows."""
    if isinstance(X, CSRFeatures):
        return X.data, X.indices, X.indptr
    assert isinstance(X, DenseFeatures)
    return (X.X,)


def uploaded(X: Features) -> DeviceDense | DeviceCSR:
    """The same rows in the device's memory."""
    if isinstance(X, (DeviceDense, DeviceCSR)):
        return X
    if isinstance(X, CSRFeatures):
        data, indices, indptr = (CUDA.array(part) for part in (X.data, X.indices, X.indptr))
        return DeviceCSR(data, indices, indptr, X.n_features, X.indptr)
    assert isinstance(X, DenseFeatures)
    return DeviceDense(CUDA.array(X.X))


def stored_bytes(rows: Rows) -> int:
    """Bytes of X as stored: of numbers, and of their places where it is sparse."""
    entries = rows.n_rows * rows.n_features * rows.density
    if rows.density == 1.0 and not isinstance(rows.take(slice(0, 0)), CSRFeatures):
        return max(1, int(entries * rows.dtype.itemsize))
    return max(1, int(entries * (rows.dtype.itemsize + 8) + 8 * (rows.n_rows + 1)))
