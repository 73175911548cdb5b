"""
Leverage against residual
=========================

Rows to the right are unusual in their features, rows at the top and the bottom in their target.
Those beyond a contour are both: the fit follows them.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastinfluence as fi

rng = np.random.default_rng(1)
dose, age = rng.gamma(2.0, 1.0, 80), rng.normal(50, 10, 80)
response = 3 + 2 * dose + 0.1 * age + rng.normal(size=80)
dose[7], response[7] = 11.0, 12.0  # unusual in both
response[30] += 6  # unusual in its target alone
X = np.column_stack([dose, age])

diag = fi.Influence.fit(fi.GLM("squared"), X, response).diagnostics()

fig, ax = plt.subplots(figsize=(6.2, 5.2), layout="constrained")
diag.plot_leverage(labelled=3, ax=ax)
plt.show()
