"""Figure 3: influence of a linear SVM, by its hinge and by the hinge smoothed.

    python -m benchmarks.paper.fig3_hinge [--quick]

MNIST 1 against 7 (11,800 rows, 784 pixels, no intercept, weight decay 0.01), test image 1,597: the
100 rows of largest influence by the raw hinge are left out one at a time, LinearSVC is retrained on
the rest. Predicted changes of the hinge loss at the SVM's own weights, by the raw hinge and by
SmoothHinge of temperature 0.0001 to 1; a Newton step on the smoothed objective from those weights;
and, at some temperatures, the exact change of the smoothed objective's own optimum.
"""

from __future__ import annotations

import warnings

import numpy as np
from matplotlib.figure import Figure
from sklearn.svm import LinearSVC

import fastinfluence as fi
from benchmarks.paper import data, study
from benchmarks.paper.study import BLUE, GREEN, GREY, ORANGE, PINK, Array, Clock, Result

WEIGHT_DECAY = 0.01
N_TRAIN, N_TEST, TEST_ROW = 11_800, 2_100, 1597
TEMPERATURES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
SHOWN = (1e-3, 1e-1)  # the paper's
NAMES = {
    "influence": "influence",
    "newton": "newton, smoothed",
    "exact": "exact, smoothed optimum",
}
EXACT = (1e-2, 1e-1, 1.0)  # below, a smoothed optimum takes several seconds a row


def trained(X: Array, y: Array) -> Array:
    """Return the weights of the paper's SVM; C keeps the mean form of the objective."""
    C = 1 / (len(y) * WEIGHT_DECAY)
    model = LinearSVC(
        C=C, loss="hinge", fit_intercept=False, tol=1e-6, random_state=24, max_iter=5000
    )
    return model.fit(X, y).coef_[0]


def raw_influence(split: data.Split, theta: Array) -> Array:
    """Return predicted changes of the hinge by its own derivatives: H is the penalty alone."""
    s, at_test = split.y * (split.X @ theta), split.X_test[TEST_ROW]
    g = np.where(s < 1, -split.y, 0.0)[:, None] * split.X + WEIGHT_DECAY * theta
    sign = split.y_test[TEST_ROW]
    g_test = -sign * at_test if sign * (at_test @ theta) < 1 else np.zeros_like(at_test)
    return g @ g_test / WEIGHT_DECAY / len(split.y)


def actual_changes(split: data.Split, theta: Array, rows: Array) -> Array:
    """Return the changes of the test row's hinge when the SVM is retrained without each row."""

    def hinge(weights: Array) -> float:
        return max(0.0, 1 - split.y_test[TEST_ROW] * (split.X_test[TEST_ROW] @ weights))

    stay = np.ones(len(split.y), dtype=bool)
    out = np.empty(len(rows))
    for k, i in enumerate(rows):
        stay[i] = False
        out[k] = hinge(trained(split.X[stay], split.y[stay])) - hinge(theta)
        stay[i] = True
    return out


def smoothed(
    split: data.Split, theta: Array, rows: Array, t: float, methods: list[str], clock: Clock
) -> dict[str, Array]:
    """Return changes by influence and Newton at the hinge's weights, and of exact optima."""
    spec = fi.GLM(fi.losses.smooth_hinge(t=t), l2=WEIGHT_DECAY, fit_intercept=False)
    test = split.X_test[[TEST_ROW]], split.y_test[[TEST_ROW]]
    with warnings.catch_warnings():  # the hinge's weights are no optimum of the smoothed loss
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        infl = fi.Influence(spec, split.X, split.y, theta)
        out = {}
        for method in methods:
            with clock(f"removals, {method}, all temperatures"):
                out[method] = infl.leave_one_out(rows, method=method).on_loss(*test)[0]
    return out


