"""
Helpful and harmful images
==========================

Which training images made the model read one digit as it does? The caption of each gives its row,
its label, and the predicted change of the test loss (in nats) when it is removed.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import fastinfluence as fi
from fastinfluence import plots

data = load_digits(n_class=5)
X, y = data.data[:700] / 16, data.target[:700]
test = 855  # a three

infl = fi.Influence.fit(fi.GLM("multinomial", l2=0.003), X, y)
found = infl.on_loss(data.data[[test]] / 16, data.target[[test]], out=fi.TopK(5))

fig, ax = plt.subplots(figsize=(7.8, 4.2), layout="constrained")
plots.helpful_and_harmful_images(
    data.images[:700],
    found,
    data.images[test],
    captions=y,
    test_caption=f"label {data.target[test]}",
    unit="nats",
    ax=ax,
)
plt.show()
