"""
Predicted against exact
=======================

Before scores are used they can be checked: each of some training rows is left out, the model is
retrained, and the change of the loss on other rows is compared with what was predicted.

Points on the dashed line were predicted exactly. The slope says whether sizes are right, the
correlation whether the order is.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer

import fastinfluence as fi

X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
infl = fi.Influence.fit(fi.GLM("logistic", l2=0.01), X[:400], y[:400])
check = infl.validate(X[400:], y[400:], rows=80)

fig, ax = plt.subplots(figsize=(5.2, 5.2), layout="constrained")
check.plot(ax)
plt.show()
