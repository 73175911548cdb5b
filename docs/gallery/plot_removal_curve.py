"""
Removing rows
=============

One label in ten is wrong. The model is refitted without the rows that ``fi.find_label_issues``
suspects most, then without those it suspects least, and without rows drawn at random; the rows
that it is measured on have their right labels. The loss (left) falls until the wrong labels are
gone; the accuracy (right) moves by a few rows only.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

import fastinfluence as fi

X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
rng = np.random.default_rng(0)
order = rng.permutation(len(y))
train, test = order[:350], order[350:]
given = y[train] ^ (rng.random(len(train)) < 0.1)

infl = fi.Influence.fit(fi.GLM("logistic", l2=0.01), X[train], given)
score = fi.find_label_issues(infl).score
curve = fi.removal_curve(infl, X[test], y[test], order=score, fractions=np.linspace(0, 0.3, 7))

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
curve.plot(ax=left)
curve.plot("accuracy", ax=right)
plt.show()
