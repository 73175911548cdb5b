"""
Self-influence, ranked
======================

Self-influence is the rise of a row's own loss when the row is left out. Rows far above the fall of
the others are the ones to look at first: here all eight labels that were flipped on purpose are
among the 25 marked rows, of 500.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastinfluence as fi
from fastinfluence import plots

rng = np.random.default_rng(0)
X = rng.normal(size=(500, 4))
y = (X @ [4.0, -2.0, 2.0, 0.0] + 0.5 * rng.logistic(size=500) > 0).astype(int)
y[rng.choice(500, 8, replace=False)] ^= 1

infl = fi.Influence.fit(fi.GLM("logistic", l2=0.002), X, y)

fig, ax = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
plots.falloff(infl.self_influence(), top=25, unit="nats", ax=ax)
plt.show()
