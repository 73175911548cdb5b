"""Diagnostics beside statsmodels: OLS at n = 2,000, GLM at n = 100,000; a million rows.

    python benchmarks/diagnostics.py [--skip-ols] [--skip-million]

statsmodels' OLS `summary_frame` refits n times: about a minute and a half.
"""

import argparse
import resource
import time

import numpy as np
import statsmodels.api as sm

import fastinfluence as fi


def seconds(call, repeats: int = 3) -> float:
    """Return the shortest time of a few calls, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def least_squares(rng: np.random.Generator, skip: bool) -> None:
    n, p = 2_000, 30
    X = rng.normal(size=(n, p - 1))
    y = X.sum(axis=1) + rng.normal(size=n)
    infl = fi.Influence.fit(fi.GLM("squared"), X, y)
    ours = seconds(lambda: infl.diagnostics().to_frame())
    print(f"OLS n = {n:,}, p = {p}: diagnostics and frame {ours * 1e3:.1f} ms")
    if not skip:
        influence = sm.OLS(y, sm.add_constant(X)).fit().get_influence()
        start = time.perf_counter()
        influence.summary_frame()
        theirs = time.perf_counter() - start
        print(f"  statsmodels summary_frame {theirs:.1f} s: {theirs / ours:,.0f} times slower")


def logistic(rng: np.random.Generator) -> None:
    n, p = 100_000, 21
    X = rng.normal(size=(n, p - 1))
    y = (X[:, 0] + rng.logistic(size=n) > 0).astype(float)
    infl = fi.Influence.fit(fi.GLM("logistic"), X, y)
    result = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial()).fit()
    ours = seconds(lambda: infl.diagnostics().to_frame())
    theirs = seconds(lambda: result.get_influence().summary_frame())
    print(
        f"GLM n = {n:,}, p = {p}: ours {ours:.2f} s, statsmodels {theirs:.2f} s: "
        f"{theirs / ours:.1f} times slower"
    )


def million(rng: np.random.Generator) -> None:
    n, d = 1_000_000, 50
    X = rng.standard_normal((n, d))
    y = X[:, 0] + rng.standard_normal(n)
    infl = fi.Influence.fit(fi.GLM("squared"), X, y)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = infl.diagnostics()
    top = int(np.argmax(found.cooks_distance))
    spent = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"n = {n:,}, d = {d} ({X.nbytes / 2**20:.0f} MiB): {spent:.1f} s, peak memory grew by "
        f"{(after - before) / 1024:.0f} MiB; largest Cook's distance in row {top}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skip-ols", action="store_true")
    parser.add_argument("--skip-million", action="store_true")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    least_squares(rng, args.skip_ols)
    logistic(rng)
    if not args.skip_million:
        million(rng)


if __name__ == "__main__":
    main()
