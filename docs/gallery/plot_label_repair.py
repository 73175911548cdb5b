"""
Label repair
============

A fifth of the labels are flipped. How many of them does one find by checking rows from the top of
a ranking (left, of the last of eight random splits), and what does repairing them buy (right, with
bars from the worst split to the best)? On these data the training loss finds flips about as soon
as self-influence does.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

import fastinfluence as fi
from fastinfluence import plots

X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
spec = fi.GLM("logistic", l2=0.003)
shares = [0, 0.05, 0.1, 0.2, 0.3, 0.4]


def rank(rows, labels, rng):
    """Three scores of some rows and their labels; large ones are checked first."""
    infl = fi.Influence.fit(spec, X[rows], labels)
    f = X[rows] @ infl.theta[:-1] + infl.theta[-1]
    return {
        "self-influence": infl.self_influence(),
        "training loss": np.logaddexp(0, f) - labels * f,
        "at random": rng.random(len(rows)),
    }


def accuracy(train, labels, test):
    """Share of the rows of ``test`` that a model of these labels gets right."""
    theta = fi.Influence.fit(spec, X[train], labels).theta
    return np.mean((X[test] @ theta[:-1] + theta[-1] > 0) == y[test])


repeats = 8
clean, repaired = [], {name: [] for name in ("self-influence", "training loss", "at random")}
for seed in range(repeats):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    train, test = order[:250], order[250:]
    wrong = rng.random(len(train)) < 0.2
    given = y[train] ^ wrong
    scores = rank(train, given, rng)
    clean.append(accuracy(train, y[train], test))
    for name, score in scores.items():
        ranked, found = np.argsort(-score), []
        for share in shares:
            checked = ranked[: round(share * len(train))]
            labels = given.copy()
            labels[checked] = y[train][checked]
            found.append(accuracy(train, labels, test))
        repaired[name].append(found)

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
plots.label_repair_curve(scores, wrong, left)
mean_over = {name: np.transpose(found) for name, found in repaired.items()}
plots.accuracy_curve(shares, mean_over, clean=np.mean(clean), ax=right)
plt.show()
