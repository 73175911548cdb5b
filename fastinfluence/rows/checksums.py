"""Numbers that tell whether the rows of a unit are what they were."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fastinfluence.rows.base import Block


def checksums(blocks: Iterable[Block]) -> list[int]:
    """One for each kind of thing that the model is given; where blocks end leaves no trace."""
    sums = [0] * 6
    for block in blocks:
        for k, part in enumerate(_contents(block)):
            sums[k] = zlib.crc32(part, sums[k])
    return sums


def _contents(block: Block) -> Iterator[Any]:
    """What a block holds, as buffers that put one after the other give the unit's."""
    stored, values = list(block.X.stored().values()), block.values
    yield from map(np.ascontiguousarray, stored)
    yield from [b""] * (3 - len(stored))
    if values is not None:
        yield np.ascontiguousarray(values.y)
        yield np.ascontiguousarray(values.w)
        yield b"" if values.offset is None else np.ascontiguousarray(values.offset)
