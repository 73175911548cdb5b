"""Appendix B: at weights that are no optimum, influence predicts the Newton step's response.

    python -m benchmarks.paper.appendix_newton [--quick]

A network (7 × 7 pixels, 16 tanh units, 10 classes; 5,500 rows of MNIST, the paper's draw) stopped
after some passes of Adam, where the gradient is far from zero and H has negative eigenvalues;
damping makes it positive. For the rows of largest |prediction| and as many random ones: one Newton
step from those weights on the objective without the row, less the same step with it, each with the
damped H of its own objective, against influence on the ten test rows of largest loss: what the two
steps' difference does to the loss to first order ("parameters"), and what the loss at their ends
differs by. The steps are made here, by dense matrices. (The paper's network is convolutional; its H
would take an hour.)
"""

from __future__ import annotations

import warnings

import numpy as np
from matplotlib.figure import Figure
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import fastinfluence as fi
from benchmarks.paper import data, study
from benchmarks.paper.study import BLUE, ORANGE, Array, Clock, Result

HIDDEN, PASSES, WEIGHT_DECAY, SEED = 16, 200, 1e-3, 0
DAMPINGS = (0.01, 0.03, 0.1)
TESTS, POOL = 10, 2000


def table(n: int) -> data.Split:
    """Return the paper's rows, coarser, and test rows."""
    rows = data.splits()["mnist_small_train_pos"][:n]
    split = data.ten_digits(dtype=np.float64).coarser(4)
    return data.Split(split.X[rows], split.y[rows], split.X_test[:POOL], split.y_test[:POOL])


