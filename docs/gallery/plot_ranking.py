"""
Most helpful and most harmful rows
==================================

Which patients made the model predict another one as badly as it does? ``fi.TopK`` keeps the rows at
both ends without ever holding all scores, and draws them.

A bar to the right: without the row the loss of this prediction would rise, so the row helps. A
hatched bar to the left: it would fall.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer

import fastinfluence as fi

data = load_breast_cancer(as_frame=True)
X = (data.data - data.data.mean()) / data.data.std()
y = data.target_names[data.target]
names = [f"patient {i}" for i in range(len(X))]

infl = fi.Influence.fit(fi.GLM("logistic", l2=0.01), X[:400], y[:400])
found = infl.on_loss(X[400:], y[400:], out=fi.TopK(6))

fig, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
found.plot(test=13, labels=names[:400], unit="nats", ax=ax)
plt.show()
