"""How few rows carry a conclusion: the first-order answer and the exact refit, side by side.

    python benchmarks/amip.py

1. Planted rows are found. 2. Two cases where first order fails, and what is reported then.
3. Real tables shipped with scikit-learn and statsmodels: rows that flip a coefficient's sign or
significance. Nothing is downloaded.
"""

import time
import warnings

import numpy as np

import fastinfluence as fi
from fastinfluence.flips import Flip

targets = fi.targets


def planted() -> None:
    """Ten rows of 2,000 carry labels from another world; are they the ten that are named?"""
    print("1. planted rows")
    rng = np.random.default_rng(0)
    for loss in ("squared", "logistic"):
        X = rng.normal(size=(2000, 5))
        f = X @ np.array([0.1, 1.0, -1.0, 0.5, 0.0])
        bad = rng.choice(2000, 10, replace=False)
        X[bad, 0] = rng.choice([-1.0, 1.0], 10) * rng.uniform(3, 5, 10)
        y = f + rng.normal(size=2000)
        if loss == "logistic":
            y = (rng.uniform(size=2000) < 1 / (1 + np.exp(-f))).astype(float)
            y[bad] = X[bad, 0] < 0
        else:
            y[bad] = f[bad] - 3 * X[bad, 0]
        infl = fi.Influence.fit(fi.GLM(loss), X, y)
        found = infl.most_influential_subset(targets.coefficient("x0"), 10)
        hits = len(set(found.rows) & set(bad))
        print(f"{loss}: {hits} of 10 planted rows among the 10 named")
        print(f"  {found}")


def failing() -> None:
    """Where a first-order answer is wrong, and how the result says so."""
    print("2. where first order fails")
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=100), 12 + 0.1 * rng.normal(size=12)])
    y = np.concatenate([-x[:100] + rng.normal(size=100), 9 + 0.1 * rng.normal(size=12)])
    infl = fi.Influence.fit(fi.GLM("squared"), x[:, None], y)
    cluster = np.arange(100, 112)
    first = infl.on_function([1.0, 0.0])[0, cluster].sum()
    exact = infl.leave_group_out([cluster], method="exact").theta[0, 0] - infl.theta[0]
    print(f"masking: 12 rows at x = 12 of 112 move the slope by {exact:+.3f}; the sum of their")
    print(f"  first-order effects is {first:+.3f}, since each is hidden by the other eleven")
    print(f"  {infl.smallest_flip(targets.coefficient(0))}")

    X, y = rng.normal(size=(200, 1)), 1 + 3 * rng.normal(size=200)
    infl = fi.Influence.fit(fi.GLM("squared"), X, y)
    target = targets.function(
        lambda theta: np.exp(theta[1]) - 1.2,
        lambda theta: np.array([0.0, np.exp(theta[1])]),
        name="exp(intercept) − 1.2",
    )
    print("a convex function falls by less than its tangent:")
    print(f"  without growth: {infl.smallest_flip(target, steps=0)}")
    print(f"  with growth: {infl.smallest_flip(target)}")


def row(name: str, what: str, found: Flip, short: Flip, seconds: float) -> str:
    """One line of the table: predicted number, confirmed number, trimmed number."""
    predicted = "none" if found.n_predicted is None else str(found.n_predicted)
    confirmed = f"{found.n_rows} ({found.share:.2%})" if found.flipped else "not confirmed"
    trimmed = str(short.n_rows) if short.flipped else "-"
    return (
        f"  {name:22} {what:12} {found.value:9.3f} {predicted:>9} {confirmed:>18} {trimmed:>8} "
        f"{found.predicted:+10.3f} {found.actual:+10.3f} {seconds:7.2f}"
    )


def table(title: str, infl: fi.Influence, names: list[str]) -> None:
    """Sign and significance of the named columns."""
    print(f"{title}: n = {infl.n_rows}, p = {len(infl.theta)}")
    print(
        f"  {'column':22} {'flips':12} {'value':>9} {'predicted':>9} {'confirmed':>18} "
        f"{'trimmed':>8} {'predicted':>10} {'refit':>10} {'seconds':>7}"
    )
    for name in names:
        for what, target in (
            ("sign", targets.coefficient(name)),
            ("significance", targets.significance(name)),
        ):
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", fi.FastInfluenceWarning)  # half the table gone
                found = infl.smallest_flip(target)
                seconds = time.perf_counter() - start
                short = infl.smallest_flip(target, trim=True)
            print(row(name, what, found, short, seconds))


def real() -> None:
    """Tables that come with the packages."""
    print("3. real tables")
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True, as_frame=True)
    table("diabetes, least squares", fi.Influence.fit(fi.GLM("squared"), X, y), list(X.columns))
    try:
        from statsmodels.datasets import fair, randhie
    except ImportError:
        print("statsmodels is not installed: its tables are left out")
        return
    data = randhie.load_pandas()
    X = data.exog[[c for c in data.exog.columns if c != "const"]].astype(float)
    X = (X - X.mean()) / X.std()
    infl = fi.Influence.fit(fi.GLM("poisson"), X, data.endog)
    table("RAND health insurance, visits, Poisson", infl, list(X.columns))
    data = fair.load_pandas()
    X, y = data.exog, (data.endog > 0).astype(int)
    X = (X - X.mean()) / X.std()
    table("Fair's affairs, logistic", fi.Influence.fit(fi.GLM("logistic"), X, y), list(X.columns))


if __name__ == "__main__":
    planted()
    failing()
    real()
