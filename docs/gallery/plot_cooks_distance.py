"""
Index plot of Cook's distance
=============================

Cook's distance says how far leaving a row out moves all predictions, in units of their
uncertainty. Rows beyond the customary threshold 4/n stand out, the largest with their labels.
``diag.plot("dffits")`` and the other names of ``diag.thresholds`` are drawn the same way.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes

import fastinfluence as fi

X, y = load_diabetes(return_X_y=True, as_frame=True)
X, y = X[:150], y[:150]
X.index = y.index = [f"patient {i}" for i in range(len(X))]

diag = fi.Influence.fit(fi.GLM("squared"), X, y).diagnostics()

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
diag.plot(ax=ax)
plt.show()
