"""Figure 2, right: removal effects in a convolutional network, against training it on.

    python benchmarks/paper/cnn.py [FOLDER] [--quick] [--theta FILE.npz] [--kept FILE.npz]

FOLDER holds mnist.npz and koh2017_splits.npz (default: FASTINFLUENCE_DATA). 5,500 rows of MNIST,
2,616 parameters, tanh, weight decay 0.001 on the weights, damping 0.01, test row 6558. Needs torch.

Training: Adam (16,000 batches of 500, where the paper has 500,000 at a hundredth of the rate), then
L-BFGS on all rows. From that theta 1,000 batches of stochastic gradient descent with momentum, the
same batches with and without a row, at a rate that falls to nothing: the actual change is the
difference of the test row's loss. A batch's objective is the mean over its rows less the removed
one, so on average that of the other n − 1 rows.

The rates sum to the time T = 20 of a gradient flow (by 1/(1 − momentum)). In a direction of
curvature λ that moves (1 − exp(−λT))/λ of the gradient where damped influence has 1/(λ + damping):
the same in stiff ones, less in those under 1/T. T = 1/damping would take five times the rate,
and is beyond what stays near this theta, where λ reaches 150: the test row's loss leaves its place.

Prints Pearson and slope of actual on predicted for the paper's choice, the 100 rows of largest
|prediction| (Pearson 0.875 published), for 50 random ones, and for 50 of each. --theta keeps the
trained parameters, --kept the retrained ones; the first run compiles for a minute. --quick shows
only that it runs: too few rows and steps, and damping 0.1.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cnn_network as network
import numpy as np
import torch
from data import VALIDATION, arguments, parse
from scipy.optimize import minimize

import fastinfluence as fi
from fastinfluence.validation import Agreement

WEIGHT_DECAY, TEST_ROW = 1e-3, 6558
BATCH, MOMENTUM, RATE = 500, 0.95, 0.002
PARAMETERS = 2616
Array = np.ndarray


@dataclass(frozen=True)
class Size:
    """Rows, steps of training, steps and rows of retraining, damping and tolerance of the scores.

    Steps are Adam's, then L-BFGS iterations in single and in double precision; ``kind`` is the
    precision of training and retraining (a quick run compiles only one).
    """

    n: int
    adam: int
    single: int
    double: int
    steps: int
    removals: int
    damping: float
    tol: float
    kind: str


FULL = Size(5_500, 16_000, 400, 80, 1_000, 100, 0.01, 1e-3, "f4")
QUICK = Size(200, 300, 0, 300, 40, 4, 0.1, 1e-2, "f8")


class Data(NamedTuple):
    """Pixels in [0, 1], 784 a row, and classes."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array


def load(folder: Path, n: int) -> Data:
    """Return the first n of the paper's 5,500 training rows, and the test rows."""
    with np.load(folder / "mnist.npz") as file:
        X, y, X_test, y_test = (file[f"{a}_{part}"] for part in ("train", "test") for a in "xy")
    with np.load(folder / "koh2017_splits.npz") as file:
        rows = VALIDATION + file["mnist_small_train_pos"][:n]
    flat = [images.reshape(len(images), -1) / 255.0 for images in (X[rows], X_test)]
    return Data(flat[0], y[rows].astype(np.int64), flat[1], y_test.astype(np.int64))


def untrained() -> torch.nn.Sequential:
    """Return the paper's network at its start: truncated normal weights, biases 0."""
    layers: list[torch.nn.Module] = [torch.nn.Unflatten(1, (1, network.SIDE, network.SIDE))]
    for k, stride in enumerate((1, 2, 1, 2, 1)):
        layers += [torch.nn.Conv2d(8 if k else 1, 8, 3, stride), torch.nn.Tanh()]
    layers += [torch.nn.Conv2d(8, 10, 1), torch.nn.Tanh()]
    layers += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(10, 10)]
    out = torch.nn.Sequential(*layers).double()
    torch.manual_seed(0)
    for value in out.parameters():
        if value.ndim == 1:
            torch.nn.init.zeros_(value)
        else:
            scale = (2 if value.ndim == 4 else 1) / value[0].numel() ** 0.5
            torch.nn.init.trunc_normal_(value, std=scale, a=-2 * scale, b=2 * scale)
    return out


