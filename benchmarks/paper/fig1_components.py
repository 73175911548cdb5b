"""Figure 1: what the terms of an influence are for.

    python -m benchmarks.paper.fig1_components [--quick]

MNIST 1 against 7, logistic regression, no intercept, weight decay 0.01, test image 30 (a 7). The
influence −I_up,loss = σ(−y_t f_t) σ(−y f) y_t y x_tᵀ H⁻¹ x of every training image, beside the same
without the factor σ(−y f) of the training loss, without H, and without both: the inner product
x·x_t. Then the training 7 that harms most, and how influence, Newton and exact retraining agree.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from scipy.special import expit

import fastinfluence as fi
from benchmarks.paper import data, study
from benchmarks.paper.study import BLACK, BLUE, ORANGE, Array, Clock, Result

WEIGHT_DECAY, TEST_ROW, SEED = 0.01, 30, 0
VARIANTS = {
    "without_train_loss": "without σ(−y f)",
    "without_hessian": "without H⁻¹",
    "inner_product": "x·x_test alone",
}
TOP, DRAWN, CHECKED = 100, 2000, 100


def variants(split: data.Split, infl: fi.Influence) -> dict[str, Array]:
    """Return the influence of every row, (n,), by the whole formula and by parts of it."""
    x, sign = split.X_test[TEST_ROW], split.y_test[TEST_ROW]
    s = infl.ihvp(x[:, None]).x[:, 0]
    agree = sign * split.y * expit(-sign * (x @ infl.theta))
    loss = expit(-split.y * (split.X @ infl.theta))
    solved, product = split.X @ s, split.X @ x
    return {
        "influence": agree * loss * solved,
        "without_train_loss": agree * solved,
        "without_hessian": agree * loss * product,
        "inner_product": agree * product,
    }


def compare(found: dict[str, Array], same: Array) -> Result:
    """Return how far each variant is from the whole."""
    whole = found["influence"]
    top = study.largest(whole, TOP)
    out: Result = {}
    for name in VARIANTS:
        shared = np.isin(top, study.largest(found[name], TOP)).sum()
        out[name] = {
            "pearson": float(np.corrcoef(found[name], whole)[0, 1]),
            "top_100_shared": int(shared),
            "harmful_of_same_label": int((found[name][same] < 0).sum()),
        }
    return out


def run(quick: bool) -> Result:
    """Fit, score by all variants, and retrain without the rows that matter most."""
    clock, split = Clock(), data.two_digits(1, 7)
    if quick:
        split = split.first(2000)
    with clock("fit"):
        spec = fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False)
        infl = fi.Influence.fit(spec, split.X, split.y)
    with clock("influence"):
        found = variants(split, infl)
    whole, same = found["influence"], split.y == split.y_test[TEST_ROW]
    harmful = int(np.flatnonzero(same)[np.argmin(whole[same])])
    rows = study.largest(whole, 20 if quick else CHECKED)
    test = split.X_test[[TEST_ROW]], split.y_test[[TEST_ROW]]
    change = {}
    for method in ("influence", "newton", "exact"):
        with clock(f"removal of {len(rows)} rows, {method}"):
            change[method] = infl.leave_one_out(rows, method=method).on_loss(*test)[0]
    top = study.largest(whole, 300)
    others = np.random.default_rng(SEED).permutation(np.setdiff1d(np.arange(len(whole)), top))
    drawn = np.concatenate([others[: DRAWN - len(top)], top])
    return {
        "seconds": clock.seconds,
        "settings": {
            "n": len(split.y), "p": len(infl.theta), "weight_decay": WEIGHT_DECAY,
            "test_row": TEST_ROW, "seed": SEED,
        },
        "variants": compare(found, same),
        "rows_of_same_label": int(same.sum()),
        "harmful_of_same_label": int((whole[same] < 0).sum()),
        "harmful_row": harmful,
        "harmful_influence": float(whole[harmful]),
        "harmful_inner_product": float(found["inner_product"][harmful]),
        "against_exact": {
            method: study.agreement(change[method], change["exact"])
            for method in ("influence", "newton")
        },
        "points": {
            "same_label": same[drawn].astype(int),
            **{name: np.array([float(f"{v:.3g}") for v in values[drawn]])
               for name, values in found.items()},
        },
        "images": {
            "test": np.rint(255 * split.X_test[TEST_ROW]).astype(int),
            "harmful": np.rint(255 * split.X[harmful]).astype(int),
        },
    }  # fmt: skip


def draw(result: Result) -> dict[str, Figure]:
    """Draw the three scatter plots, and the test image beside the harmful one."""
    figure = Figure(figsize=(7.6, 2.9), layout="constrained")
    *axes, first, second = figure.subplots(1, 5, width_ratios=[1, 1, 1, 0.52, 0.52])
    points = {name: np.array(values) for name, values in result["points"].items()}
    same = points["same_label"] == 1
    for ax, (name, title) in zip(axes, VARIANTS.items(), strict=True):
        for part, colour, marker, label in (
            (~same, ORANGE, "o", "train image is a 1"), (same, BLUE, "^", "a 7, as the test image")
        ):  # fmt: skip
            x, y = points[name][part], points["influence"][part]
            ax.plot(x, y, marker, color=colour, ms=2.5, alpha=0.6, mew=0, label=label)
        ends = [points["influence"].min(), points["influence"].max()]
        ax.plot(ends, ends, color=BLACK, linewidth=0.8, label="equal")
        told = result["variants"][name]
        ax.set_title(f"{title}\nPearson {told['pearson']:.2f}")
        ax.set_xlabel("that variant (nats)")
        ax.locator_params(nbins=5)
    axes[0].set_ylabel(r"$-I_{up,loss}$ (nats), positive: helpful")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, markerscale=2)
    for ax, key, title in ((first, "test", "test 7"), (second, "harmful", "harmful\ntraining 7")):
        ax.imshow(np.reshape(result["images"][key], (28, 28)))
        ax.set_title(title)
        ax.set_axis_off()
    return {"fig1_components": figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
