"""Section 3: how large must r·t be? LiSSA's accuracy against r·t/n.

    python -m benchmarks.paper.fig2_lissa [--quick]

"We found empirically that choosing t and r such that rt = O(n) gives accurate results." The model
of figure 2 (ten classes of MNIST, n = 55,000), test image 8, single rows, the paper's scale of 25;
r·t from 0.1 n to 4 n with r = 1 and r = 10, five seeds each. Measured against CG: the scores of the
500 rows of largest |score|, of all rows, and s_test itself.
"""

from __future__ import annotations

import warnings

import numpy as np
from matplotlib.figure import Figure

import fastinfluence as fi
from benchmarks.paper import data, study
from benchmarks.paper.fig2_leave_one_out import PAPERS_SCALE, TEST_ROW, WEIGHT_DECAY, fitted
from benchmarks.paper.study import BLUE, GREY, ORANGE, Array, Clock, Result
from fastinfluence.solvers import CG, LiSSA

SHARES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
REPEATS, SEEDS, TOP = (1, 10), 5, 500
LOOKS = {1: (ORANGE, "^"), 10: (BLUE, "o")}


def gradient_of(infl: fi.Influence, split: data.Split) -> Array:
    """Return ∇l of the test row, (p, 1): (p − e_y) of each class times the pixels."""
    x = split.X_test[TEST_ROW].astype(np.float64)
    f = x @ infl.theta.reshape(len(x), -1)
    p = np.exp(f - f.max())
    p /= p.sum()
    p[split.y_test[TEST_ROW]] -= 1
    return np.outer(x, p).reshape(-1, 1)


def accuracy(x: Array, scores: Array, true: Array, true_scores: Array, top: Array) -> Array:
    """Return correlation over the top rows and over all, slope over the top, error of s_test."""
    over_top = study.agreement(scores[top], true_scores[top])
    over_all = study.agreement(scores, true_scores)
    error = np.linalg.norm(x - true) / np.linalg.norm(true)
    return np.array([over_top["pearson"], over_all["pearson"], over_top["slope"], error])


def run(quick: bool) -> Result:
    """Solve for s_test at each budget and compare with CG."""
    clock, split = Clock(), data.ten_digits(2000 if quick else None)
    if quick:
        split = split.coarser(2)
    seeds = range(2 if quick else SEEDS)
    with clock("fit"):
        infl = fitted(split)
    side, n = gradient_of(infl, split), len(split.y)

    def solved(solver: CG | LiSSA) -> tuple[Array, Array]:
        other = fi.Influence(infl.spec, split.X, split.y, infl.theta, solver=solver)
        with warnings.catch_warnings():  # LiSSA tells its bias bound
            warnings.simplefilter("ignore", fi.FastInfluenceWarning)
            x = other.ihvp(side).x[:, 0]
        table = split.X @ x.reshape(split.X.shape[1], -1).astype(split.X.dtype)
        return x, (residual * table).sum(axis=1)

    f = split.X @ infl.theta.reshape(split.X.shape[1], -1)
    residual = np.exp(f - f.max(axis=1, keepdims=True))
    residual /= residual.sum(axis=1, keepdims=True)
    residual[np.arange(n), split.y] -= 1
    with clock("CG"):
        true, true_scores = solved(CG(tol=1e-10))
    top = study.largest(true_scores, TOP)
    curves: Result = {}
    for r in REPEATS:
        found = []
        for share in SHARES:
            depth = max(1, round(share * n / r))
            with clock(f"r = {r}, r·t = {share:g} n"):
                each = [
                    accuracy(*solved(LiSSA(depth, r, scale=PAPERS_SCALE, seed=seed)), true,
                             true_scores, top)
                    for seed in seeds
                ]  # fmt: skip
            found.append(each)
        names = ("pearson_top", "pearson_all", "slope_top", "error")
        table = np.array(found)
        curves[f"r_{r}"] = {
            name: {"mean": table[..., k].mean(axis=1), "sd": table[..., k].std(axis=1, ddof=1)}
            for k, name in enumerate(names)
        }
    return {
        "seconds": clock.seconds,
        "settings": {
            "n": n, "p": len(infl.theta), "weight_decay": WEIGHT_DECAY, "scale": PAPERS_SCALE,
            "seeds": len(seeds), "top": TOP,
        },
        "shares": list(SHARES),
        "curves": curves,
        "at_rt_equal_n": {
            name: {key: curve[key]["mean"][SHARES.index(1.0)] for key in curve}
            for name, curve in curves.items()
        },
    }  # fmt: skip


def draw(result: Result) -> dict[str, Figure]:
    """Draw accuracy against the budget."""
    figure, axes = study.panels(3, height=2.9)
    titles = {
        "pearson_top": "Pearson with CG,\n500 strongest rows",
        "pearson_all": "Pearson with CG,\nall rows",
        "error": "error of s_test\n(relative to its length)",
    }
    for ax, (key, title) in zip(axes, titles.items(), strict=True):
        for r, (colour, marker) in LOOKS.items():
            curve = result["curves"][f"r_{r}"][key]
            ax.errorbar(result["shares"], curve["mean"], curve["sd"], color=colour, marker=marker,
                        capsize=2, lw=1.2, label=f"r = {r}")  # fmt: skip
        ax.axvline(1, color=GREY, lw=1, ls="--", label="r·t = n (the paper's rule)")
        ax.set_xscale("log")
        ax.set_xticks(result["shares"], [f"{x:g}" for x in result["shares"]])
        ax.minorticks_off()
        ax.set_xlabel("r·t / n")
        ax.set_title(title)
    axes[2].set_yscale("log")
    axes[2].set_yticks([0.1, 0.2, 0.5, 1.0], ["10 %", "20 %", "50 %", "100 %"])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return {"fig2_lissa": figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
