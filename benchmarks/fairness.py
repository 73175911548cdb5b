"""Group gaps and the AUC on held-out rows: predicted by influence, checked by exact refits.

    python benchmarks/fairness.py [--quick]     (the folder of the data: FASTINFLUENCE_DATA)

Adult census, logistic regression of income above 50,000, encoded as in tables.py. Half of the
held-out rows make the targets; the other, fresh half only judges. 1. What each smooth surrogate is,
beside the number that it stands for. 2. Single rows, half of them those of largest predicted
effect, half random: predicted against exact change. 3. The 1, 2 and 5 % of the training rows that
most widen a gap (or most lower the AUC), and random rows: the surrogate before, predicted after and
after an exact refit; then the true number and the accuracy on the fresh rows.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tables

import fastinfluence as fi
from fastinfluence.validation import Validation, choose_rows

t = fi.targets
L2 = 1e-3
TRAIN, QUICK_TRAIN = 25_000, 4_000
SHARES = (0.01, 0.02, 0.05)
SINGLES = 60
HIGH_LEVERAGE = 0.05
WIDTH = 0.5
SHARPNESS = 4.0


@dataclass(frozen=True)
class Adult:
    """Training rows, held-out rows, and the sex of those."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    sex: np.ndarray

    def held_out(self, rows: np.ndarray) -> "Adult":
        """Return the same with some of the held-out rows."""
        return Adult(self.X, self.y, self.X_test[rows], self.y_test[rows], self.sex[rows])

    def raw(self, theta: np.ndarray) -> np.ndarray:
        """Return f of the held-out rows."""
        return self.X_test @ theta[:-1] + theta[-1]


def load(n: int) -> Adult:
    """Return n training rows, drawn, and every held-out row."""
    import pandas as pd

    table = tables.adult()
    sex = pd.read_parquet(tables.folder() / "adult_census.parquet", columns=["sex"])["sex"]
    held_out = np.arange(len(sex)) % 5 == 0  # as tables.adult cuts
    rows = np.random.default_rng(0).permutation(len(table.y))[:n]
    group = np.asarray(sex[held_out].astype(str))
    return Adult(table.X[rows], table.y[rows], table.X_test, table.y_test, group)


@dataclass(frozen=True)
class Question:
    """A surrogate, the true number that it stands for, and which way is worse."""

    target: Any
    true: Callable[[np.ndarray], float]  # of raw predictions of the held-out rows
    worse: int  # +1: larger is worse, a gap; -1: smaller is worse


def questions(data: Adult) -> dict[str, Question]:
    """Return the gaps and the AUC, each with what it stands for."""
    from sklearn.metrics import roc_auc_score

    male, positive = data.sex == "Male", data.y_test == 1
    X, y = data.X_test, data.y_test

    def rates(f: np.ndarray, among: np.ndarray) -> float:
        return float((f[among & male] > 0).mean() - (f[among & ~male] > 0).mean())

    return {
        "parity gap": Question(t.parity_gap(X, data.sex), lambda f: rates(f, y >= 0), 1),
        "opportunity gap": Question(
            t.opportunity_gap(X, y, data.sex), lambda f: rates(f, positive), 1
        ),
        "AUC": Question(t.auc(X, y, width=WIDTH), lambda f: float(roc_auc_score(y, f)), -1),
        "accuracy": Question(
            t.accuracy(X, y, SHARPNESS), lambda f: float(((f > 0) == positive).mean()), -1
        ),
    }


def surrogates(data: Adult, infl: fi.Influence, asked: dict[str, Question]) -> None:
    """Print what each surrogate is next to the true number."""
    f = data.raw(infl.theta)
    print("1. at the fitted model, held-out rows of the targets")
    print(f"   {'':16}{'surrogate':>11}{'true':>9}   true number")
    told = {
        "parity gap": "difference of the shares with p > 1/2, Male − Female",
        "opportunity gap": "difference of the true positive rates, Male − Female",
        "AUC": f"area under the ROC curve (surrogate: width {WIDTH})",
        "accuracy": f"share with the right class (surrogate: sharpness {SHARPNESS:g})",
    }
    for name, ask in asked.items():
        print(f"   {name:16}{infl.value(ask.target):11.4f}{ask.true(f):9.4f}   {told[name]}")


