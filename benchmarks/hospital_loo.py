"""Exact leave-one-out of all 20,000 hospital rows, beside the predictions and one refit.

    python benchmarks/hospital_loo.py [FOLDER]     (default: the variable FASTINFLUENCE_DATA)

Prints the time, the worst gradient norm of the models without one row, how far "influence" and
"newton" are from exact, and the time of one scikit-learn refit times 20,000.
"""

import argparse
import os
import resource
import time
import warnings

import numpy as np
from hospital import TEST_POSITION, WEIGHT_DECAY, Hospital, load

import fastinfluence as fi
from fastinfluence.removal import Removal


def gradient_norms(data: Hospital, thetas: np.ndarray) -> np.ndarray:
    """Return the norm of grad R_-i at every theta (n, p), from the formula, by blocks of rows."""
    X, y, n = data.X_train, data.y_train, len(data.y_train)
    norms = np.empty(n)
    for start in range(0, n, 500):
        rows = np.arange(start, min(start + 500, n))
        theta = thetas[rows]
        residual = 1 / (1 + np.exp(-(X @ theta.T))) - y[:, None]
        residual[rows, rows - start] = 0.0  # the removed row
        gradient = (X.T @ residual).T / (n - 1) + WEIGHT_DECAY * theta
        norms[rows] = np.linalg.norm(gradient, axis=1)
    return norms


def scikit_learn_seconds(data: Hospital) -> float:
    """Return the time of one refit with the paper's settings."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    n = len(data.y_train) - 1
    model = LogisticRegression(
        C=1 / (n * WEIGHT_DECAY), tol=1e-8, fit_intercept=False, max_iter=1000
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the paper's stopped there too
        model.fit(data.X_train[1:], data.y_train[1:])
    print(f"scikit-learn refit: {model.n_iter_[0]} lbfgs iterations")
    return time.perf_counter() - start


def timed(infl: fi.Influence, method: str) -> tuple[Removal, float]:
    """Return all single-row removals by one method, and the seconds they took."""
    start = time.perf_counter()
    removed = infl.leave_one_out(method=method)
    return removed, time.perf_counter() - start


def exact(data: Hospital) -> tuple[fi.Influence, Removal, float]:
    """Fit, retrain without each row in turn, and return the seconds that the latter took."""
    spec = fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False)
    start = time.perf_counter()
    infl = fi.Influence.fit(spec, data.X_train, data.y_train)
    seconds = time.perf_counter() - start
    print(f"fit: {seconds:.2f} s, gradient norm {infl.gradient_norm:.1e}")
    infl.leave_one_out(rows=[0], method="exact")  # compiled before the clock runs
    return infl, *timed(infl, "exact")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("FASTINFLUENCE_DATA"))
    parser.add_argument("--skip-sklearn", action="store_true")
    args = parser.parse_args()
    if not args.folder:
        parser.error("name the folder of the data, or set FASTINFLUENCE_DATA")
    data = load(args.folder)
    test = data.X_test[[TEST_POSITION]], data.y_test[[TEST_POSITION]]
    infl, removed, seconds = exact(data)
    n = infl.n_rows
    print(f"exact: {n} rows in {seconds:.1f} s ({1e3 * seconds / n:.2f} ms a row)")
    print(f"  worst gradient norm {removed.gradient_norms.max():.2e}, reported")
    print(f"  worst gradient norm {gradient_norms(data, removed.theta).max():.2e}, recomputed")
    print(f"  iterations {np.min(removed.iterations)} to {np.max(removed.iterations)}")
    loss = removed.on_loss(*test)
    for method in ("influence", "newton"):
        predicted, spent = timed(infl, method)
        apart = np.abs(predicted.theta - removed.theta).max()
        change = predicted.on_loss(*test)
        print(
            f"{method}: {spent:.2f} s; worst |predicted - exact| {apart:.2e} in theta, "
            f"{np.abs(change - loss).max():.2e} in the loss of test row {TEST_POSITION} "
            f"(largest change {np.abs(loss).max():.2e}), "
            f"correlation {np.corrcoef(change[0], loss[0])[0, 1]:.8f}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GiB")
    if not args.skip_sklearn:
        refit = scikit_learn_seconds(data)
        print(f"scikit-learn: {refit:.1f} s a refit, {refit * n / 3600:.0f} hours for {n} of them")
        print(f"  exact leave-one-out is {refit * n / seconds:,.0f} times faster")


if __name__ == "__main__":
    main()
