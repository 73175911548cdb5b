"""Diagnostics beside statsmodels: OLS at n = 2,000, GLM at n = 100,000; a million rows.

    python benchmarks/diagnostics.py [--skip-ols] [--skip-million]

statsmodels' OLS `summary_frame` refits n times: about a minute and a half.
"""

import argparse
import resource
import time

import numpy as np
import statsmodels.api as sm
from limits import best, interleaved

import fastinfluence as fi


def least_squares(with_peer: bool) -> tuple[float, float]:
    """Return the seconds of OLS diagnostics at n = 2,000, p = 30: ours, and statsmodels' or NaN."""
    rng, n, p = np.random.default_rng(0), 2_000, 30
    X = rng.normal(size=(n, p - 1))
    y = X.sum(axis=1) + rng.normal(size=n)
    infl = fi.Influence.fit(fi.GLM("squared"), X, y)
    ours = best(interleaved({"ours": lambda: infl.diagnostics().to_frame()})["ours"])
    if not with_peer:
        return ours, float("nan")
    influence = sm.OLS(y, sm.add_constant(X)).fit().get_influence()
    start = time.perf_counter()
    influence.summary_frame()  # refits n times: once is enough
    return ours, time.perf_counter() - start


def logistic() -> tuple[float, float]:
    """Return the seconds of GLM diagnostics at n = 100,000, p = 21: ours and statsmodels'."""
    rng, n, p = np.random.default_rng(0), 100_000, 21
    X = rng.normal(size=(n, p - 1))
    y = (X[:, 0] + rng.logistic(size=n) > 0).astype(float)
    infl = fi.Influence.fit(fi.GLM("logistic"), X, y)
    result = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial()).fit()
    seconds = interleaved(
        {
            "ours": lambda: infl.diagnostics().to_frame(),
            "theirs": lambda: result.get_influence().summary_frame(),
        },
        repeats=3,
    )
    return best(seconds["ours"]), best(seconds["theirs"])


def million() -> None:
    """Print the time and memory of a long table."""
    rng, n, d = np.random.default_rng(0), 1_000_000, 50
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
    for name, (ours, theirs) in {
        "OLS, n = 2,000, p = 30": least_squares(not args.skip_ols),
        "GLM, n = 100,000, p = 21": logistic(),
    }.items():
        print(f"{name}: {ours:.4f} s, statsmodels {theirs:.2f} s, {theirs / ours:,.1f} times that")
    if not args.skip_million:
        million()


if __name__ == "__main__":
    main()