def singles(infl: fi.Influence, asked: dict[str, Question], scores: dict, count: int) -> None:
    """Print predicted against exact changes by removing one row."""
    leverage = infl.diagnostics().leverage
    print(f"2. {count} single rows removed: exact on predicted change of the surrogate")
    print(f"   (calm: the rows of leverage below {HIGH_LEVERAGE}, their number in brackets)")
    heads = ("all", "extreme half", "random half", "calm", "Newton, all")
    print(f"   {'pearson, slope':16}" + "".join(f"{head:>17}" for head in heads))
    for name, ask in asked.items():
        rows, n_random = choose_rows(scores[name], count, 0)
        actual = infl.leave_one_out(rows, method="exact").on_function(ask.target)
        newton = infl.leave_one_out(rows, method="newton").on_function(ask.target)
        first = Validation(rows, scores[name][rows], actual, n_random, "exact")
        calm = leverage[rows] < HIGH_LEVERAGE
        pairs = [
            first, first.extreme, first.random,
            Validation(rows[calm], first.predicted[calm], actual[calm], 0, "exact"),
            Validation(rows, newton, actual, n_random, "exact"),
        ]  # fmt: skip
        cells = [f"{found.pearson:9.4f}{found.slope:8.3f}" for found in pairs]
        print(f"   {name:16}" + "".join(cells) + f"   ({calm.sum()})")


def groups(
    fresh: Adult,
    infl: fi.Influence,
    asked: dict[str, Question],
    scores: dict,
    shares: tuple,
) -> None:
    """Print what removing the worst rows does, predicted and refitted."""
    n, judges = infl.n_rows, questions(fresh)
    print("3. shares of the rows removed (worst: those that most widen the gap, or lower the AUC)")
    print(f"   {'':30}{'surrogate':>29}{'true, fresh rows':>20}{'accuracy, fresh':>18}")
    print(
        f"   {'':16}{'rows':>14}{'before':>9}{'predicted':>11}{'refit':>9}"
        f"{'before':>11}{'refit':>9}{'before':>9}{'refit':>9}"
    )
    right = judges["accuracy"].true
    for name, ask in asked.items():
        order = np.argsort(ask.worse * scores[name], kind="stable")  # removal improves most first
        chosen = [order[: round(share * n)] for share in shares]
        labels = [f"worst {share:.0%}" for share in shares]
        chosen.append(np.random.default_rng(1).choice(n, round(shares[-1] * n), replace=False))
        labels.append(f"random {shares[-1]:.0%}")
        removal = infl.leave_group_out(chosen, method="exact")
        start, true = infl.value(ask.target), judges[name].true
        refitted = start + removal.on_function(ask.target)
        old = fresh.raw(infl.theta)
        for label, rows, after, theta in zip(labels, chosen, refitted, removal.theta, strict=True):
            f = fresh.raw(theta)
            predicted = start + scores[name][rows].sum()
            print(
                f"   {name:16}{label:>14}{start:9.4f}{predicted:11.4f}{after:9.4f}"
                f"{true(old):11.4f}{true(f):9.4f}{right(old):9.4f}{right(f):9.4f}"
            )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows, one share")
    args = parser.parse_args()
    begin = time.perf_counter()
    every_row = load(QUICK_TRAIN if args.quick else TRAIN)
    half = np.arange(len(every_row.y_test)) % 2 == 0
    data, fresh = every_row.held_out(half), every_row.held_out(~half)
    infl = fi.Influence.fit(fi.GLM("logistic", l2=L2), data.X, data.y, tol=1e-10)
    print(
        f"adult census: {infl.n_rows} training rows, {len(data.y_test)} held out for the "
        f"targets and {len(fresh.y_test)} fresh, p = {len(infl.theta)}, l2 = {L2:g}"
    )
    asked = questions(data)
    start = time.perf_counter()
    every = infl.on_function([ask.target for ask in asked.values()])
    print(f"scores of all rows for {len(asked)} targets: {time.perf_counter() - start:.2f} s")
    scores = dict(zip(asked, every, strict=True))
    surrogates(data, infl, asked)
    singles(infl, asked, scores, 20 if args.quick else SINGLES)
    groups(fresh, infl, asked, scores, SHARES[-1:] if args.quick else SHARES)
    print(f"all of it: {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