def stopped(split: data.Split, passes: int) -> Array:
    """Return theta of the network after a few passes."""
    model = MLPClassifier((HIDDEN,), "tanh", alpha=0.0, max_iter=passes, random_state=SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(split.X, split.y)
    parts = zip(model.coefs_, model.intercepts_, strict=True)
    return np.concatenate([part.ravel() for layer in parts for part in layer])


def losses(theta: Array, X: Array, y: Array) -> Array:
    """Return cross-entropies of rows, (t,)."""
    d, K = X.shape[1], 10
    sizes = np.cumsum([d * HIDDEN, HIDDEN, HIDDEN * K])
    W1, b1, W2, b2 = np.split(theta, sizes)
    f = np.tanh(X @ W1.reshape(d, HIDDEN) + b1) @ W2.reshape(HIDDEN, K) + b2
    return logsumexp(f, axis=1) - f[np.arange(len(y)), y]


def slope(theta: Array, direction: Array, X: Array, y: Array) -> Array:
    """Return the derivative of losses along a direction, by central differences, (t,)."""
    small = 1e-4 / np.linalg.norm(direction) * direction
    change = losses(theta + small, X, y) - losses(theta - small, X, y)
    return change * np.linalg.norm(direction) / 2e-4


class Steps:
    """Newton steps from one theta, with and without a row, by dense matrices.

    The objective is a mean: without row i it is (n R − R_i)/(n − 1), where R_i is the row's own
    loss with the whole penalty. R_i is a table whose other rows, one of each class, weigh nothing.
    """

    def __init__(self, infl: fi.Influence, split: data.Split, damping: float) -> None:
        self.infl, self.split, self.damping, self.n = infl, split, damping, len(split.y)
        self.classes = np.array([np.flatnonzero(split.y == k)[0] for k in range(10)])
        self.H, self.g = self.derivatives(infl)
        self.end = infl.theta - np.linalg.solve(self.H, self.g)

    def derivatives(self, infl: fi.Influence) -> tuple[Array, Array]:
        """Return damped H and ∇R."""
        return infl.hessian.dense(), np.asarray(infl._engine.gradient)

    def without(self, row: int) -> Array:
        """Return where the step without a row ends, (p,)."""
        rows, weight = np.append(row, self.classes), np.zeros(11)
        weight[0] = 1.0
        alone = fi.Influence(
            self.infl.spec, self.split.X[rows], self.split.y[rows], self.infl.theta,
            sample_weight=weight, damping=self.damping, n_threads=1,
        )  # fmt: skip
        H, g = self.derivatives(alone)
        H, g = (self.n * self.H - H) / (self.n - 1), (self.n * self.g - g) / (self.n - 1)
        return self.infl.theta - np.linalg.solve(H, g)


def compare(split: data.Split, theta: Array, damping: float, k: int, clock: Clock) -> Result:
    """Return agreement at one damping, and the points of one test row."""
    spec = fi.MLP((HIDDEN,), "tanh", "multinomial", l2=WEIGHT_DECAY)
    infl = fi.Influence(spec, split.X, split.y, theta, damping=damping)
    hard = study.largest(losses(theta, split.X_test, split.y_test), TESTS)
    test = split.X_test[hard], split.y_test[hard]
    with clock("influence"):
        scores = infl.on_loss(*test)
    top = study.largest(scores[0], k)
    others = np.setdiff1d(np.arange(len(split.y)), top)
    rows = np.concatenate([top, np.random.default_rng(SEED).choice(others, k, replace=False)])
    with clock("Newton steps, dense"):
        steps = Steps(infl, split, damping)
        ends = [steps.without(int(row)) for row in rows]
    before = losses(steps.end, *test)
    actual = np.array([losses(end, *test) - before for end in ends]).T
    along = np.array([slope(theta, end - steps.end, *test) for end in ends]).T
    each = [study.agreement(a, b) for a, b in zip(scores[:, rows], actual, strict=True)]
    return {
        "lambda_min": float(np.linalg.eigvalsh(steps.H)[0] - damping),
        "step_length": float(np.linalg.norm(steps.end - theta)),
        "parameters": study.agreement(scores[0, rows], along[0]),
        "strongest": study.agreement(scores[0, top], actual[0, :k]),
        "random": study.agreement(scores[0, rows[k:]], actual[0, k:]),
        "all_tests_mean_pearson": float(np.mean([one["pearson"] for one in each])),
        "all_tests_least_pearson": float(min(one["pearson"] for one in each)),
        "points": {"predicted": scores[0, rows], "actual": actual[0], "top": k},
    }


def run(quick: bool) -> Result:
    """Stop a network early, and compare at each damping."""
    clock = Clock()
    n, passes = (600, 500) if quick else (5500, PASSES)
    split = table(n)
    with clock("training"):
        theta = stopped(split, passes)
    spec = fi.MLP((HIDDEN,), "tanh", "multinomial", l2=WEIGHT_DECAY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)  # no optimum: that is the question
        infl = fi.Influence(spec, split.X, split.y, theta)
        found = {
            f"damping_{damping:g}": compare(split, theta, damping, 4 if quick else 100, clock)
            for damping in (DAMPINGS[1:2] if quick else DAMPINGS)
        }
    right = losses(theta, split.X_test, split.y_test) < np.log(2)
    return {
        "seconds": clock.seconds,
        "settings": {
            "n": len(split.y), "p": len(theta), "hidden": HIDDEN, "weight_decay": WEIGHT_DECAY,
            "passes": passes, "tests": TESTS, "seed": SEED,
        },
        "gradient_norm": infl.gradient_norm,
        "test_rows_of_probability_above_half": float(right.mean()),
        **found,
    }  # fmt: skip


def draw(result: Result) -> dict[str, Figure]:
    """Draw the Newton steps' responses against influence, a panel for each damping."""
    names = [name for name in result if name.startswith("damping_")]
    figure, axes = study.panels(len(names), height=3.0)
    for ax, name in zip(axes, names, strict=True):
        told = result[name]
        kept = told["points"]
        x, y = (1e3 * np.array(kept[key]) for key in ("predicted", "actual"))
        k = kept["top"]
        parts = (
            (slice(0, k), BLUE, "o", "largest |prediction|"),
            (slice(k, None), ORANGE, "^", "random rows"),
        )
        for part, colour, marker, label in parts:
            ax.plot(x[part], y[part], marker, color=colour, ms=3, mew=0, alpha=0.7, label=label)
        study.diagonal(ax, x, y, "equal")
        pearson = told["strongest"]["pearson"]
        ax.set_title(f"damping {name.removeprefix('damping_')}\nR = {pearson:.3f} (strongest rows)")
        ax.set_xlabel("influence (10⁻³ nats)")
        ax.locator_params(nbins=5)
    axes[0].set_ylabel("Newton step without the row less\nNewton step with it (10⁻³ nats)")
    axes[0].legend(loc="upper left", handletextpad=0.2)
    return {"appendix_newton": figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
