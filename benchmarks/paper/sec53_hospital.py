"""Section 5.3: which rows make the model wrong about children?

    python -m benchmarks.paper.sec53_hospital [--quick]

The hospital table (127 columns, 20,000 balanced rows, weight decay 1e-4, no intercept), less 20 of
the 21 children under ten who were not readmitted: of the four children left, three were. A child of
the test rows is wrongly predicted to be readmitted: who is to blame? Influence of all training rows
on that child's loss; I_pert,loss of the four, feature by feature; and the coefficients alone.
``--quick`` retrains fewer rows.
"""

from __future__ import annotations

import warnings

import numpy as np
from matplotlib.figure import Figure

import fastinfluence as fi
from benchmarks.hospital import TEST_POSITION, WEIGHT_DECAY, Hospital, load
from benchmarks.paper import data, study
from benchmarks.paper.study import BLACK, BLUE, GREY, ORANGE, Array, Clock, Result

CHILD = "age_[0-10)"
SHOWN = 30
PUBLISHED = {CHILD: 1730.0, "discharge_disposition_id_11": -3250.0}
"""−I_pert,loss read off the picture in the published notebook, to ±50."""


def without_children(table: Hospital) -> Hospital:
    """Return the table without the 20 children that the paper removes."""
    stay = np.setdiff1d(np.arange(len(table.y_train)), data.splits()["hospital_removed_train_pos"])
    return table._replace(X_train=table.X_train[stay], y_train=table.y_train[stay])


def children(table: Hospital, infl: fi.Influence, child: int) -> Result:
    """Return how the model does on the children of training and test rows."""
    of_train, of_test = table.X_train[:, child] == 1, table.X_test[:, child] == 1
    f = table.X_test[of_test] @ infl.theta
    right = (f > 0) == table.y_test[of_test]
    return {
        "train": int(of_train.sum()),
        "train_readmitted": int(table.y_train[of_train].sum()),
        "test": int(of_test.sum()),
        "test_accuracy": float(right.mean()),
    }


def blame(scores: Array, child_rows: Array) -> Result:
    """Return whether the children lead all rows, and by what factor."""
    order = study.largest(scores, len(scores))
    size = np.abs(scores)
    next_best = size[np.setdiff1d(order, child_rows)].max()
    return {
        "ranks": sorted(int(np.flatnonzero(order == i)[0]) + 1 for i in child_rows),
        "next": float(next_best),
        "ratios": sorted((size[child_rows] / next_best).tolist(), reverse=True),
        "smallest_ratio": float(size[child_rows].min() / next_best),
        "largest_ratio": float(size[child_rows].max() / next_best),
    }


def features(infl: fi.Influence, table: Hospital, rows: Array, test: tuple, child: int) -> Result:
    """Return where the child indicator stands by I_pert,loss of each row, and by |theta|.

    Slopes have the sign of the published picture: what raising a feature adds to -I_up,loss. There
    the row that was not readmitted is shown; ``shown`` are its steepest features. In
    ``largest_present`` rows no feature that the row has has a larger |x_j I_pert,j|.
    """
    slopes = -infl.perturbation(*test, rows, effect="upweight")[0]
    present = np.abs(slopes * table.X_train[rows])
    well = slopes[table.y_train[rows] == 0][0]
    steepest = np.argsort(-np.abs(well), kind="stable")[:8]
    coefficient = np.abs(infl.theta)
    return {
        "largest_upward_of_not_readmitted": bool(well.argmax() == child),
        "largest_present": int((present.argmax(axis=1) == child).sum()),
        "rank_by_size": [int((row > row[child]).sum()) + 1 for row in np.abs(slopes)],
        "shown": [table.feature_names[j] for j in steepest],
        "pert": well[steepest],
        **coefficients(coefficient, child),
    }


def coefficients(size: Array, child: int) -> Result:
    """Return how large the child's coefficient is, and how many are larger."""
    larger = int((size > size[child]).sum())
    return {"coefficient": float(size[child]), "larger_coefficients": larger}


