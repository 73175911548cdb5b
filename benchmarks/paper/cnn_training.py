"""How the paper's convolutional network is trained, and trained on without a row.

Batches are drawn without replacement within a pass. A batch's objective is the mean over its rows
less the removed one, so that on average it is that of the other n − 1 rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize

from benchmarks.paper import cnn_network as network
from benchmarks.paper import data
from benchmarks.paper.study import Array, Clock, now

WEIGHT_DECAY, BATCH, MOMENTUM = 1e-3, 500, 0.95


@dataclass(frozen=True)
class Schedule:
    """Rows, steps and rates of training and of retraining, damping and tolerance of the scores.

    Training is ``adam`` steps at the rates of ``adam_rate``, then L-BFGS iterations in single and
    in double precision; retraining is ``steps`` of ``method`` ("momentum" or "adam"), at a rate
    that falls from ``rate`` to nothing, or stays where ``constant``. ``kind`` is the precision of
    both (a quick run compiles only one).
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
    method: str = "momentum"
    rate: float = 0.002
    drops: tuple[int, ...] = ()

    def adam_rate(self, k: int) -> float:
        """Return the rate of step k of training: half a cosine, or the paper's drops by ten."""
        if self.drops:
            return 1e-4 * 0.1 ** sum(k > drop for drop in self.drops)
        return 0.5 * 0.01 * (1 + np.cos(np.pi * k / self.adam))

    def retraining_rates(self) -> Array:
        """Return the rate of each step of retraining."""
        falling = 1 - np.arange(self.steps) / self.steps
        return self.rate * (falling if self.method == "momentum" else np.ones(self.steps))


FULL = Schedule(5_500, 16_000, 400, 80, 1_000, 100, 0.01, 1e-3, "f4")
QUICK = Schedule(100, 100, 0, 60, 10, 4, 0.5, 1e-1, "f8")
# 11 batches of 500 a pass: the rate falls at passes 10,000 and 20,000, and has fallen twice where
# retraining begins.
PAPER = Schedule(5_500, 500_000, 0, 0, 30_000, 100, 0.01, 1e-3, "f4", "adam", 1e-6,
                 (110_000, 220_000))  # fmt: skip


def load(n: int) -> data.Split:
    """Return the first n of the paper's 5,500 training rows, and the test rows."""
    split = data.ten_digits(dtype=np.float64)
    rows = data.splits()["mnist_small_train_pos"][:n]
    return split._replace(X=split.X[rows], y=split.y[rows])


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


