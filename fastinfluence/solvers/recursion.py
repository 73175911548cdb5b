"""Repeats of the stochastic recursion, compiled where the model kind offers it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fastinfluence.backend import CPU
from fastinfluence.curvature import Curvature
from fastinfluence.rows.base import startable
from fastinfluence.solvers.draws import Draws, StreamDraws
from fastinfluence.types import FloatArray, IntArray

ITERATES_BYTES = 1 << 24
"""Bytes of the iterates of repeats that a device advances at once, in a processor's measure."""
Seeds = Sequence[np.random.SeedSequence]


class Recursions:
    """Independent repeats on one operator: side by side on a device, on threads elsewhere.

    Parameters
    ----------
    operator : Curvature
    draws : Draws or StreamDraws
    batch : int
        Rows of a step.
    scale : float
    limits : ndarray, shape (t,)
        Norms from which a right-hand side has diverged.
    """

    def __init__(
        self,
        operator: Curvature,
        draws: Draws | StreamDraws,
        batch: int,
        scale: float,
        limits: FloatArray,
    ) -> None:
        self._operator, self._draws, self._batch = operator, draws, batch
        self._scale, self._limits = scale, limits
        self._weights = draws.factors / batch

    def run(self, V: FloatArray, seeds: Seeds, depth: int) -> Iterator[FloatArray]:
        """The last iterates, some repeats (r, t, p) at a time, in the order of the seeds."""
        problem, draws = self._operator.engine.problem, self._draws
        curvature = self._operator.engine.row_curvature
        in_place = getattr(curvature, "in_place", None) is not None
        if problem.backend is not CPU and in_place and isinstance(draws, Draws):
            room = problem.backend.budget(ITERATES_BYTES)
            at_once = max(1, room // (8 * V.size))
            for first in range(0, len(seeds), at_once):
                yield self._together(V, draws, seeds[first : first + at_once], depth)
            return
        threads = min(problem.n_threads, len(seeds)) if problem.backend is CPU else 1
        if threads == 1 or not startable(threads):
            yield from (self._one(V, seed, depth)[None] for seed in seeds)
            return
        left = threading.Event()
        with ThreadPoolExecutor(threads, thread_name_prefix="fastinfluence") as pool:
            try:
                for first in range(0, len(seeds), threads):  # waves: at most `threads` results wait
                    wave = seeds[first : first + threads]
                    yield from pool.map(lambda seed: self._one(V, seed, depth, left)[None], wave)
            finally:  # after Ctrl-C nobody waits for the rest of a recursion
                left.set()

    def _one(
        self,
        V: FloatArray,
        seed: np.random.SeedSequence,
        depth: int,
        left: threading.Event | None = None,
    ) -> FloatArray:
        cur = V.copy()
        for rows in self._draws.blocks(depth, self._batch, np.random.default_rng(seed)):
            if left is not None and left.is_set():
                break
            self._advance(cur, V, rows)
        return self._ended(cur)

    def _together(self, V: FloatArray, draws: Draws, seeds: Seeds, depth: int) -> FloatArray:
        """Several repeats by one loop on the device, shape (r, t, p)."""
        cur = np.repeat(V[None], len(seeds), axis=0)
        each = (draws.drawn(depth, self._batch, np.random.default_rng(seed)) for seed in seeds)
        for drawn in zip(*each, strict=True):
            self._advance(cur, V, draws.chosen(np.stack(drawn)))
        return self._ended(cur)

    def _advance(self, cur: FloatArray, V: FloatArray, rows: IntArray) -> None:
        weights = self._weights[rows]
        advance(self._operator, cur, V, rows, weights, self._scale, self._limits)

    def _ended(self, cur: FloatArray) -> FloatArray:
        cur[~(np.linalg.norm(cur, axis=-1) <= self._limits)] = np.nan
        return cur


def advance(
    operator: Curvature,
    cur: FloatArray,
    V: FloatArray,
    rows: IntArray,
    weights: FloatArray,
    scale: float,
    limits: FloatArray,
) -> None:
    """Advance ``cur ← V + (I − H_k/scale) cur`` in place, once for each batch of ``rows``.

    Parameters
    ----------
    cur, V : ndarray, shape (t, p)
        One right-hand side per row; one whose norm passes its limit becomes NaN.
    rows : ndarray of int, shape (T, b)
    weights : ndarray, shape (T, b)
        H_k = Σ_j weights_kj ∇²l_{rows_kj} + penalty + damping.
    limits : ndarray, shape (t,)
    """
    engine = operator.engine
    compiled = getattr(engine.row_curvature, "recurse", None)
    if compiled is not None:
        compiled(cur, V, rows, weights / scale, 1.0 - operator.shift / scale, limits)
        return
    for drawn, carried in zip(rows, weights, strict=True):
        cur += V - operator.matmat(cur.T, drawn, carried).T / scale
        cur[~(np.linalg.norm(cur, axis=1) <= limits)] = np.nan
