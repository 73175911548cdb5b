"""Figure 6: finding mislabelled e-mails.

    python -m benchmarks.paper.fig6_mislabelled [--quick]

Enron1 as bags of words (4,137 training and 1,035 test e-mails), logistic regression, no intercept,
weight decay 1e-4. The labels of a tenth of the training rows are flipped; a person checks rows by
self-influence (first order, or of one Newton step), by training loss, or at random, and rights the
wrong ones. Test accuracy and the share of flips found, over 40 draws of the flips.
Retraining is scikit-learn's L-BFGS at the paper's settings, from the weights before.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

import fastinfluence as fi
from benchmarks.paper import data, study
from benchmarks.paper.study import BLACK, BLUE, GREEN, GREY, ORANGE, Array, Clock, Result

WEIGHT_DECAY, FLIPPED, REPEATS = 1e-4, 0.1, 40
CHECKED = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30)
ORDERS = ("influence", "newton", "loss", "random")
LOOKS = {
    "influence": ("self-influence", BLUE, "o"), "newton": ("self-influence, Newton", GREEN, "s"),
    "loss": ("training loss", ORANGE, "^"), "random": ("random", GREY, "v"),
}  # fmt: skip


def newton(infl: fi.Influence, first: Array, X: Array, y: Array) -> Array:
    """Return how much each row's own loss grows by one Newton step without it, shape (n,).

    By the row's leverage, read off its first-order self-influence r x·H⁻¹(r x + λθ)/n.
    """
    n, f = len(y), X @ infl.theta
    r, curvature = expit(f) - y, expit(f) * expit(-f)
    by_penalty = X @ infl.ihvp(infl.theta[:, None]).x[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = (first / r - WEIGHT_DECAY * by_penalty / n) / r  # x·H⁻¹x/n
    # Where r is 0 nothing changes without the row.
    squared = np.where(np.abs(r) > 1e-8, squared, 0.0)
    without = f + (r * squared + WEIGHT_DECAY * by_penalty / n) / (1 - curvature * squared)
    sign = 2 * y - 1
    return np.logaddexp(0, -sign * without) - np.logaddexp(0, -sign * f)


def orders(split: data.Split, y: Array, rng: np.random.Generator, clock: Clock) -> dict[str, Array]:
    """Return the training rows in the order in which each method checks them, and theta."""
    spec = fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False)
    with clock("fit with the flipped labels"):
        theta = fi.Influence.fit(spec, split.X, y).theta
    with clock("self-influence"):
        infl = fi.Influence(spec, split.X, y, theta, solver=fi.solvers.Direct())
        first = infl.self_influence()
        second = newton(infl, first, split.X, y)
    f = split.X @ theta
    scores = {"influence": first, "newton": second, "loss": np.logaddexp(0, f) - y * f}
    found = {name: np.argsort(-values, kind="stable") for name, values in scores.items()}
    return found | {"random": rng.permutation(len(y)), "theta": theta}


def retrained(split: data.Split, y: Array, theta: Array) -> Array:
    """Return the weights for some labels, by the paper's solver, started at others."""
    C = 1 / (len(y) * WEIGHT_DECAY)
    model = LogisticRegression(C=C, tol=1e-8, fit_intercept=False, max_iter=1000, warm_start=True)
    model.coef_, model.intercept_ = theta[None], np.zeros(1)
    return model.fit(split.X, y).coef_[0]


def accuracy(split: data.Split, theta: Array) -> float:
    return float(((split.X_test @ theta > 0) == split.y_test).mean())


def repeat(split: data.Split, seed: int, clock: Clock) -> dict[str, Array]:
    """Flip, check and retrain once; return accuracy and share found, (2, checks + 1) each."""
    rng, n = np.random.default_rng(seed), len(split.y)
    flips = rng.choice(n, round(FLIPPED * n), replace=False)
    y = split.y.copy()
    y[flips] = 1 - y[flips]
    found = orders(split, y, rng, clock)
    start, out = found.pop("theta"), {}
    for name, order in found.items():
        table, theta = [(accuracy(split, start), 0.0)], start
        for share in CHECKED:
            righted = np.intersect1d(order[: round(share * n)], flips)
            labels = y.copy()
            labels[righted] = split.y[righted]
            with clock("retraining with some labels righted"):
                theta = retrained(split, labels, theta)
            table.append((accuracy(split, theta), len(righted) / len(flips)))
        out[name] = np.array(table).T
    return out


def run(quick: bool) -> Result:
    """Repeat, and return means and standard deviations of the curves."""
    clock, split = Clock(), data.enron()
    if quick:
        split = split.first(800)
    repeats = 2 if quick else REPEATS
    each = [repeat(split, seed, clock) for seed in range(repeats)]
    with clock("fit with the right labels"):
        clean = fi.Influence.fit(
            fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False), split.X, split.y
        )
    curves: Result = {}
    for name in ORDERS:
        table = np.array([found[name] for found in each])
        mean, sd = table.mean(axis=0), table.std(axis=0, ddof=1)
        curves[name] = {
            "accuracy": mean[0], "accuracy_sd": sd[0], "found": mean[1], "found_sd": sd[1]
        }  # fmt: skip
    return {
        "seconds": clock.seconds,
        "settings": {
            "n": split.X.shape[0], "p": split.X.shape[1], "weight_decay": WEIGHT_DECAY,
            "flipped": FLIPPED, "repeats": repeats, "seeds": f"0 to {repeats - 1}",
        },
        "clean_accuracy": accuracy(split, clean.theta),
        "checked": [0.0, *CHECKED],
        "curves": curves,
        "found_at_20_percent": {name: curves[name]["found"][4] for name in ORDERS},
        "accuracy_at_20_percent": {name: curves[name]["accuracy"][4] for name in ORDERS},
    }  # fmt: skip


def draw(result: Result) -> dict[str, Figure]:
    """Draw both curves beside the paper's."""
    figure, axes = study.panels(2, height=3.5)
    published = data.published()["fig6_spam"]["spam_fig6_digitised"]
    x = 100 * np.array(result["checked"])
    panels = (
        ("accuracy", "test_acc", "test accuracy (%)"),
        ("found", "fraction_flips_fixed", "flipped labels found (%)"),
    )
    for ax, (key, papers, label) in zip(axes, panels, strict=True):
        for name, (words, colour, marker) in LOOKS.items():
            curve = result["curves"][name]
            mean, sd = (100 * np.array(curve[k]) for k in (key, f"{key}_sd"))
            ax.errorbar(x, mean, sd, color=colour, marker=marker, capsize=2, lw=1.2, label=words)
            if name in published[papers]:
                at = 100 * np.array(published["fraction_checked"])
                ax.plot(at, 100 * np.array(published[papers][name]), "--x", color=colour, lw=1)
        ax.plot([], [], "--x", color=BLACK, lw=1, label="paper, same colours")
        ax.set_xlabel("training rows checked (%)")
        ax.set_ylabel(label)
    axes[0].axhline(100 * result["clean_accuracy"], color=BLACK, lw=1, ls=":",
                    label="nothing flipped")  # fmt: skip
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return {"fig6_mislabelled": figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
