"""Figure 2, left and middle: predicted removal effects against retraining, ten classes of MNIST.

    python -m benchmarks.paper.fig2_leave_one_out [--quick]

Multinomial logistic regression of 55,000 images (the training set without its first 5,000), 784
pixels in [0, 1], no intercept, weight decay 0.01, p = 7,840; the loss of test image 8. The 500 rows
of largest |prediction| are left out one at a time and the model is retrained exactly. Predictions:
CG; LiSSA with r = 10 and r = 1 repeats of 5,000 single rows, at the paper's scale (25) and at the
library's; H replaced by the identity or by its diagonal; one Newton step.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import fastinfluence as fi
from benchmarks.paper import data, study
from benchmarks.paper.study import BLUE, GREEN, GREY, ORANGE, PINK, Array, Clock, Result
from fastinfluence.solvers import CG, Conditioning, LiSSA, Solution

WEIGHT_DECAY, TEST_ROW, SEED = 0.01, 8, 17
DEPTH, PAPERS_SCALE = 5000, 25.0


@dataclass(frozen=True)
class Prepared:
    """Multiplication by a diagonal where others solve."""

    inverse: Array
    conditioning: Conditioning = field(default_factory=Conditioning)

    def apply(self, B: Array) -> Array:
        return self.inverse[:, None] * B

    def solve(self, B: Array) -> Solution:
        t = B.shape[1]
        return Solution(
            x=self.apply(B),
            converged=np.ones(t, dtype=bool),
            iterations=np.zeros(t, dtype=np.intp),
            residual_norms=np.zeros(t),
            error_bound=np.zeros(t),
            std_error=None,
            status=("approximation",) * t,
        )


@dataclass(frozen=True)
class Diagonal:
    """A solver that takes H for its diagonal, or for the identity."""

    identity: bool

    def prepare(self, operator: Any) -> Prepared:
        return Prepared(np.ones(operator.shape[0]) if self.identity else 1 / operator.diagonal())


def lissa(repeats: int, scale: float | str) -> LiSSA:
    return LiSSA(depth=DEPTH, repeats=repeats, scale=scale, seed=SEED)


SOLVERS: dict[str, tuple[str, Any]] = {
    "cg": ("CG", CG()),
    "lissa_10": ("LiSSA, r = 10", lissa(10, PAPERS_SCALE)),
    "lissa_1": ("LiSSA, r = 1", lissa(1, PAPERS_SCALE)),
    "lissa_10_auto": ("LiSSA, r = 10, own scale", lissa(10, "auto")),
    "identity": ("H = I", Diagonal(identity=True)),
    "diagonal": ("diagonal of H", Diagonal(identity=False)),
}
LOOKS = {
    "cg": (BLUE, "o"), "lissa_10": (ORANGE, "o"), "lissa_1": (PINK, "^"), "newton": (GREEN, "s"),
    "identity": (GREY, "v"), "diagonal": (PINK, "^"),
}  # fmt: skip


def quietly(infl: fi.Influence, split: data.Split) -> Array:
    """Return all rows' effects on the test row's loss; LiSSA warns of its bias bound."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        return infl.on_loss(split.X_test[[TEST_ROW]], split.y_test[[TEST_ROW]])[0]


def fitted(split: data.Split) -> fi.Influence:
    """Return the model at its optimum."""
    spec = fi.GLM("multinomial", l2=WEIGHT_DECAY, fit_intercept=False)
    return fi.Influence.fit(spec, split.X, split.y)


def removals(
    infl: fi.Influence, rows: Array, split: data.Split, clock: Clock
) -> tuple[dict[str, Array], Result]:
    """Return the changes without each row by a Newton step and by retraining, and how exact."""
    test, out, told = (split.X_test[[TEST_ROW]], split.y_test[[TEST_ROW]]), {}, {}
    for method in ("exact", "newton"):
        with clock(f"{len(rows)} removals, {method}"):
            removal = infl.leave_one_out(rows, method=method)
        out[method] = removal.on_loss(*test)[0]
        told[method] = {"largest_gradient_norm": float(np.max(removal.gradient_norms))}
    return out, told


def run(quick: bool) -> Result:
    """Fit, predict by every solver, retrain without each of the rows."""
    clock, split = Clock(), data.ten_digits(2000 if quick else None)
    if quick:
        split = split.coarser(2)
    with clock("fit"):
        infl = fitted(split)
    found: dict[str, Array] = {}
    for name, (_, solver) in SOLVERS.items():
        other = fi.Influence(infl.spec, split.X, split.y, infl.theta, solver=solver)
        with clock(f"scores of all rows, {name}"):
            found[name] = quietly(other, split)
    rows = study.largest(found["cg"], 20 if quick else 500)
    changes, told = removals(infl, rows, split, clock)
    found = {name: scores[rows] for name, scores in found.items()}
    found["newton"] = changes["newton"]
    actual = changes["exact"]
    return {
        "seconds": clock.seconds,
        "settings": {
            "n": len(split.y), "p": len(infl.theta), "weight_decay": WEIGHT_DECAY,
            "test_row": TEST_ROW, "rows": len(rows), "depth": DEPTH, "seed": SEED,
        },
        "gradient_norm": infl.gradient_norm,
        "test_row_right": bool(np.argmax(split.X_test[TEST_ROW] @ infl.theta.reshape(-1, 10))
                               == split.y_test[TEST_ROW]),
        "against_exact": {name: study.agreement(x, actual) for name, x in found.items()},
        "removals": told,
        "points": {"exact": actual, **found},
    }  # fmt: skip


def draw(result: Result) -> dict[str, Figure]:
    """Draw predicted against actual: CG and Newton, LiSSA, and without the Hessian."""
    figure, axes = study.panels(3, height=3.0)
    points = {name: 1e3 * np.array(values) for name, values in result["points"].items()}
    names = {name: title for name, (title, _) in SOLVERS.items()} | {"newton": "one Newton step"}
    groups = (("cg", "newton"), ("lissa_1", "lissa_10"), ("diagonal", "identity"))
    for ax, group in zip(axes, groups, strict=True):
        for name in group:
            x, told = points[name], result["against_exact"][name]
            colour, marker = LOOKS[name]
            scaled = name in ("identity", "diagonal")  # far off the diagonal as they are
            factor = float(np.abs(points["exact"]).max() / np.abs(x).max()) if scaled else 1.0
            times = f", times {factor:.2g}" if scaled else ""
            label = f"{names[name]}{times}\nR = {told['pearson']:.4f}"
            alpha = 0.45 if name in ("newton", "identity", "diagonal") else 0.7
            ax.plot(factor * x, points["exact"], marker, color=colour, ms=3, mew=0, alpha=alpha,
                    label=label)  # fmt: skip
        study.diagonal(ax, points["exact"], points["exact"])
        ax.set_xlabel("predicted change (10⁻³ nats)")
        ax.legend(loc="upper left", handletextpad=0.2, borderaxespad=0.1, fontsize=7.5)
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.45 * (high - low))
    axes[0].set_ylabel("change of the test loss\nby retraining (10⁻³ nats)")
    for ax, title in zip(axes, ("solved exactly", "LiSSA, t = 5,000", "without H"), strict=True):
        ax.set_title(title)
    return {"fig2_leave_one_out": figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
