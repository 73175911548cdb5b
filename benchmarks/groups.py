"""Removal of groups of 0.1 to 20 % of the rows: first order, Newton, exact, and a refit.

    python benchmarks/groups.py [FOLDER] [--quick]     (default: the variable FASTINFLUENCE_DATA)

The hospital data (20,000 rows, 127 columns, weight decay 1e-4) and, without data, a drawn logistic
problem. Random groups, and groups of the rows of largest influence on the same test loss, whose
effects do not cancel. Prints, as shares of the largest actual change over the groups of a size:
the worst error of first order and of Newton in the change of the test loss, the correlation and
slope of first order, and how far "exact" is from fitting afresh without the rows.
"""

import argparse
import os
import time

import numpy as np
from hospital import TEST_POSITION, WEIGHT_DECAY, load

import fastinfluence as fi

SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2)
N_GROUPS = 6


def drawn(n: int = 5000, d: int = 30) -> tuple:
    """Return a logistic problem: X, y, X_test, y_test."""
    rng = np.random.default_rng(0)
    X, X_test = rng.normal(size=(n, d)), rng.normal(size=(1, d))
    truth = rng.normal(size=d) / np.sqrt(d)
    y = (rng.random(n) < 1 / (1 + np.exp(-2 * X @ truth))).astype(float)
    return X, y, X_test, np.array([1.0])


def groups_of(scores: np.ndarray, share: float) -> list[np.ndarray]:
    """Return random groups of a share of the rows, then the rows of extreme scores."""
    n = len(scores)
    size = max(1, round(share * n))
    rng = np.random.default_rng(size)
    order = np.argsort(scores, kind="stable")
    random = [rng.choice(n, size, replace=False) for _ in range(N_GROUPS)]
    return [*random, order[:size], order[-size:]]


def afresh(infl: fi.Influence, X: np.ndarray, y: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return theta of a fit without the group that knows nothing of the full one."""
    stay = np.setdiff1d(np.arange(len(y)), group)
    return fi.Influence.fit(infl.spec, X[stay], y[stay], tol=1e-10).theta


def table(name: str, spec: fi.GLM, X, y, X_test, y_test, shares: tuple) -> None:
    """Print one data set's table."""
    infl = fi.Influence.fit(spec, X, y, tol=1e-10)
    scores = infl.on_loss(X_test, y_test)[0]
    print(f"{name}: n = {len(y)}, p = {len(infl.theta)}")
    head = ("share", "groups", "first", "pearson", "slope", "newton", "exact-refit", "seconds")
    print("".join(f"{word:>12}" for word in head))
    for share in shares:
        found = groups_of(scores, share)
        for kind, groups in (("random", found[:N_GROUPS]), ("extreme", found[N_GROUPS:])):
            removals = {}
            for method in ("influence", "newton", "exact"):
                start = time.perf_counter()
                removals[method] = infl.leave_group_out(groups, method=method)
            seconds = (time.perf_counter() - start) / len(groups)  # of exact, the last
            exact = removals["exact"]
            truth = exact.on_loss(X_test, y_test)[0]
            first = exact.sets.sum(scores[exact.sets.rows])
            newton = removals["newton"].on_loss(X_test, y_test)[0]
            refit = max(
                float(np.abs(afresh(infl, X, y, g) - theta).max())
                for g, theta in zip(groups, exact.theta, strict=True)
            )
            size = np.abs(truth).max()
            pearson = np.corrcoef(first, truth)[0, 1] if len(groups) > 2 else np.nan
            print(
                f"{share:12.1%}{kind:>12}{np.abs(first - truth).max() / size:12.1e}"
                f"{pearson:12.4f}{first @ truth / (first @ first):12.3f}"
                f"{np.abs(newton - truth).max() / size:12.1e}{refit:12.1e}{seconds:12.2f}"
            )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("FASTINFLUENCE_DATA"))
    parser.add_argument("--quick", action="store_true", help="three sizes of groups")
    args = parser.parse_args()
    shares = SHARES[::2] if args.quick else SHARES
    table("drawn", fi.GLM("logistic", l2=1e-3), *drawn(), shares)
    if args.folder:
        data = load(args.folder)
        test = data.X_test[[TEST_POSITION]], data.y_test[[TEST_POSITION]]
        spec = fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False)
        table("hospital", spec, data.X_train, data.y_train, *test, shares)


if __name__ == "__main__":
    main()
