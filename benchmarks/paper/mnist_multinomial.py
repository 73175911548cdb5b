"""Ten-class MNIST: predicted against actual leave-one-out (Koh & Liang 2017, figure 2, left).

    python benchmarks/paper/mnist_multinomial.py [FOLDER] [--quick]

FOLDER holds mnist.npz (default: the variable FASTINFLUENCE_DATA). As in the paper: multinomial
logistic regression of 55,000 images (the training set without its first 5,000), 784 pixels in
[0, 1], no intercept, l2 = 0.01; influence on the loss of test image 8, of the 100 rows predicted
to matter most; LiSSA with 10 repeats of 5,000 single rows. Leave-one-out is exact retraining here.
Fails where the predictions do not agree. ``--quick`` takes a tenth of the rows and 20 removals.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import fastinfluence as fi
from fastinfluence.solvers import CG, Conditioning, LiSSA, Solution
from fastinfluence.validation import Agreement

VALIDATION, TEST_ROW, WEIGHT_DECAY = 5_000, 8, 0.01
FULL, QUICK = (55_000, 100), (5_500, 20)


@dataclass(frozen=True)
class Prepared:
    """Multiplication by a diagonal where others solve."""

    inverse: np.ndarray
    conditioning: Conditioning = field(default_factory=Conditioning)

    def apply(self, B: np.ndarray) -> np.ndarray:
        return self.inverse[:, None] * B

    def solve(self, B: np.ndarray) -> Solution:
        t = B.shape[1]
        return Solution(
            x=self.apply(B),
            converged=np.ones(t, dtype=bool),
            iterations=np.zeros(t, dtype=np.intp),
            residual_norms=np.zeros(t),
            error_bound=np.zeros(t),
            std_error=None,
            status=("approximation",) * t,
        )


@dataclass(frozen=True)
class Approximation:
    """No inverse at all: H is replaced by the identity or by its diagonal."""

    name: str

    def prepare(self, operator: Any) -> Prepared:
        diagonal = operator.diagonal() if self.name == "diagonal" else np.ones(operator.shape[0])
        return Prepared(1.0 / diagonal)


@dataclass(frozen=True)
class Data:
    X: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load(folder: Path, n: int) -> Data:
    """Return n training rows and the test row, pixels / 255 in single precision."""
    with np.load(folder / "mnist.npz") as file:
        train, test = (file[f"x_{part}"] for part in ("train", "test"))
        pixels = [
            images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
            for images in (train[VALIDATION : VALIDATION + n], test[[TEST_ROW]])
        ]
        labels = file["y_train"][VALIDATION : VALIDATION + n], file["y_test"][[TEST_ROW]]
    return Data(pixels[0], labels[0], pixels[1], labels[1])


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    out = call()
    return out, time.perf_counter() - start


def scores(infl: fi.Influence, data: Data, solver: Any) -> tuple[np.ndarray, fi.Influence]:
    """Return the effects of all rows on the test row's loss by one solver."""
    settings = replace(infl._settings, solver=solver)
    other = fi.Influence._of(infl._problem, infl.theta, settings)
    with warnings.catch_warnings():  # LiSSA's bias bound is printed with its scores
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        return other.on_loss(data.x_test, data.y_test)[0], other


def show(name: str, agreement: Agreement, seconds: float, more: str = "") -> None:
    print(
        f"{name:12} pearson {agreement.pearson:8.5f}   slope {agreement.slope:9.5f}   "
        f"{seconds:7.1f} s   {more}"
    )


def lissa_bias(infl: fi.Influence, data: Data) -> float:
    """Return the stated bias bound of LiSSA's solution, relative to its length."""
    test = infl._problem.test_rows(data.x_test, data.y_test)
    solution = infl.ihvp(infl._engine.loss_gradients(test).T)
    return float(solution.bias_bound[0] / np.linalg.norm(solution.x[:, 0]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("FASTINFLUENCE_DATA"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.folder is None:
        parser.error("name the folder of mnist.npz, or set FASTINFLUENCE_DATA")
    n, k = QUICK if options.quick else FULL
    data = load(Path(options.folder), n)
    spec = fi.GLM("multinomial", l2=WEIGHT_DECAY, fit_intercept=False)
    infl, seconds = timed(lambda: fi.Influence.fit(spec, data.X, data.y))
    print(f"n = {n}, p = {infl.theta.size}, l2 = {WEIGHT_DECAY}, float32 rows")
    print(f"fit: {seconds:.1f} s, ‖∇R‖ = {infl.gradient_norm:.1e}, {infl.fit_status.message}")

    found = {}
    for name, solver in {
        "CG": CG(),
        "LiSSA": LiSSA(depth=5000, repeats=10),
        "H = I": Approximation("identity"),
        "diagonal H": Approximation("diagonal"),
    }.items():
        (values, other), took = timed(lambda solver=solver: scores(infl, data, solver))
        found[name] = values, took, other
    rows = np.argsort(-np.abs(found["CG"][0]), kind="stable")[:k]
    removal, took = timed(lambda: infl.leave_one_out(rows, method="exact"))
    actual = removal.on_loss(data.x_test, data.y_test)[0]
    print(
        f"exact leave-one-out of {k} rows: {took:.1f} s, largest ‖∇R₋ᵢ‖ = "
        f"{removal.gradient_norms.max():.1e}, {removal.iterations.mean():.1f} chords each"
    )
    agreements = {}
    bias = lissa_bias(found["LiSSA"][2], data)
    for name, (values, seconds, _) in found.items():
        agreements[name] = Agreement.of(values[rows], actual)
        more = f"stated bias at most {bias:.0%} of ‖x‖" if name == "LiSSA" else ""
        show(name, agreements[name], seconds, more)
    return 0 if agreed(agreements, bias, infl.gradient_norm, options.quick) else 1


def agreed(agreements: dict[str, Agreement], bias: float, gradient: float, quick: bool) -> bool:
    """Print each requirement and whether it holds."""
    cg, lissa = agreements["CG"], agreements["LiSSA"]
    slack = 0.2 if quick else 0.02
    low, high = 1 / (1 + bias) - slack, (1 / (1 - bias) if bias < 1 else np.inf) + slack
    checks = {
        "‖∇R‖ ≤ 1e-9": gradient <= 1e-9,
        "CG: pearson ≥ 0.999": cg.pearson >= 0.999,
        f"CG: slope in {1 - slack:g} to {1 + slack:g}": abs(cg.slope - 1) <= slack,
        "LiSSA: pearson ≥ 0.99": lissa.pearson >= 0.99,
        f"LiSSA: slope in {low:.2f} to {high:.2f}, by the bias bound": low <= lissa.slope <= high,
    }
    for name, holds in checks.items():
        print(f"{'ok    ' if holds else 'FAILED'} {name}")
    return all(checks.values())


if __name__ == "__main__":
    sys.exit(main())
