"""What a program did to a device: copies in and out, numbers read, memory held."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field


class OutOfMemoryError(MemoryError):
    """CuPy's, with its words."""

    def __init__(self, size: int, total: int) -> None:
        super().__init__(
            f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes)."
        )


@dataclass
class Ledger:
    """The account of one device.

    Attributes
    ----------
    up, down : list of int
        Bytes of each copy to the device and back, in order; copies of nothing are left out.
    reads : int
        Single numbers that the host read: ``float(x)``, ``bool(x)``, sizes of masks.
    held : int
        Bytes of arrays that are alive.
    peak : int
        Most of them at a time.
    limit : int
        Bytes that the device has.
    """

    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    reads: int = 0
    held: int = 0
    peak: int = 0
    limit: int = 1 << 40
    launches: int = 0

    def crossed(self, direction: str, n_bytes: int) -> None:
        """Note a copy."""
        if n_bytes:
            getattr(self, direction).append(n_bytes)

    def allocate(self, n_bytes: int) -> None:
        """Take memory, or refuse."""
        if self.held + n_bytes > self.limit:
            raise OutOfMemoryError(n_bytes, self.held)
        self.held += n_bytes
        self.peak = max(self.peak, self.held)

    def free(self, n_bytes: int) -> None:
        """Give memory back."""
        self.held -= n_bytes

    @contextlib.contextmanager
    def of(self) -> Iterator[Ledger]:
        """A fresh account of what the block does: copies and reads."""
        before = self.up, self.down, self.reads, self.launches
        self.up, self.down, self.reads, self.launches = [], [], 0, 0
        part = Ledger()
        try:
            yield part
        finally:
            part.up, part.down, part.reads = self.up, self.down, self.reads
            part.launches = self.launches
            self.up, self.down = before[0] + part.up, before[1] + part.down
            self.reads, self.launches = before[2] + part.reads, before[3] + part.launches


LEDGER = Ledger()
