"""
Helpful and harmful rows of a table
===================================

One prediction beside the training rows that help and harm it most, value by value. ▲ and ▼ mark
numbers more than one standard deviation above or below the row asked about, ≠ another category.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import fastinfluence as fi
from fastinfluence import plots

rng = np.random.default_rng(2)
n = 301
people = pd.DataFrame(
    {
        "age": rng.integers(18, 80, n),
        "visits": rng.poisson(12, n),
        "city": rng.choice(["Rome", "Oslo", "Lima"], n),
        "member": rng.choice(["yes", "no"], n),
    }
)
signal = 0.3 * (people.visits - 12) + 0.05 * (people.age - 50) + (people.city == "Rome")
bought = (signal + rng.logistic(size=n) > 0).astype(int)
X = pd.get_dummies(people, dtype=float)
X = (X - X.mean()) / X.std()

infl = fi.Influence.fit(fi.GLM("logistic", l2=0.01), X[:-1], bought[:-1])
found = infl.on_loss(X[-1:], bought[-1:], out=fi.TopK(3))

fig, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
plots.helpful_and_harmful_rows(people[:-1], found, people[-1:], unit="nats", ax=ax)
plt.show()
