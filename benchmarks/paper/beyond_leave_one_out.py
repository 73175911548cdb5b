"""Beyond the paper: exact leave-one-out of all 20,000 hospital rows.

    python -m benchmarks.paper.beyond_leave_one_out [--quick]

Logistic regression of 127 columns, weight decay 1e-4. Every row is left out in turn and the model
retrained exactly, which is checked by the formula of the gradient; "influence" and "newton" beside
it, for the parameters and for the loss of test row 1742; and the time of one scikit-learn refit at
the paper's settings, times 20,000. ``--quick`` leaves out a tenth of the rows.
"""

from __future__ import annotations

import warnings

import numpy as np
from matplotlib.figure import Figure
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import fastinfluence as fi
from benchmarks.hospital import TEST_POSITION, WEIGHT_DECAY, Hospital, load
from benchmarks.paper import data, study
from benchmarks.paper.study import BLACK, BLUE, GREEN, GREY, ORANGE, Array, Clock, Result

SEED, TOP, DRAWN = 0, 500, 1500
METHODS = ("influence", "newton", "exact")


def gradient_norms(table: Hospital, rows: Array, thetas: Array) -> Array:
    """Return the norm of ∇R without each row at its theta, from the formula, by blocks of rows."""
    X, y, n = table.X_train, table.y_train, len(table.y_train)
    norms = []
    for part in np.array_split(np.arange(len(rows)), -(-len(rows) // 500)):
        theta = thetas[part]
        residual = expit(X @ theta.T) - y[:, None]
        residual[rows[part], np.arange(len(part))] = 0.0  # the removed row
        gradient = (X.T @ residual).T / (n - 1) + WEIGHT_DECAY * theta
        norms.append(np.linalg.norm(gradient, axis=1))
    return np.concatenate(norms)


def refit(table: Hospital, iterations: int) -> int:
    """Refit without row 0 by scikit-learn at the paper's settings; return its iterations."""
    C = 1 / ((len(table.y_train) - 1) * WEIGHT_DECAY)
    model = LogisticRegression(C=C, tol=1e-8, fit_intercept=False, max_iter=iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the paper's stopped there too
        return int(model.fit(table.X_train[1:], table.y_train[1:]).n_iter_[0])


def run(quick: bool) -> Result:
    """Leave every row out by three methods."""
    clock, table = Clock(), load(data.path("diabetes130_hospitals.parquet").parent)
    spec = fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False)
    test = table.X_test[[TEST_POSITION]], table.y_test[[TEST_POSITION]]
    with clock("fit"):
        infl = fi.Influence.fit(spec, table.X_train, table.y_train)
    rows = np.arange(0, infl.n_rows, 10 if quick else 1)
    found, loss = {}, {}
    for method in METHODS:
        infl.leave_one_out(rows[:1], method=method)  # compiled before the clock runs
        with clock(method):
            found[method] = infl.leave_one_out(rows, method=method)
        loss[method] = found[method].on_loss(*test)[0]
    exact = found["exact"]
    norms = gradient_norms(table, rows, exact.theta)
    with clock("one scikit-learn refit"):
        iterations = refit(table, 100 if quick else 1000)
    far = {m: np.abs(found[m].theta - exact.theta).max(axis=1) for m in ("influence", "newton")}
    size = np.abs(exact.theta - infl.theta).max()
    top = study.largest(loss["exact"], TOP)
    others = np.setdiff1d(np.arange(len(rows)), top)
    shown = np.concatenate([np.random.default_rng(SEED).permutation(others)[:DRAWN], top])
    one = clock.seconds["one scikit-learn refit"]["cpu"]
    return {
        "seconds": clock.seconds,
        "settings": {
            "n": infl.n_rows, "rows": len(rows), "p": len(infl.theta), "seed": SEED,
            "weight_decay": WEIGHT_DECAY, "test_position": TEST_POSITION,
        },
        "milliseconds_a_row": {m: 1e3 * clock.seconds[m]["cpu"] / len(rows) for m in METHODS},
        "refits": {
            "iterations": iterations,
            "hours_for_all": one * len(rows) / 3600,
            "times_slower": one * len(rows) / clock.seconds["exact"]["cpu"],
        },
        "largest_gradient_norm": {
            "reported": float(np.max(exact.gradient_norms)), "recomputed": float(norms.max()),
        },
        "chord_steps": [int(np.min(exact.iterations)), int(np.max(exact.iterations))],
        "error_in_theta": {m: float(values.max() / size) for m, values in far.items()},
        "on_loss": {
            m: study.agreement(loss[m], loss["exact"])
            | {"largest_error": float(np.abs(loss[m] - loss["exact"]).max()
                                      / np.abs(loss["exact"]).max())}
            for m in far
        },
        "points": {m: loss[m][shown] for m in METHODS},
    }  # fmt: skip


def draw(result: Result) -> dict[str, Figure]:
    """Draw predicted against exact changes, and what each method takes."""
    figure, (left, right) = study.panels(2, height=3.1)
    points = {name: 1e3 * np.array(values) for name, values in result["points"].items()}
    for method, colour, marker in (("influence", ORANGE, "o"), ("newton", GREEN, "s")):
        told = result["on_loss"][method]
        label = f"{method}: R = {told['pearson']:.6f}"
        left.plot(points[method], points["exact"], marker, color=colour, ms=3, mew=0, alpha=0.6,
                  label=label)  # fmt: skip
    study.diagonal(left, points["exact"], points["exact"])
    left.set_xlabel("predicted change of the test loss (10⁻³ nats)")
    left.set_ylabel("exact change (10⁻³ nats)")
    left.legend(loc="upper left")
    names = {"influence": "influence", "newton": "newton", "exact": "exact"}
    seconds = [result["seconds"][m]["cpu"] for m in METHODS]
    seconds.append(3600 * result["refits"]["hours_for_all"])
    bars = right.barh([*names.values(), "scikit-learn\nrefits (one, times n)"], seconds,
                      color=[ORANGE, GREEN, BLUE, GREY])  # fmt: skip
    right.bar_label(bars, labels=[f" {s:,.2g} s" if s < 100 else f" {s / 3600:,.1f} h"
                                  for s in seconds])  # fmt: skip
    right.axvline(30, color=BLACK, lw=1, ls="--")
    right.text(36, -0.35, "budget: 30 s for exact", fontsize=8)
    right.set_xscale("log")
    right.set_xlim(min(seconds) / 3, max(seconds) * 30)
    right.invert_yaxis()
    right.grid(visible=False, axis="y")
    right.set_xlabel("processor seconds for all rows")
    return {"beyond_leave_one_out": figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
