"""Which rows a stochastic solver draws, and what each must carry for H to come out right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fastinfluence.backend import namespace
from fastinfluence.curvature import Curvature
from fastinfluence.errors import UnsupportedError
from fastinfluence.rows.stream import StreamRows
from fastinfluence.streaming import stream_of
from fastinfluence.types import FloatArray, IntArray

BLOCK_ROWS = 4096
"""Rows drawn at a time."""
STRETCH_ROWS = 512
"""Rows drawn from one block of a streamed table before the next is visited."""

Drawn = IntArray | FloatArray
"""Positions among the rows that may be drawn, or levels of their cumulative distribution."""
SAMPLINGS = ("weight", "curvature")


def draws_of(operator: Curvature, sampling: str, replacement: bool) -> Draws | StreamDraws:
    """How rows are drawn, from memory or from a streamed table."""
    stream = stream_of(operator.engine.problem)
    if stream is None:
        return Draws.of(operator, sampling, replacement)
    if sampling != "weight" or not replacement:
        raise UnsupportedError(
            "a streamed table's rows are drawn from blocks visited in random order: use LiSSA "
            'with sampling="weight" and replacement=True'
        )
    problem = operator.engine.problem
    return StreamDraws(stream, problem.w * (problem.n_rows / problem.W))


@dataclass(frozen=True)
class StreamDraws:
    """Draws from one block of a streamed table after another, the blocks in random order.

    A block is drawn as often as it has rows, then serves for a stretch of steps whose rows are
    drawn from it uniformly, each carrying n·w_i/W. Each step is unbiased by itself; those of a
    stretch share their block, so its noise does not average within it.

    Attributes
    ----------
    rows : StreamRows
    factors : PerRow, shape (n,)
    """

    rows: StreamRows
    factors: FloatArray

    def blocks(self, steps: int, batch: int, rng: np.random.Generator) -> Iterator[IntArray]:
        """``steps`` batches, as blocks of shape (some steps, batch)."""
        at_once = max(1, STRETCH_ROWS // batch)
        cuts, size = np.array(self.rows.cuts), self.rows.block_rows
        for first in range(0, steps, at_once):
            row = int(rng.integers(self.rows.n_rows))
            unit = int(np.searchsorted(cuts, row, side="right")) - 1
            start = int(cuts[unit]) + (row - int(cuts[unit])) // size * size
            stop = min(start + size, int(cuts[unit + 1]))
            shape = (min(at_once, steps - first), batch)
            yield rng.integers(start, stop, size=shape, dtype=np.intp)


@dataclass(frozen=True)
class Draws:
    """A distribution q over rows, and the factor w_i/(W q_i) that keeps H unbiased.

    Attributes
    ----------
    factors : ndarray, shape (n,)
        Zero for rows that are never drawn.
    rows : ndarray of int, shape (m,)
        The rows that may be drawn.
    cumulative : ndarray, shape (m,), or None
        Cumulative distribution over ``rows``; None where it is uniform.
    replacement : bool
    """

    factors: FloatArray
    rows: IntArray
    cumulative: FloatArray | None
    replacement: bool

    @classmethod
    def of(cls, operator: Curvature, sampling: str, replacement: bool) -> Draws:
        """Weights: q_i = w_i/W. Curvature: q_i ∝ w_i‖∇²l_i‖. Without replacement: uniform."""
        problem = operator.engine.problem
        size = problem.w.astype(np.float64)
        if sampling == "curvature":
            size = size * operator.engine.row_curvature.norms
        xp = operator.xp
        rows = np.flatnonzero(size > 0) if np.any(size) else xp.arange(len(size))
        q = size[rows] / size[rows].sum() if np.any(size) else xp.full(len(rows), 1 / len(rows))
        uniform = not replacement or bool((q == q[0]).all())
        if uniform:
            q = xp.full(len(rows), 1.0 / len(rows))
        factors = np.zeros_like(size)
        factors[rows] = problem.w[rows] / problem.W / q
        return cls(factors, rows, None if uniform else np.cumsum(q), replacement)

    def blocks(self, steps: int, batch: int, rng: np.random.Generator) -> Iterator[IntArray]:
        """``steps`` batches, as blocks of shape (some steps, batch)."""
        return map(self.chosen, self.drawn(steps, batch, rng))

    def drawn(self, steps: int, batch: int, rng: np.random.Generator) -> Iterator[Drawn]:
        """What the generator says of each batch: numbers for :meth:`chosen`, on the host."""
        at_once = max(1, BLOCK_ROWS // batch)
        shuffled = np.empty(0, dtype=np.intp)
        for first in range(0, steps, at_once):
            shape = (min(at_once, steps - first), batch)
            if self.cumulative is not None:
                yield rng.random(shape)
            elif self.replacement:
                yield rng.integers(len(self.rows), size=shape, dtype=np.intp)
            else:
                wanted = shape[0] * batch
                while len(shuffled) < wanted:  # epoch after epoch, every row once in each
                    shuffled = np.concatenate([shuffled, rng.permutation(len(self.rows))])
                yield shuffled[:wanted].reshape(shape)
                shuffled = shuffled[wanted:]

    def chosen(self, drawn: Drawn) -> IntArray:
        """The rows that drawn numbers stand for."""
        numbers = namespace(self.rows).asarray(drawn)
        if self.cumulative is not None:
            where = np.searchsorted(self.cumulative, numbers * self.cumulative[-1], "right")
            numbers = np.minimum(where, len(self.rows) - 1)
        out: IntArray = self.rows[numbers]
        return out
