"""Figure 2, right: removal effects in a convolutional network, against training it on.

    python -m benchmarks.paper.fig2_cnn [--quick]

5,500 rows of MNIST, 2,616 parameters, tanh, weight decay 0.001 on the weights, damping 0.01, test
row 6558; the 100 rows of largest |prediction| (the paper's choice) and 50 random ones. Needs torch.

Training: Adam (16,000 batches of 500, where the paper has 500,000 at a hundredth of the rate), then
L-BFGS on all rows; not converged. From that theta 1,000 batches of stochastic gradient descent with
momentum, the same batches with and without a row, at a rate that falls to nothing: the actual
change is the difference of the test row's loss. (``fig2_cnn_full`` has the paper's schedule.)

The rates sum to the time T = 20 of a gradient flow (by 1/(1 − momentum)). In a direction of
curvature λ that moves (1 − exp(−λT))/λ of the gradient where damped influence has 1/(λ + damping):
the same in stiff ones, less in those under 1/T. T = 1/damping would take five times the rate,
and is beyond what stays near this theta, where λ reaches 150: the test row's loss leaves its place.

Where the variable FASTINFLUENCE_PAPER_KEEP names a folder, trained and retrained parameters are
kept there, so that an interrupted run goes on; the seconds are then those of all its parts.
``--quick`` shows only that it runs: too few rows and steps, and damping 0.5.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

import fastinfluence as fi
from benchmarks.paper import cnn_network as network
from benchmarks.paper import data, study
from benchmarks.paper.cnn_training import (
    FULL,
    QUICK,
    WEIGHT_DECAY,
    Retraining,
    Schedule,
    Training,
    load,
    untrained,
)  # fmt: skip
from benchmarks.paper.study import BLUE, ORANGE, Array, Clock, Result

TEST_ROW, WORKERS = 6558, 2


def kept(name: str) -> Path | None:
    """Return the file where numbers are kept between runs, if any are."""
    folder = os.environ.get("FASTINFLUENCE_PAPER_KEEP")
    return Path(folder) / f"{name}.npz" if folder else None


def remembered(name: str, part: str, clock: Clock, make: Callable[[], Array]) -> Array:
    """Return an array, made now or in an earlier run, and count the seconds that it took."""
    file = kept(name)
    if file is not None and file.exists():
        with np.load(file) as found:
            clock.add(part, *found["seconds"].tolist())
            return found["values"]
    with clock(part):
        values = make()
    if file is not None:
        seconds = clock.seconds[part]
        np.savez(file, values=values, seconds=[seconds["wall"], seconds["cpu"]])
    return values


def accuracy(theta: Array, X: Array, y: Array, module: torch.nn.Module) -> float:
    """Return the share of rows that are rightly classified."""
    with torch.no_grad():
        parts = [module(torch.from_numpy(part)).argmax(1) for part in np.array_split(X, 20)]
    return float((torch.cat(parts).numpy() == y).mean())


def chosen(predicted: Array, k: int) -> tuple[Array, Array]:
    """Return the k rows of largest |prediction|, and half as many random ones but half of those."""
    largest = study.largest(predicted, k)
    some = np.random.default_rng(2).permutation(len(predicted))
    return largest, some[~np.isin(some, largest[: k // 2])][: k - k // 2]


def measure(name: str, schedule: Schedule) -> Result:
    """Train, score, train on without rows, and compare."""
    clock, split, module = Clock(), load(schedule.n), untrained()
    start = torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy()
    training = Training(split, module, schedule)
    theta = remembered(f"{name}-theta", "training", clock, lambda: training.train(start))
    torch.nn.utils.vector_to_parameters(torch.from_numpy(theta), module.parameters())
    value, gradient = training.objective(theta, "f8")
    retraining = Retraining(training, theta)
    test = split.X_test[[TEST_ROW]], split.y_test[[TEST_ROW]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)  # no optimum, as in the paper
        infl = fi.Influence.from_torch(
            module, torch.nn.functional.cross_entropy, split.X, split.y, l2=WEIGHT_DECAY,
            damping=schedule.damping, solver=fi.solvers.CG(schedule.tol), refit=retraining,
            batch=100,
        )  # fmt: skip
        predicted = remembered(
            f"{name}-scores", "scores of all rows", clock, lambda: infl.on_loss(*test)[0]
        )
    largest, random = chosen(predicted, schedule.removals)
    rows = np.union1d(largest, random)
    retraining.prepare(rows, WORKERS, clock, kept(f"{name}-retrained"))
    found = infl.leave_one_out(rows, method="refit").on_loss(*test)[0]
    actual = dict(zip(rows.tolist(), found, strict=True))
    groups = {"largest": largest, "random": random}
    changes = {
        key: np.array([actual[row] for row in some.tolist()]) for key, some in groups.items()
    }
    if kept(name):  # the total of all runs, not of the last
        parts = list(clock.seconds.values())
        clock.add("total", *(sum(part[k] for part in parts) for k in ("wall", "cpu")))
    return {
        "seconds": clock.seconds,
        "settings": {
            "n": schedule.n, "p": network.N_PARAMETERS, "weight_decay": WEIGHT_DECAY,
            "damping": schedule.damping, "test_row": TEST_ROW, "training_steps": schedule.adam,
            "retraining_steps": schedule.steps, "rows": len(largest), "seeds": [0, 1, 2],
        },
        "objective": value,
        "gradient_norm": float(np.linalg.norm(gradient)),
        "train_accuracy": accuracy(theta, split.X, split.y, module),
        "test_accuracy": accuracy(theta, split.X_test, split.y_test, module),
        "against_retraining": {
            key: study.agreement(predicted[some], changes[key]) for key, some in groups.items()
        },
        "points": {
            key: {"predicted": predicted[some], "actual": changes[key]}
            for key, some in groups.items()
        },
    }  # fmt: skip


def run(quick: bool) -> Result:
    """Run at one of two sizes."""
    return measure("quick" if quick else "cnn", QUICK if quick else FULL)


def draw(result: Result) -> dict[str, Figure]:
    """Draw the changes by training on against the predictions."""
    published = data.published()["fig2"]["cnn_pearson_100_points"]
    figure, axes = study.panels(2, height=3.3)
    titles = {"largest": "the rows of largest |prediction|", "random": "random rows"}
    for ax, (key, title), colour in zip(axes, titles.items(), (BLUE, ORANGE), strict=True):
        points = {k: 1e3 * np.array(v) for k, v in result["points"][key].items()}
        told = result["against_retraining"][key]
        label = f"R = {told['pearson']:.3f}, slope {told['slope']:.2f}"
        label += f"\n(paper: R = {published:.3f})" if key == "largest" else ""
        x, y = points["predicted"], points["actual"]
        ax.plot(x, y, "o", color=colour, ms=3.5, mew=0, alpha=0.75, label=label)
        study.diagonal(ax, x, y)
        ax.set_title(f"{len(x)} {title}" if key == "random" else f"the {len(x)}{title[3:]}")
        ax.set_xlabel("predicted change of the test loss (10⁻³ nats)")
        ax.legend(loc="upper left")
    axes[0].set_ylabel("change by training on\nwithout the row (10⁻³ nats)")
    return {result["experiment"]: figure}


if __name__ == "__main__":
    study.main(__file__, __doc__)
