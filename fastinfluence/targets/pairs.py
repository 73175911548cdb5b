"""Sums over all pairs of positive and negative rows, without the table of pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastinfluence.types import FloatArray

PAIRS = 1 << 16
"""Pairs at a time: half a MiB, which stays in the second-level cache."""
SATURATED = 700.0
"""exp of more overflows; σ is 0 there to the last digit that matters."""


def pair_mean(a: FloatArray, b: FloatArray, width: float) -> float:
    """Mean of σ((a_i − b_j)/width) over all i and j."""
    total = sum(float(part.sum()) for _, _, part in _blocks(a, b, width))
    return total / (len(a) * len(b))


def pair_slopes(a: FloatArray, b: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """Derivatives of :func:`pair_mean` by each a_i and each b_j."""
    by_a, by_b = np.zeros(len(a)), np.zeros(len(b))
    for rows, columns, part in _blocks(a, b, width):
        part *= 1.0 - part  # in place: the block is this loop's own
        by_a[rows] += part.sum(axis=1)
        by_b[columns] -= part.sum(axis=0)
    scale = 1.0 / (width * len(a) * len(b))
    return by_a * scale, by_b * scale


def _blocks(
    a: FloatArray, b: FloatArray, width: float
) -> Iterator[tuple[slice, slice, FloatArray]]:
    """σ((a_i − b_j)/width) for some i and j at a time."""
    for first in range(0, len(b), PAIRS):
        columns = slice(first, min(first + PAIRS, len(b)))
        step = max(1, PAIRS // (columns.stop - first))
        for start in range(0, len(a), step):
            rows = slice(start, min(start + step, len(a)))
            part = np.subtract.outer(-a[rows], -b[columns])
            part /= width
            np.minimum(part, SATURATED, out=part)
            np.exp(part, out=part)
            part += 1.0
            np.reciprocal(part, out=part)
            yield rows, columns, part
