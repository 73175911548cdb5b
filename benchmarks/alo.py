"""Approximate (ALO) against exact leave-one-out loss on five real tables.

    python benchmarks/alo.py            (FASTINFLUENCE_DATA for the hospital and a9a tables)

ALO is one Newton step a row; the figure is |ALO − exact| / exact of the mean left-out loss.
"""

import os
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.preprocessing import StandardScaler

import fastinfluence as fi


def tables():
    """Yield name, loss, l2, X, y."""
    scale = StandardScaler().fit_transform
    X, y = load_breast_cancer(return_X_y=True)
    yield "breast cancer (logistic)", "logistic", 1e-2, scale(X), y
    X, y = load_diabetes(return_X_y=True)
    yield "diabetes (squared)", "squared", 1e-2, scale(X), y
    yield "diabetes (gamma, log link)", fi.families.gamma(link="log"), 1e-2, scale(X), y
    import statsmodels.api as sm

    doctor = sm.datasets.randhie.load_pandas()
    yield (
        "RAND health, 2,000 rows (poisson)",
        "poisson",
        1e-3,
        scale(doctor.exog.to_numpy()[:2000]),
        doctor.endog.to_numpy()[:2000].astype(float),
    )
    fair = sm.datasets.fair.load_pandas()
    binary = (fair.endog.to_numpy() > 0).astype(float)
    yield "Fair's affairs (logistic)", "logistic", 0.0, scale(fair.exog.to_numpy()), binary
    folder = os.environ.get("FASTINFLUENCE_DATA")
    if folder:
        import hospital

        data = hospital.load(Path(folder))
        yield (
            "hospital, 2,000 rows (logistic)",
            "logistic",
            1e-4,
            data.X_train[:2000],
            data.y_train[:2000],
        )


def main() -> None:
    print(
        f"{'table':36} {'n':>6} {'p':>4} {'exact':>10} {'ALO':>10} {'relative':>9} {'seconds':>8}"
    )
    for name, loss, l2, X, y in tables():
        infl = fi.Influence.fit(fi.GLM(loss, l2=l2), X, np.asarray(y))
        start = time.perf_counter()
        exact, alo = infl.cross_validation("exact"), infl.cross_validation("newton")
        spent = time.perf_counter() - start
        error = abs(alo.score - exact.score) / abs(exact.score)
        print(
            f"{name:36} {infl.n_rows:6} {infl.theta.size:4} {exact.score:10.6f} "
            f"{alo.score:10.6f} {error:9.1e} {spent:8.1f}"
        )


if __name__ == "__main__":
    main()
