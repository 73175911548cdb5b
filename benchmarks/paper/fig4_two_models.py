"""Figure 4, section 5.1: an RBF SVM and frozen features see the same images differently.

    python -m benchmarks.paper.fig4_two_models [--quick]

The paper has dogs and fish, whose images are not public. Stand-ins: 1,800 images of a 3 or a 5
(half and half; 600 test images) for an RBF SVM on pixels and, of the same images, for logistic
regression on the 128 hidden units of a network that was trained on the other eight digits and
frozen; and Inception's features of flowers, whose pixels are not at hand, so that distance is in
features.

Influence on the hardest test image that both models get right, by the distance of the training
image from it; over twenty such images the share of |influence| that the nearest tenth of the rows
carry, its rank correlation with distance, and whether the help comes from rows of the same label.
The rows of largest influence are left out and each model is retrained.
"""

from __future__ import annotations

import warnings

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

import fastinfluence as fi
from benchmarks.paper import data, study
from benchmarks.paper.study import BLUE, ORANGE, Array, Clock, Result

WEIGHT_DECAY, GAMMA, TEMPERATURE, SEED = 1e-3, 0.02, 1e-3, 0
TEMPERATURES = (3e-3, 1e-2, 1e-1)
DIGITS, HIDDEN, HELPFUL, IMAGES = (3, 5), 128, 20, 20
TITLES = {
    "rbf": "RBF SVM on pixels",
    "frozen": "frozen features, same images",
    "flowers": "flowers, Inception features",
}

Others = dict[str, fi.Influence]


def halves(split: data.Split, n_train: int, n_test: int) -> data.Split:
    """Return as many rows of each class, at random."""
    rng = np.random.default_rng(SEED)

    def draw(y: Array, n: int) -> Array:
        parts = [rng.choice(np.flatnonzero(y == s), n, replace=False) for s in (1, -1)]
        return np.concatenate(parts)

    train, test = draw(split.y, n_train), draw(split.y_test, n_test)
    return data.Split(split.X[train], split.y[train], split.X_test[test], split.y_test[test])


def frozen_features(split: data.Split, n: int) -> data.Split:
    """Return the hidden units of a network that has never seen the two digits."""
    digits = data.ten_digits(dtype=np.float64)
    others = np.flatnonzero(~np.isin(digits.y, DIGITS))[:n]
    network = MLPClassifier((HIDDEN,), alpha=1e-3, max_iter=15, early_stopping=True,
                            n_iter_no_change=15, random_state=SEED)  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fifteen passes are enough
        network.fit(digits.X[others], digits.y[others])
    W, b = network.coefs_[0], network.intercepts_[0]

    def hidden(X: Array) -> Array:
        return np.maximum(X @ W + b, 0)

    return split._replace(X=hidden(split.X), X_test=hidden(split.X_test))


def distances(X: Array, at: Array) -> Array:
    """Return ‖x − at‖ for every row, (n,)."""
    return np.linalg.norm(X - at, axis=1)


def help_of(scores: Array, part: Array) -> float:
    """Return the share of the rows' helpful influence that comes from some of them."""
    helpful = np.maximum(scores, 0)
    return float(helpful[part].sum() / helpful.sum())


