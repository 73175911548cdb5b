"""Beyond the paper: removing groups of 0.1 to 20 % of the rows.

    python -m benchmarks.paper.beyond_groups [--quick]

The hospital table (20,000 rows, 127 columns, weight decay 1e-4), the loss of test row 1742. Random
groups, and the rows that help or harm most, whose effects add up. First order (the sum of single
rows' influences), second order (one Newton step) and exact retraining, which is checked against a
fit without the rows that knows nothing of the full one.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

import fastinfluence as fi
from benchmarks.hospital import TEST_POSITION, WEIGHT_DECAY, Hospital, load
from benchmarks.paper import data, study
from benchmarks.paper.study import BLACK, GREEN, ORANGE, Array, Clock, Result

SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2)
N_RANDOM, SEED = 6, 0
METHODS = ("influence", "newton", "exact")
LOOKS = {"influence": ("first order", ORANGE, "o"), "newton": ("second order", GREEN, "s"),
         "exact": ("exact", BLACK, "x")}  # fmt: skip


def groups_of(scores: Array, share: float) -> list[Array]:
    """Return random groups of a share of the rows, then the most harmful and the most helpful."""
    n, size = len(scores), max(1, round(share * len(scores)))
    rng, order = np.random.default_rng([SEED, size]), np.argsort(scores, kind="stable")
    random = [rng.choice(n, size, replace=False) for _ in range(N_RANDOM)]
    return [*random, order[:size], order[-size:]]


def afresh(infl: fi.Influence, table: Hospital, group: Array) -> Array:
    """Return theta of a fit without the group that knows nothing of the full one."""
    stay = np.setdiff1d(np.arange(len(table.y_train)), group)
    return fi.Influence.fit(infl.spec, table.X_train[stay], table.y_train[stay], tol=1e-10).theta


def without(
    infl: fi.Influence, table: Hospital, groups: list[Array], test: tuple, clock: Clock
) -> Result:
    """Return the changes without each group by every method, and how exact "exact" is."""
    changes, out = {}, {}
    for method in METHODS:
        with clock(f"all groups, {method}"):
            removal = infl.leave_group_out(groups, method=method)
            changes[method] = removal.on_loss(*test)[0]
    # First order in the loss too, as sums of scores are; the library's own evaluates the loss.
    scores = infl.on_loss(*test)[0]
    changes["influence"] = np.array([scores[group].sum() for group in groups])
    check = groups[-1]
    out["exact_against_a_fit"] = float(np.abs(afresh(infl, table, check) - removal.theta[-1]).max())
    exact = changes["exact"]
    for kind, part in (("random", slice(0, N_RANDOM)), ("extreme", slice(N_RANDOM, None))):
        size = np.abs(exact[part]).max()
        out[kind] = {
            method: float(np.abs(changes[method][part] - exact[part]).max() / size)
            for method in ("influence", "newton")
        }
    out["random_pearson"] = study.agreement(changes["influence"][:N_RANDOM], exact[:N_RANDOM])
    return out | {"changes": changes}


def run(quick: bool) -> Result:
    """Remove groups of every size."""
    clock, table = Clock(), load(data.path("diabetes130_hospitals.parquet").parent)
    spec = fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False)
    test = table.X_test[[TEST_POSITION]], table.y_test[[TEST_POSITION]]
    with clock("fit"):
        infl = fi.Influence.fit(spec, table.X_train, table.y_train, tol=1e-10)
    scores, shares = infl.on_loss(*test)[0], SHARES[2::2] if quick else SHARES
    by_share = {
        f"{100 * share:g}%": without(infl, table, groups_of(scores, share), test, clock)
        for share in shares
    }
    return {
        "seconds": clock.seconds,
        "settings": {
            "n": len(table.y_train), "p": len(infl.theta), "weight_decay": WEIGHT_DECAY,
            "test_position": TEST_POSITION, "random_groups": N_RANDOM, "seed": SEED,
        },
        "shares": list(shares),
        "by_share": by_share,
    }  # fmt: skip


def draw(result: Result) -> dict[str, Figure]:
    """Draw the change without the extreme groups, and the errors of both orders."""
    figure, (left, right) = study.panels(2, height=3.2)
    x, told = 100 * np.array(result["shares"]), list(result["by_share"].values())
    for method, (label, colour, marker) in LOOKS.items():
        for which in (N_RANDOM, N_RANDOM + 1):
            y = [one["changes"][method][which] for one in told]
            shown = label if which == N_RANDOM else None
            left.plot(x, y, marker=marker, color=colour, lw=1.2, label=shown)
    left.axhline(0, color=BLACK, lw=0.6)
    left.set_ylabel("change of the test loss (nats)")
    left.set_title("without the most helpful rows (up)\nand the most harmful (down)")
    for method in ("influence", "newton"):
        label, colour, marker = LOOKS[method]
        for kind, line in (("extreme", "-"), ("random", "--")):
            y = [100 * one[kind][method] for one in told]
            right.plot(x, y, line, marker=marker, color=colour, lw=1.2, label=f"{label}, {kind}")
    right.set_yscale("log")
    right.set_ylabel("largest error (% of the largest change)")
    right.set_title("error against exact retraining")
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xticks(x, [f"{share:g}" for share in x])
        ax.minorticks_off()
        ax.set_xlabel("rows removed (%)")
        ax.legend(loc="upper left" if ax is left else "lower left", ncols=1 if ax is left else 2)
    right.set_ylim(0.015, 200)
    return {"beyond_groups": figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
