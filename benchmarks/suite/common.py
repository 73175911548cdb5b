"""Made-up data, and the size of the cache that must not hold it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import fastinfluence as fi

ASSUMED_CACHE = 32 << 20
SEED = 0


def last_level_cache() -> int:
    """Bytes of the largest cache, or 32 MiB where the system does not tell."""
    sizes = []
    for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = file.read_text().strip()
        sizes.append(int(text.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(text[-1], 0))
    return max(sizes, default=ASSUMED_CACHE)


def table(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Make features of unit variance and noisy labels in {0, 1}."""
    rng = np.random.default_rng(SEED)
    X = rng.standard_normal((n, d))
    f = X @ (rng.standard_normal(d) / np.sqrt(d))
    return X, (f + rng.logistic(size=n) > 0).astype(np.float64)


def fitted(n: int, d: int, **options: object) -> fi.Influence:
    """Fit a logistic model to such a table."""
    X, y = table(n, d)
    return fi.Influence.fit(fi.GLM("logistic", l2=1e-2), X, y, **options)