def stopped(infl: fi.Influence, table: Hospital, iterations: int, test: tuple) -> Result:
    """Return the same, and the blame, of the paper's fit: L-BFGS stopped at 1,000 iterations."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    C = 1 / (len(table.y_train) * WEIGHT_DECAY)
    model = LogisticRegression(C=C, tol=1e-8, fit_intercept=False, max_iter=iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)  # theta is no optimum: that is it
        model.fit(table.X_train, table.y_train)
        early = fi.Influence(infl.spec, table.X_train, table.y_train, model.coef_[0])
        scores = early.on_loss(*test)[0]
    child = table.feature_names.index(CHILD)
    rows = np.flatnonzero(table.X_train[:, child] == 1)
    return coefficients(np.abs(model.coef_[0]), child) | blame(scores, rows)


def run(quick: bool) -> Result:
    """Fit without the children, score all rows, retrain without the strongest."""
    clock, names = Clock(), ("hospital_removed_train_pos",)
    full = load(data.path("diabetes130_hospitals.parquet").parent)
    table = without_children(full)
    child = table.feature_names.index(CHILD)
    spec = fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False)
    with clock("fit, twice"):
        before = fi.Influence.fit(spec, full.X_train, full.y_train)
        infl = fi.Influence.fit(spec, table.X_train, table.y_train)
    test = table.X_test[[TEST_POSITION]], table.y_test[[TEST_POSITION]]
    with clock("influence of all rows"):
        scores = infl.on_loss(*test)[0]
    rows = np.flatnonzero(table.X_train[:, child] == 1)
    strongest = study.largest(scores, 30 if quick else 500)
    changes = {}
    for method in ("influence", "newton", "exact"):
        with clock(f"{len(strongest)} removals, {method}"):
            removal = infl.leave_one_out(strongest, method=method)
        changes[method] = removal.on_loss(*test)[0]
    fits = {}
    for iterations in (100,) if quick else (300, 1000):
        with clock("L-BFGS stopped early"):
            fits[f"{iterations}_iterations"] = stopped(infl, table, iterations, test)
    of_children = np.isin(strongest, rows)
    shown = strongest[:SHOWN]
    return {
        "seconds": clock.seconds,
        "settings": {
            "n": len(table.y_train), "p": len(infl.theta), "weight_decay": WEIGHT_DECAY,
            "test_position": TEST_POSITION, "removed": len(data.splits()[names[0]]),
        },
        "original": children(full, before, child),
        "modified": children(table, infl, child),
        "probability_of_readmission": float(1 / (1 + np.exp(-(test[0][0] @ infl.theta)))),
        "label": float(test[1][0]),
        "children": {
            "effect_of_removal": scores[rows],
            "exact_effect_of_removal": infl.leave_one_out(rows, method="exact").on_loss(*test)[0],
            "readmitted": table.y_train[rows],
            **blame(scores, rows),
        },
        "blame_by_exact": blame(changes["exact"], np.flatnonzero(of_children)),
        "against_exact": {
            **{m: study.agreement(changes[m], changes["exact"]) for m in ("influence", "newton")},
            "influence_but_children": study.agreement(
                changes["influence"][~of_children], changes["exact"][~of_children]),
        },
        "features": features(infl, table, rows, test, child),
        "stopped_fits": fits,
        "points": {
            "influence": scores[shown], "exact": changes["exact"][:SHOWN],
            "is_child": np.isin(shown, rows).astype(int),
            "readmitted": table.y_train[shown].astype(int),
        },
    }  # fmt: skip


def draw(result: Result) -> dict[str, Figure]:
    """Draw the strongest rows, and I_pert,loss of the children by feature."""
    figure, (left, right) = study.panels(2, height=3.3, width_ratios=[1.15, 1])
    points = {name: np.array(values) for name, values in result["points"].items()}
    rank = np.arange(1, len(points["influence"]) + 1)
    child = points["is_child"] == 1
    size = np.abs(points["influence"])
    for part, colour, label in ((child, ORANGE, "children"), (~child, BLUE, "all other rows")):
        left.bar(rank[part], size[part], color=colour, label=f"{label}, influence")
    left.plot(rank, np.abs(points["exact"]), "_", color="k", ms=7, label="exact retraining")
    runner = result["children"]["next"]
    left.axhspan(30 * runner, 40 * runner, color=GREY, alpha=0.35,
                 label="paper: 30 to 40 times\nthe strongest other row")  # fmt: skip
    left.set_yscale("log")
    left.set_xlabel("training rows, the strongest first")
    left.set_ylabel("|change of the test child's loss|\nwithout the row (nats)")
    left.legend()
    names, pert = result["features"]["shown"], np.array(result["features"]["pert"])
    y = np.arange(len(names))[::-1]
    colours = [ORANGE if name == CHILD else BLUE for name in names]
    right.barh(y, pert, color=colours, height=0.6)
    read = [(pert_of, y[names.index(name)]) for name, pert_of in PUBLISHED.items()]
    right.plot(*zip(*read, strict=True), "X", color=BLACK, ms=7, label="paper's picture")
    right.axvline(0, color=GREY, lw=0.8)
    short = [name.replace("_disposition_id_", " code ").replace("_", " ") for name in names]
    right.set_yticks(y, short)
    right.set_xlabel(r"$-I_{pert,loss}$ (nats per unit of the feature)")
    right.set_title("the child that was not readmitted,\nits eight steepest features")
    right.legend(loc="lower left")
    return {"sec53_hospital": figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
