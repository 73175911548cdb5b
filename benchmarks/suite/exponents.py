"""Fitted scaling exponents: 1 says that time grows in proportion.

Every size is at least four times the last-level cache, so memory, not the cache, sets the pace.
"""

from __future__ import annotations

import time

import numpy as np
from limits import CACHES, last_level_cache

import fastinfluence as fi

from .common import SEED

FACTORS = (1, 2, 4)
REPEATS = 5
WIDTH = 64


class HVPExponent:
    """Hessian-vector product in the number of rows and of features."""

    timeout = 300

    def setup(self):
        self.base = CACHES * last_level_cache() // (8 * WIDTH)  # rows of the smallest table
        numbers = np.random.default_rng(SEED).standard_normal(
            max(FACTORS) * self.base * WIDTH, dtype=np.float32
        )
        self.numbers = numbers.astype(np.float64)
        self._seconds(1000, WIDTH)  # compile

    def track_exponent_in_rows(self):
        return exponent(FACTORS, [self._seconds(k * self.base, WIDTH) for k in FACTORS])

    def track_exponent_in_features(self):
        return exponent(FACTORS, [self._seconds(self.base, k * WIDTH) for k in FACTORS])

    track_exponent_in_rows.unit = track_exponent_in_features.unit = "exponent"

    def _seconds(self, n: int, d: int) -> float:
        X = self.numbers[: n * d].reshape(n, d)
        infl = fi.Influence(fi.GLM("squared", l2=1.0), X, np.zeros(n), np.zeros(d + 1))
        H, v = infl.hessian, np.ones(d + 1)
        return best_of(lambda: H @ v)


class LiSSAExponent:
    """LiSSA in its depth and in its repeats; rows are read from a table that no cache holds."""

    timeout = 300

    def setup(self):
        n = CACHES * last_level_cache() // (8 * WIDTH)
        X = np.random.default_rng(SEED).standard_normal((n, WIDTH))
        infl = fi.Influence(fi.GLM("squared", l2=1.0), X, np.zeros(n), np.zeros(WIDTH + 1))
        self.operator = infl.hessian
        self._seconds(100, 1)  # compile

    def track_exponent_in_depth(self):
        return exponent(FACTORS, [self._seconds(k * 200_000, 2) for k in FACTORS])

    def track_exponent_in_repeats(self):
        return exponent(FACTORS, [self._seconds(100_000, k * 4) for k in FACTORS])

    track_exponent_in_depth.unit = track_exponent_in_repeats.unit = "exponent"

    def _seconds(self, depth: int, repeats: int) -> float:
        config = fi.solvers.LiSSA(depth=depth, repeats=repeats)
        prepared, v = config.prepare(self.operator), np.ones((WIDTH + 1, 1))
        return best_of(lambda: prepared.solve(v))


def best_of(call) -> float:
    """Seconds of the fastest of a few calls, after one that is not counted."""
    call()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def exponent(sizes, seconds) -> float:
    """Slope of log(seconds) on log(size)."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