def batches(n: int, steps: int, seed: int) -> Iterator[Array]:
    """Yield the rows of every step, without replacement within a pass over the data."""
    rng, size, done = np.random.default_rng(seed), min(BATCH, n), 0
    while done < steps:
        order = rng.permutation(n)[: n // size * size].reshape(-1, size)[: steps - done]
        yield from order
        done += len(order)


@dataclass
class Adam:
    """The optimiser's state; its rate is given at each step."""

    theta: Array
    k: int = 0
    mean: Array = field(init=False)
    square: Array = field(init=False)

    def __post_init__(self) -> None:
        self.mean, self.square = np.zeros_like(self.theta), np.zeros_like(self.theta)

    def step(self, g: Array, rate: float) -> None:
        self.k += 1
        self.mean += 0.1 * (g - self.mean)
        self.square += 0.001 * (g * g - self.square)
        root = np.sqrt(self.square / (1 - 0.999**self.k)) + 1e-8
        self.theta = self.theta - rate * (self.mean / (1 - 0.9**self.k) / root)


class Training:
    """The objective of all rows, and what trains by it; l2 (p,) is the penalty."""

    def __init__(self, split: data.Split, module: torch.nn.Module, schedule: Schedule) -> None:
        parts = [np.full(v.numel(), WEIGHT_DECAY * (v.ndim > 1)) for v in module.parameters()]
        self.l2, self.y, self.schedule = np.concatenate(parts), split.y, schedule
        self.X = {precision: split.X.astype(precision) for precision in ("f4", "f8")}

    def objective(self, theta: Array, kind: str) -> tuple[float, Array]:
        """Return R and ∇R over all rows, in single or double precision."""
        n = len(self.y)
        rows, w = np.arange(n), np.full(n, 1 / n)
        value, g = network.gradient(theta, self.X[kind], self.y, rows, w)
        return value + 0.5 * (self.l2 * theta) @ theta, g + self.l2 * theta

    def of_batch(self, theta: Array, rows: Array, absent: int = -1) -> Array:
        """Return the gradient of a batch's objective without one of its rows (-1: with all)."""
        w = np.where(rows == absent, 0.0, 1.0)
        X = self.X[self.schedule.kind]
        return network.gradient(theta, X, self.y, rows, w / w.sum())[1] + self.l2 * theta

    def polish(self, theta: Array, iterations: int, kind: str) -> Array:
        """Return theta after L-BFGS on all rows."""
        options = {"maxcor": 50, "maxiter": iterations, "gtol": 1e-9, "ftol": 0.0}
        return minimize(self.objective, theta, (kind,), "L-BFGS-B", jac=True, options=options).x

    def train(self, theta: Array) -> Array:
        """Return theta after the schedule."""
        schedule, adam = self.schedule, Adam(theta)
        for k, rows in enumerate(batches(len(self.y), schedule.adam, seed=0), 1):
            adam.step(self.of_batch(adam.theta, rows), schedule.adam_rate(k))
        theta = adam.theta
        if schedule.single:
            theta = self.polish(theta, schedule.single, "f4")
        return self.polish(theta, schedule.double, "f8") if schedule.double else theta


@dataclass
class Retraining:
    """Training on from one theta with the same batches, with and without a row (-1 is none)."""

    training: Training
    theta: Array
    found: dict[int, Array] = field(default_factory=dict)

    def without(self, row: int) -> Array:
        """Return theta after the steps, kept in double precision."""
        if row not in self.found:
            training, schedule, n = self.training, self.training.schedule, len(self.training.y)
            rows, rates = batches(n, schedule.steps, seed=1), schedule.retraining_rates()
            if schedule.method == "adam":
                adam = Adam(self.theta)
                for batch, rate in zip(rows, rates, strict=True):
                    adam.step(training.of_batch(adam.theta, batch, row), rate)
                theta = adam.theta
            else:
                theta = self.theta.copy()
                network.descend(
                    theta, np.zeros_like(theta), training.X[schedule.kind], training.y,
                    np.array(list(rows)), rates, MOMENTUM, training.l2, row,
                )  # fmt: skip
            self.found[row] = theta
        return self.found[row]

    def __call__(self, rows: Array) -> Array:
        """Return theta for the positions of the rows that stay: all, or all but one."""
        gone = np.setdiff1d(np.arange(len(self.training.y)), rows)
        return self.without(int(gone[0]) if len(gone) else -1)

    def prepare(self, rows: Array, threads: int, clock: Clock, file: Path | None = None) -> None:
        """Retrain without each row on several threads; what the file keeps is not done again."""
        start, before = now(), np.zeros(2)
        if file is not None and file.exists():
            with np.load(file) as kept:
                if np.array_equal(kept["start"], self.theta):
                    self.found.update(zip(kept["rows"].tolist(), kept["theta"], strict=True))
                    before = kept["seconds"]
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(self.without, [-1, *rows.tolist()]):
                if file is not None:
                    self._keep(file, before + now() - start)
        clock.add(f"{len(rows)} retrainings", *(before + now() - start).tolist())

    def _keep(self, file: Path, seconds: Array) -> None:
        """Write what has been found, under a name of its own until it is whole."""
        done, part = dict(self.found), file.with_suffix(".part.npz")
        parts = {"rows": list(done), "theta": list(done.values())}
        np.savez(part, start=self.theta, seconds=seconds, **parts)
        part.replace(file)