def run(quick: bool) -> Result:
    """Predict at every temperature, and retrain the SVM."""
    clock = Clock()
    split = data.two_digits(1, 7).first(N_TRAIN, N_TEST)
    temperatures = list(SHOWN if quick else TEMPERATURES)
    with clock("fit of the SVM"):
        theta = trained(split.X, split.y)
    raw = raw_influence(split, theta)
    rows = study.largest(raw, 5 if quick else 100)
    with clock(f"{len(rows)} retrained SVMs"):
        actual = actual_changes(split, theta, rows)
    exact = [t for t in temperatures if t in (EXACT[1:] if quick else EXACT)]
    asked = {t: ["influence", "newton"] + ["exact"] * (t in exact) for t in temperatures}
    found = {t: smoothed(split, theta, rows, t, asked[t], clock) for t in temperatures}

    def pearson(method: str, at: list[float]) -> list[float]:
        return [study.agreement(found[t][method], actual)["pearson"] for t in at]

    return {
        "seconds": clock.seconds,
        "settings": {
            "n": N_TRAIN, "p": len(theta), "weight_decay": WEIGHT_DECAY, "test_row": TEST_ROW,
            "rows": len(rows), "seed": 24,
        },
        "rows_within_margin": int((split.y * (split.X @ theta) < 1).sum()),
        "temperatures": temperatures,
        "raw": study.agreement(raw[rows], actual),
        "exact_temperatures": exact,
        "pearson": {
            "influence": pearson("influence", temperatures),
            "newton": pearson("newton", temperatures),
            "exact": pearson("exact", exact),
        },
        "slope": [study.agreement(found[t]["influence"], actual)["slope"] for t in temperatures],
        "at": {f"t_{t:g}": study.agreement(found[t]["influence"], actual) for t in SHOWN},
        "newton_at": {f"t_{t:g}": study.agreement(found[t]["newton"], actual) for t in SHOWN},
        "points": {
            "actual": actual,
            "raw": raw[rows],
            **{f"t_{t:g}": found[t]["influence"] for t in SHOWN},
        },
    }  # fmt: skip


def draw(result: Result) -> dict[str, Figure]:
    """Draw the paper's three scatter plots, and correlation against temperature."""
    figure = Figure(figsize=(7.6, 5.2), layout="constrained")
    grid = figure.add_gridspec(2, 3)
    points = {name: 1e3 * np.array(values) for name, values in result["points"].items()}
    published = data.published()["fig3_hinge"]["pearson_actual_vs_influence_by_temperature"]
    titles = {"raw": ("raw hinge", "0"), "t_0.001": ("t = 0.001", "0.001"),
              "t_0.1": ("t = 0.1", "0.1")}  # fmt: skip
    for k, (name, (title, key)) in enumerate(titles.items()):
        ax = figure.add_subplot(grid[0, k])
        ax.plot(points[name], points["actual"], "o", color=BLUE, ms=3, alpha=0.7, mew=0)
        if name != "raw":
            study.diagonal(ax, points["actual"], points["actual"])
            ax.legend(loc="lower right")
        pearson = result["raw" if name == "raw" else "at"]
        pearson = (pearson if name == "raw" else pearson[name])["pearson"]
        ax.set_title(f"{title}\nR = {pearson:.2f} (paper {published[key]:.2f})")
        ax.set_xlabel("predicted change (10⁻³)")
        ax.locator_params(nbins=5)
        if not k:
            ax.set_ylabel("change of the test hinge\nby retraining (10⁻³)")
    ax = figure.add_subplot(grid[1, :])
    for method, colour, marker in (
        ("influence", BLUE, "o"), ("newton", GREEN, "s"), ("exact", PINK, "^")
    ):  # fmt: skip
        label = NAMES[method]
        x = result["exact_temperatures" if method == "exact" else "temperatures"]
        ax.plot(x, result["pearson"][method], marker=marker, color=colour, lw=1.2, label=label)
    ax.axhline(result["raw"]["pearson"], color=GREY, lw=1, ls="--", label="raw hinge")
    ax.plot([1e-3, 1e-1], [published["0.001"], published["0.1"]], "X", color=ORANGE, ms=8,
            mew=0, label="paper, influence")  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlabel("temperature t of the smooth hinge (units of the margin y f)")
    ax.set_ylabel("Pearson with retraining")
    ax.legend(ncols=2, loc="lower left")
    return {"fig3_hinge": figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
