"""Made-up data."""

from __future__ import annotations

import numpy as np

import fastinfluence as fi

SEED = 0


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
