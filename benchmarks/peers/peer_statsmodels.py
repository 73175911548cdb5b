"""statsmodels: `summary_frame()` of OLS, which refits n times, and of GLM.

Both sides start from the same fitted results and end with a data frame. DFBETAS have one sign:
full minus deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import statsmodels.api as sm

import fastinfluence as fi
from benchmarks.peers.compare import Comparison, Entry

DISTRIBUTIONS = ("statsmodels", "pandas")
SAME = {
    "cooks_d": "cooks_distance",
    "hat_diag": "leverage",
    "standard_resid": "studentized_internal",
    "student_resid": "studentized_external",
    "dffits": "dffits",
}
"""Their column, and ours."""


def comparisons(shrink: int) -> Iterator[Comparison]:
    yield least_squares(max(300, 2_000 // shrink), 30)
    yield logistic(100_000 // shrink, 21)


def least_squares(n: int, p: int) -> Comparison:
    rng = np.random.default_rng([n, p])
    X = sm.add_constant(rng.standard_normal((n, p - 1)))
    fitted = sm.OLS(X.sum(axis=1) + rng.standard_normal(n), X).fit()
    return frames(fitted, "OLS diagnostics", list(SAME), aim=1_000.0)


def logistic(n: int, p: int) -> Comparison:
    rng = np.random.default_rng([n, p])
    X = sm.add_constant(rng.standard_normal((n, p - 1)))
    y = (X[:, 1] + rng.logistic(size=n) > 0).astype(float)
    fitted = sm.GLM(y, X, family=sm.families.Binomial()).fit(tol=1e-14)
    return frames(fitted, "Binomial GLM diagnostics", list(SAME)[:3], aim=3.0)


def frames(fitted: Any, title: str, columns: Sequence[str], aim: float) -> Comparison:
    """From fitted results to a frame with Cook's distances, leverages, residuals and DFBETAS."""
    n, p = fitted.model.exog.shape

    def ours() -> Any:
        return fi.Influence.from_estimator(fitted).diagnostics().to_frame()

    def read(names: Sequence[str], prefix: str) -> Any:
        return lambda frame: [
            *(frame[name].to_numpy() for name in names),
            frame.filter(regex=f"^{prefix}").to_numpy(),
        ]

    return Comparison(
        f"{title}, data frame",
        f"n = {n:,}, p = {p:,}",
        Entry("fastinfluence", ours, read([SAME[c] for c in columns], "dfbetas_")),
        [
            Entry(
                "statsmodels",
                lambda: fitted.get_influence().summary_frame(),
                read(columns, "dfb_"),
                "summary_frame()",
                aim=aim,
            )
        ],
        tolerance=1e-8,
    )
