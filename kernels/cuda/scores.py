"""The last step of scoring on the device: :mod:`fastinfluence.kernels.cpu.scores`.

Raw scores (t, b) may be float32; every other float is float64, rows are int64. A final score is
``scale[i] * (raw[a, i] + shift[a])``: of row i on quantity a.
"""

from fastinfluence.kernels.cuda import glm
from fastinfluence.kernels.cuda.launcher import (
    THREADS,
    WORK_BYTES,
    Array,
    covering,
    cupy,
    empty,
    launch,
)

MAX_BLOCKS_ALONG_Y = (1 << 16) - 1
LISTERS, EACH = 128, 4
BUSY = 1024
"""Blocks that keep a device busy; where fewer quantities are ranked, each is cut into segments."""
SHORT, LONG = 1 << 12, 1 << 30
"""Rows of a segment: below, its lists cost more than it saves; above, their places overflow."""


def finish(raw: Array, shift: Array, scale: Array) -> None:
    """Turn raw scores (t, b) into final ones, in place."""
    t, b = raw.shape
    if t and b:
        grid = covering(b, EACH * THREADS), min(t, MAX_BLOCKS_ALONG_Y)
        launch("finish", grid, (raw, shift, scale, t, b))


def square_sums(raw: Array, out: Array) -> None:
    """Write the sum of squares of each column of ``raw`` (t, b) to ``out`` (b,)."""
    out[...] = (raw * raw).sum(axis=0)


def sums(raw: Array, shift: Array, scale: Array, out: Array) -> None:
    """Write the sum of each row's final scores over the quantities to ``out`` (b,)."""
    t, b = raw.shape
    launch("sums", covering(b), (raw, shift, scale, out, t, b))


def merge_extremes(
    raw: Array, shift: Array, scale: Array, first_row: int, values: Array, rows: Array
) -> None:
    """Merge final scores into the k largest, and the k largest of their negatives.

    ``values`` and ``rows`` (2, t, k) stay sorted, best first; −1 marks an empty place. Blocks
    arrive in row order, and ties go to the lower row. A NaN ranks behind every number.
    """
    t, b = raw.shape
    k = values.shape[2]
    if not t or not b:
        return
    segments = min(-(-BUSY // t), -(-b // SHORT), WORK_BYTES // (64 * t * k))
    segments = max(1, segments, -(-b // LONG))
    length = -(-b // segments)
    lists = empty(2, segments, 2 * t, k)
    list_rows = cupy().empty((2, segments, 2 * t, k), dtype=rows.dtype)
    args = (raw, shift, scale, values, rows, lists, list_rows, t, b, k, length, first_row)
    launch("list_extremes", (t, segments), args, threads=LISTERS)
    launch("merge_lists", 2 * t, (values, rows, lists, list_rows, segments, 2 * t, k))


def quadratic_forms(X: Array, Z: Array, out: Array) -> None:
    """Write x̃_i·Z_i to ``out`` (b,), for Z (b, p): x̃_iᵀA x̃_i where Z = X̃A, p = d or d + 1."""
    glm.paired_block(X, Z, cupy().arange(len(X)), out)