def batches(n: int, steps: int, seed: int) -> Array:
    """Return the rows of every step, without replacement within a pass over the data."""
    rng, size = np.random.default_rng(seed), min(BATCH, n)
    each = n // size
    passes = [rng.permutation(n)[: each * size] for _ in range(-(-steps // each))]
    return np.concatenate(passes).reshape(-1, size)[:steps]


class Training:
    """The objective of all rows, and what trains by it; l2 (p,) is the penalty."""

    def __init__(self, data: Data, module: torch.nn.Module, kind: str) -> None:
        parts = [np.full(v.numel(), WEIGHT_DECAY * (v.ndim > 1)) for v in module.parameters()]
        self.l2, self.y, self.kind = np.concatenate(parts), data.y, kind
        self.X = {precision: data.X.astype(precision) for precision in ("f4", "f8")}

    def objective(self, theta: Array, kind: str) -> tuple[float, Array]:
        """Return R and ∇R over all rows, in single or double precision."""
        n = len(self.y)
        rows, w = np.arange(n), np.full(n, 1 / n)
        value, g = network.gradient(theta, self.X[kind], self.y, rows, w)
        return value + 0.5 * (self.l2 * theta) @ theta, g + self.l2 * theta

    def adam(self, theta: Array, steps: int, rate: float = 0.01) -> Array:
        """Return theta after Adam at a rate that falls to nothing by half a cosine."""
        mean, square = np.zeros_like(theta), np.zeros_like(theta)
        for k, rows in enumerate(batches(len(self.y), steps, seed=0), 1):
            w = np.full(len(rows), 1 / len(rows))
            g = network.gradient(theta, self.X[self.kind], self.y, rows, w)[1] + self.l2 * theta
            mean += 0.1 * (g - mean)
            square += 0.001 * (g * g - square)
            step = mean / (1 - 0.9**k) / (np.sqrt(square / (1 - 0.999**k)) + 1e-8)
            theta = theta - 0.5 * rate * (1 + np.cos(np.pi * k / steps)) * step
        return theta

    def polish(self, theta: Array, iterations: int, kind: str) -> Array:
        """Return theta after L-BFGS on all rows."""
        options = {"maxcor": 50, "maxiter": iterations, "gtol": 1e-9, "ftol": 0.0}
        return minimize(self.objective, theta, (kind,), "L-BFGS-B", jac=True, options=options).x


@dataclass
class Retraining:
    """Training on from one theta with the same batches, with and without a row (-1 is none)."""

    training: Training
    theta: Array
    steps: int
    kind: str
    found: dict[int, Array] = field(default_factory=dict)

    def without(self, row: int) -> Array:
        """Return theta after the steps; theta and its speed are kept in double precision."""
        if row not in self.found:
            theta, n = self.theta.copy(), len(self.training.y)
            rates = RATE * (1 - np.arange(self.steps) / self.steps)
            network.descend(
                theta, np.zeros_like(theta), self.training.X[self.kind], self.training.y,
                batches(n, self.steps, seed=1), rates, MOMENTUM, self.training.l2, row,
            )  # fmt: skip
            self.found[row] = theta
        return self.found[row]

    def __call__(self, rows: Array) -> Array:
        """Return theta for the positions of the rows that stay: all, or all but one."""
        gone = np.setdiff1d(np.arange(len(self.training.y)), rows)
        return self.without(int(gone[0]) if len(gone) else -1)

    def prepare(self, rows: Array, threads: int, file: Path | None) -> None:
        """Retrain without each row on several threads; what the file keeps is not done again."""
        protocol = [self.steps, BATCH, MOMENTUM, RATE]
        if file is not None and file.exists():
            with np.load(file) as kept:
                same = np.array_equal(kept["start"], self.theta)
                if same and np.array_equal(kept["protocol"], protocol):
                    self.found.update(zip(kept["rows"].tolist(), kept["theta"], strict=True))
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(self.without, [-1, *rows.tolist()]):
                if file is not None:
                    done = dict(self.found)
                    parts = {"rows": list(done), "theta": list(done.values())}
                    np.savez(file, start=self.theta, protocol=protocol, **parts)


def trained(training: Training, theta: Array, size: Size, file: Path | None) -> Array:
    """Return the trained theta, from the file where there is one."""
    if file is not None and file.exists():
        with np.load(file) as kept:
            return kept["theta"]
    theta = training.adam(theta, size.adam)
    if size.single:
        theta = training.polish(theta, size.single, "f4")
    theta = training.polish(theta, size.double, "f8")
    if file is not None:
        np.savez(file, theta=theta)
    return theta


def accuracy(module: torch.nn.Module, X: Array, y: Array) -> float:
    with torch.no_grad():
        parts = [module(torch.from_numpy(part)).argmax(1) for part in np.array_split(X, 20)]
    return float((torch.cat(parts).numpy() == y).mean())


def show(name: str, predicted: Array, actual: Array) -> None:
    agreement = Agreement.of(predicted, actual)
    print(
        f"{name:32} {len(actual):4} rows   pearson {agreement.pearson:6.3f}   slope "
        f"{agreement.slope:6.3f}   largest |actual| {np.abs(actual).max():.1e}"
    )


def chosen(predicted: Array, k: int) -> tuple[Array, Array]:
    """Return the k rows of largest |prediction|; random ones but the first half of those."""
    largest = np.argsort(-np.abs(predicted), kind="stable")[:k]
    some = np.random.default_rng(2).permutation(len(predicted))
    return largest, some[~np.isin(some, largest[: k // 2])][: k - k // 2]


def options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--theta", type=Path, help="trained parameters, to read or to write")
    parser.add_argument("--kept", type=Path, help="retrained parameters, to go on from")
    parser.add_argument("--steps", type=int, help="of retraining")
    parser.add_argument("--rows", type=int, help="removed, of largest |prediction|")
    parser.add_argument(
        "--double", type=int, default=0, help="rows retrained in the other precision too"
    )
    parser.add_argument("--threads", type=int, default=1)
    return parse(parser)


def rounding(retraining: Retraining, data: Data, rows: Array) -> float:
    """Return the largest difference of actual changes in the other precision, of the largest."""
    kind = "f4" if retraining.kind == "f8" else "f8"
    other = Retraining(retraining.training, retraining.theta, retraining.steps, kind)
    test = np.array([TEST_ROW]), np.ones(1)

    def changes(of: Retraining) -> Array:
        thetas = [of.without(int(row)) for row in (-1, *rows)]
        losses = [network.gradient(at, data.X_test, data.y_test, *test)[0] for at in thetas]
        return np.array(losses[1:]) - losses[0]

    ours, theirs = changes(retraining), changes(other)
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def main() -> None:
    """Train, score, retrain and print."""
    args = options()
    torch.set_num_threads(args.threads)
    size = QUICK if args.quick else FULL
    data, module = load(Path(args.folder), size.n), untrained()
    start, clock = torch.nn.utils.parameters_to_vector(module.parameters()), time.perf_counter
    if len(start) != PARAMETERS:
        raise SystemExit(f"the network has {len(start)} parameters, the paper's {PARAMETERS}")
    training, began = Training(data, module, size.kind), clock()
    theta = trained(training, start.detach().numpy(), size, args.theta)
    torch.nn.utils.vector_to_parameters(torch.from_numpy(theta), module.parameters())
    value, g = training.objective(theta, "f8")
    print(
        f"n = {size.n}, p = {len(theta)}; trained or read in {clock() - began:.0f} s: R = ", end=""
    )
    print(f"{value:.6f}, ‖∇R‖ = {np.linalg.norm(g):.1e}, accuracy in training ", end="")
    print(f"{accuracy(module, data.X, data.y):.4f}, test {accuracy(module, *data[2:]):.4f}")

    retraining = Retraining(training, theta, args.steps or size.steps, size.kind)
    began, test = clock(), (data.X_test[[TEST_ROW]], data.y_test[[TEST_ROW]])
    infl = fi.Influence.from_torch(
        module, torch.nn.functional.cross_entropy, data.X, data.y, l2=WEIGHT_DECAY,
        damping=size.damping, solver=fi.solvers.CG(size.tol), refit=retraining, batch=100,
    )  # fmt: skip
    predicted = infl.on_loss(*test)[0]
    print(f"scores of all rows on test row {TEST_ROW}: {clock() - began:.0f} s", flush=True)

    began, (largest, others) = clock(), chosen(predicted, args.rows or size.removals)
    rows = np.union1d(largest, others)
    retraining.prepare(rows, args.threads, args.kept)
    removal = infl.leave_one_out(rows, method="refit")
    actual = dict(zip(rows.tolist(), removal.on_loss(*test)[0], strict=True))
    print(f"{len(rows)} rows, {retraining.steps} steps each: {clock() - began:.0f} s")
    groups = {"largest |predicted|": largest, "random": others}
    groups["half of each"] = np.append(largest[: len(largest) // 2], others)
    for name, some in groups.items():
        show(name, predicted[some], np.array([actual[row] for row in some.tolist()]))
    if args.double:
        error = rounding(retraining, data, largest[: args.double])
        print(f"single against double precision, {args.double} rows: {error:.1e} of the largest")


if __name__ == "__main__":
    main()
