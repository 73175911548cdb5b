"""pyinfluence: closed forms in NumPy for scikit-learn's linear models.

Its scores are ∇l(test)ᵀ H⁻¹ ∇l(train) / n, this library's removal effect in sum form, so nothing
is converted. Its damping of 1e-5 is switched off, since it would be another H.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pyinfluence import InfluenceFunctions, top_influential
from sklearn.linear_model import LogisticRegression

import fastinfluence as fi
from benchmarks.peers.cases import FloatArray
from benchmarks.peers.compare import Comparison, Entry
from benchmarks.peers.peak import Peak

DISTRIBUTIONS = ("pyinfluence", "scikit-learn")
AIM = 3.0
K = 10
SIZES = ((50_000, 100, 100), (500_000, 50, 200))
NAMES = ("fastinfluence, top 10", "fastinfluence, matrix", "pyinfluence")


def comparisons(shrink: int) -> Iterator[Comparison]:
    for n, p, t in sizes(shrink):
        fitted = Fitted.made(n, p, t)
        yield matrix(fitted)
        yield top(fitted)


def sizes(shrink: int) -> list[tuple[int, int, int]]:
    return [(n // shrink, p, t) for n, p, t in SIZES]


@dataclass(frozen=True)
class Fitted:
    """A fitted scikit-learn model, with an intercept, and its tables."""

    model: LogisticRegression
    X: FloatArray
    y: FloatArray
    X_test: FloatArray
    y_test: FloatArray

    @classmethod
    def made(cls, n: int, p: int, t: int, fitted_rows: int = 50_000) -> Fitted:
        """Fit to the first rows: both formulas hold, and agree, at any coefficients."""
        rng = np.random.default_rng([n, p, t])
        X = rng.standard_normal((n + t, p))
        f = X @ rng.standard_normal(p) / np.sqrt(p) + 0.3
        y = (f + rng.logistic(size=n + t) > 0).astype(np.float64)
        rows = slice(min(n, fitted_rows))
        model = LogisticRegression(tol=1e-8).fit(X[rows], y[rows])
        return cls(model, X[:n], y[:n], X[n:], y[n:])

    @property
    def size(self) -> str:
        return f"n = {len(self.y):,}, p = {self.X.shape[1]:,}, t = {len(self.y_test):,}"

    @property
    def flops(self) -> float:
        """Of H, and of the scores."""
        n, p = self.X.shape
        return float(n * p * (p + 2 * len(self.y_test)))

    def ours(self, out: Any = None) -> Any:
        infl = fi.Influence.from_estimator(self.model, self.X, self.y, solver=fi.solvers.Direct())
        return infl.on_loss(self.X_test, self.y_test, out=out)

    def theirs(self) -> FloatArray:
        infl = InfluenceFunctions(mode="loss", damping=0.0).fit(self.model, self.X, self.y)
        return np.asarray(infl.explain(self.X_test, self.y_test))

    def their_top(self) -> list[FloatArray]:
        """Values of the helpful and of the harmful end, each (t, K)."""
        scores = self.theirs()
        return [np.take_along_axis(scores, np.array(e), 1) for e in top_influential(scores, K)]


def matrix(fitted: Fitted) -> Comparison:
    """Every score, kept."""
    return Comparison(
        "Fitted LogisticRegression, all scores",
        fitted.size,
        Entry("fastinfluence", fitted.ours, setting="matrix"),
        [Entry("pyinfluence", fitted.theirs, aim=AIM)],
        tolerance=1e-8,
        flops=fitted.flops,
    )


def top(fitted: Fitted) -> Comparison:
    """The ten most helpful and the ten most harmful rows of each test row."""
    return Comparison(
        f"Fitted LogisticRegression, top {K}",
        fitted.size,
        Entry(
            "fastinfluence",
            lambda: fitted.ours(fi.TopK(K)),
            lambda found: [found.helpful.values, found.harmful.values],
            "TopK",
        ),
        [Entry("pyinfluence", fitted.their_top, list, "top_influential", aim=AIM)],
        tolerance=1e-8,
        flops=fitted.flops,
    )


def peaks(shrink: int) -> list[Peak]:
    """Memory of the two ways of ours and of theirs, each in a process of its own."""
    return [
        Peak(name, "top 10, end to end", size, partial(call_in_fresh_process, name, size))
        for size in sizes(shrink)
        for name in NAMES
    ]


def call_in_fresh_process(name: str, size: tuple[int, int, int]) -> Callable[[], Any]:
    """Return the call whose memory counts, after it was compiled on a small table.

    The model is fitted to few rows, lest memory that the fit leaves behind be reused.
    """
    calls: dict[str, Callable[[Fitted], Any]] = {
        "fastinfluence, top 10": lambda fitted: fitted.ours(fi.TopK(K)),
        "fastinfluence, matrix": Fitted.ours,
        "pyinfluence": Fitted.their_top,
    }
    warnings.simplefilter("ignore", fi.FastInfluenceWarning)
    calls[name](Fitted.made(500, *size[1:]))
    return partial(calls[name], Fitted.made(*size, fitted_rows=2_000))