def describe(scores: Array, apart: Array, y: Array, y_test: Array) -> Result:
    """Return means over test rows of what influence has to do with distance and label."""
    size = np.abs(scores)
    tenth = [np.argsort(row)[: len(row) // 10] for row in apart]
    best = [np.argsort(-row, kind="stable")[:HELPFUL] for row in scores]
    pairs = list(zip(size, apart, strict=True))
    return {
        "rank_correlation": float(np.mean([spearmanr(a, b).statistic for a, b in pairs])),
        "share_of_nearest_tenth": float(
            np.mean([a[t].sum() / a.sum() for a, t in zip(size, tenth, strict=True)])),
        "helpful_of_same_label": float(
            np.mean([np.mean(y[b] == label) for b, label in zip(best, y_test, strict=True)])),
        "help_of_other_label": float(
            np.mean([help_of(row, y != label) for row, label in zip(scores, y_test, strict=True)])),
    }  # fmt: skip


def logistic(split: data.Split) -> fi.Influence:
    spec = fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False)
    return fi.Influence.fit(spec, split.X, split.y)


def retrained(
    infl: fi.Influence, method: str, k: int, test: tuple, clock: Clock, others: Others | None = None
) -> Result:
    """Return how far influence and a Newton step agree with retraining, on the k strongest rows.

    ``others`` are models of other temperatures, whose influence is compared too.
    """
    rows = study.largest(infl.on_loss(*test)[0], k)
    found = {}
    for name in ("influence", "newton", method):
        with clock(f"{k} removals, {name}"):
            found[name] = infl.leave_one_out(rows, method=name).on_loss(*test)[0]
    actual = found.pop(method)
    found |= {name: other.on_loss(*test)[0, rows] for name, other in (others or {}).items()}
    return {name: study.agreement(values, actual) for name, values in found.items()}


def points(scores: Array, apart: Array, same: Array) -> Result:
    """Return influence (in units of the largest) against distance, for the figure."""
    return {
        "influence": np.round(scores / np.abs(scores).max(), 4),
        "distance": np.round(apart, 2),
        "same_label": same.astype(int),
    }


def helpful_images(split: data.Split, scores: Array, k: int = 4) -> Result:
    """Return the most helpful training images, and whether they have the test row's label."""
    best = np.argsort(-scores, kind="stable")[:k]
    return {"pixels": np.rint(255 * split.X[best]).astype(int), "y": split.y[best]}


def run(quick: bool) -> Result:
    """Fit the three models, score, and retrain."""
    clock = Clock()
    size, network, k = ((150, 50), 3000, 5) if quick else ((900, 300), 40_000, 50)
    split = halves(data.two_digits(*DIGITS), *size)
    with clock("training of the frozen network"):
        features = frozen_features(split, network)
    with clock("fits"):
        C = 1 / (len(split.y) * WEIGHT_DECAY)
        model = SVC(C=C, gamma=GAMMA, tol=1e-6).fit(split.X, split.y)
        rbf = fi.Influence.from_estimator(model, split.X, split.y, temperature=TEMPERATURE)
        frozen = logistic(features)
        flowers = data.flowers(300 if quick else 1000)
        inception = logistic(flowers)
    temperatures = {
        "rbf": {
            f"t_{t:g}": fi.Influence.from_estimator(model, split.X, split.y, temperature=t)
            for t in TEMPERATURES
        }
    }
    margin = split.y_test * model.decision_function(split.X_test)
    other = features.y_test * (features.X_test @ frozen.theta)
    hard = np.flatnonzero((margin > 0) & (other > 0))
    hard = hard[np.argsort(margin[hard], kind="stable")][:IMAGES]
    flower = flowers.y_test * (flowers.X_test @ inception.theta)
    hard_flower = np.argsort(np.where(flower > 0, flower, np.inf), kind="stable")[:IMAGES]
    test, test_features = ((s.X_test[hard], s.y_test[hard]) for s in (split, features))
    test_flowers = flowers.X_test[hard_flower], flowers.y_test[hard_flower]
    with clock("influence"):
        scores = {
            "rbf": rbf.on_loss(*test),
            "frozen": frozen.on_loss(*test_features),
            "flowers": inception.on_loss(*test_flowers),
        }
    pixel = np.array([distances(split.X, x) for x in test[0]])
    apart = {"rbf": pixel, "frozen": pixel,
             "flowers": np.array([distances(flowers.X, x) for x in test_flowers[0]])}  # fmt: skip
    labels = {"rbf": (split.y, test[1]), "frozen": (split.y, test[1]),
              "flowers": (flowers.y, test_flowers[1])}  # fmt: skip
    first = {"rbf": (rbf, "refit", test), "frozen": (frozen, "exact", test_features),
             "flowers": (inception, "exact", test_flowers)}  # fmt: skip
    return {
        "seconds": clock.seconds,
        "settings": {
            "digits": list(DIGITS), "n": len(split.y), "hidden": HIDDEN, "gamma": GAMMA, "C": C,
            "weight_decay": WEIGHT_DECAY, "temperature": TEMPERATURE, "images": len(hard),
            "helpful": HELPFUL, "seed": SEED, "rows_left_out": k,
        },
        "accuracy": {
            "rbf": float((margin > 0).mean()), "frozen": float((other > 0).mean()),
            "flowers": float((flower > 0).mean()),
        },
        "support_vectors": len(model.support_),
        "by_distance": {
            name: describe(scores[name], apart[name], *labels[name]) for name in TITLES
        },
        "rank_correlation_of_the_two": float(
            np.mean([spearmanr(a, b).statistic for a, b in
                     zip(scores["rbf"], scores["frozen"], strict=True)])),
        "against_retraining": {
            name: retrained(infl, method, k, (X[:1], y[:1]), clock, temperatures.get(name))
            for name, (infl, method, (X, y)) in first.items()
        },
        "points": {
            name: points(scores[name][0], apart[name][0], labels[name][0] == labels[name][1][0])
            for name in TITLES
        },
        "images": {
            "test": np.rint(255 * test[0][0]).astype(int), "label": float(test[1][0]),
            **{name: helpful_images(split, scores[name][0]) for name in ("rbf", "frozen")},
        },
    }  # fmt: skip


def strip(figure: Figure, grid, result: Result) -> None:
    """Draw the test image, and the most helpful images of both models."""
    images, digit = result["images"], {1: DIGITS[0], -1: DIGITS[1]}
    shown = [(f"test image\na {digit[images['label']]}", images["test"])]
    for name, title in (("rbf", "RBF"), ("frozen", "frozen")):
        kept = images[name]
        for k, (pixels, y) in enumerate(zip(kept["pixels"], kept["y"], strict=True), 1):
            shown.append((f"{title}, {k}.\na {digit[y]}", pixels))
    for at, (title, pixels) in enumerate(shown):
        ax = figure.add_subplot(grid[1, at])
        ax.imshow(np.reshape(pixels, (28, 28)))
        ax.set_title(title, fontsize=7.5)
        ax.set_axis_off()


def draw(result: Result) -> dict[str, Figure]:
    """Draw influence against distance for the three models, and the images."""
    figure = Figure(figsize=(7.6, 4.4), layout="constrained")
    grid = figure.add_gridspec(2, 9, height_ratios=[3, 1])
    for at, (name, title) in enumerate(TITLES.items()):
        ax = figure.add_subplot(grid[0, 3 * at : 3 * at + 3])
        kept = {key: np.array(values) for key, values in result["points"][name].items()}
        same = kept["same_label"] == 1
        for part, colour, marker, label in (
            (~same, ORANGE, "o", "other label"), (same, BLUE, "^", "label of the test image")
        ):  # fmt: skip
            ax.plot(kept["distance"][part], kept["influence"][part], marker, color=colour, ms=2.5,
                    mew=0, alpha=0.6, label=label)  # fmt: skip
        told = result["by_distance"][name]
        share = told["share_of_nearest_tenth"]
        ax.set_title(f"{title}\nnearest tenth of rows: {share:.0%}")
        ax.set_xlabel("feature distance" if name == "flowers" else "pixel distance (Euclidean)")
        ax.set_ylim(-1.1, 1.1)
        if not at:
            ax.set_ylabel("influence on the test loss\n(units of the largest)")
            ax.legend(loc="lower right", markerscale=2, handletextpad=0.1)
    strip(figure, grid, result)
    return {"fig4_two_models": figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
