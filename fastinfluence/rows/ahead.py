"""Blocks read while others are worked on, and counted as they pass."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from fastinfluence.progress import Progress
from fastinfluence.rows.base import Block, startable

WAITING = 1
"""Blocks that wait to be worked on."""


def ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same blocks, the next of which is read by another thread meanwhile."""
    if not startable(1):
        yield from blocks
        return
    ready: queue.Queue[Block | BaseException | None] = queue.Queue(WAITING)
    left = threading.Event()

    def put(item: Block | BaseException | None) -> bool:
        while not left.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for block in blocks:
                if not put(block):
                    return
        except BaseException as error:  # of any kind: it is raised where the blocks are used
            put(error)
        else:
            put(None)

    reader = threading.Thread(target=read, name="fastinfluence-reader", daemon=True)
    try:
        reader.start()
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        left.set()
        if reader.ident is not None:
            reader.join()


class Counter:
    """Tells a listener how many rows have passed, whichever thread they passed in."""

    def __init__(self, progress: Progress, phase: str, total: int) -> None:
        self._progress, self._phase, self._total = progress, phase, total
        self._lock = threading.Lock()
        self._done = 0

    def counted(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The same blocks; each is counted once the next is asked for."""
        for block in blocks:
            yield block
            with self._lock:
                self._done += block.stop - block.start
                self._progress(self._phase, self._done, self._total)
