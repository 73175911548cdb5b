"""The last step of scoring, over one block of raw scores (t, b) that the cache still holds.

A final score is ``scale[i] * (raw[a, i] + shift[a])``: of row i on quantity a.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.kernels.cpu.jit import jit, jit_fast, jit_helper

Array = NDArray[np.floating[Any]]
TILE = 1024
"""Columns whose sums stay in the first-level cache."""
CHUNK = 64
"""Scores that are looked over together; a chunk without a candidate costs a comparison each."""


@jit_fast
def finish(raw: Array, shift: Array, scale: Array) -> None:
    """Turn raw scores (t, b) into final ones, in place."""
    for a in range(len(raw)):
        for i in range(raw.shape[1]):
            raw[a, i] = scale[i] * (raw[a, i] + shift[a])


@jit_fast
def square_sums(raw: Array, out: Array) -> None:
    """Write the sum of squares of each column of ``raw`` (t, b) to ``out`` (b,)."""
    t, b = raw.shape
    for first in range(0, b, TILE):
        last = min(first + TILE, b)
        for i in range(first, last):
            out[i] = 0.0
        for a in range(t):
            for i in range(first, last):
                out[i] += raw[a, i] * raw[a, i]


@jit_fast
def sums(raw: Array, shift: Array, scale: Array, out: Array) -> None:
    """Write the sum of each row's final scores over the quantities to ``out`` (b,)."""
    t, b = raw.shape
    for i in range(b):
        out[i] = 0.0
    total = 0.0
    for a in range(t):
        total += shift[a]
        for i in range(b):
            out[i] += raw[a, i]
    for i in range(b):
        out[i] = scale[i] * (out[i] + total)


@jit_helper
def _insert(score: float, row: int, values: Array, rows: NDArray[np.intp]) -> None:
    """Put a score that beats the last into a list sorted best first; ties stay in front."""
    slot = len(values) - 1
    while slot > 0 and (rows[slot - 1] < 0 or values[slot - 1] < score):
        values[slot], rows[slot] = values[slot - 1], rows[slot - 1]
        slot -= 1
    values[slot], rows[slot] = score, row


@jit
def merge_extremes(
    raw: Array,
    shift: Array,
    scale: Array,
    first_row: int,
    values: NDArray[np.float64],
    rows: NDArray[np.intp],
) -> None:
    """Merge final scores into the k largest, and the k largest of their negatives.

    ``values`` and ``rows`` (2, t, k) stay sorted, best first; −1 marks an empty place. Blocks
    arrive in row order and a later row must be strictly better, so ties go to the lower row.
    """
    t, b = raw.shape
    k = values.shape[2]
    for a in range(t):
        c = shift[a]
        for start in range(0, b, CHUNK):
            stop = min(start + CHUNK, b)
            full = rows[0, a, k - 1] >= 0
            high, low = values[0, a, k - 1], -values[1, a, k - 1]
            candidates = 0
            for i in range(start, stop):
                score = scale[i] * (raw[a, i] + c)
                candidates += (score > high) | (score < low)
            if full and candidates == 0:
                continue
            for i in range(start, stop):
                score = scale[i] * (raw[a, i] + c)
                for end in range(2):
                    signed = score if end == 0 else -score
                    worst, empty = values[end, a, k - 1], rows[end, a, k - 1] < 0
                    if signed > worst or (empty and not signed < worst):
                        _insert(signed, first_row + i, values[end, a], rows[end, a])
