"""The data of Koh & Liang's experiments, from the folder named by FASTINFLUENCE_DATA.

- ``mnist.npz``: the arrays x_train (60000, 28, 28), y_train, x_test, y_test of MNIST (OpenML's
  ``mnist_784``, or the original idx files), saved by ``numpy.savez``.
- ``flowers_inception_v3.npz``: features (1274, 2048) and labels of the daisies (0) and roses (1) of
  TensorFlow's flower photos, pooled by Inception v3: a stand-in for the paper's dogs and fish.
"""

import argparse
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
VALIDATION = 5000  # first rows of MNIST's training set, which the paper set aside


class Split(NamedTuple):
    """Training and test rows; y is -1 or 1."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array


def arguments(text: str) -> argparse.ArgumentParser:
    """Return a parser that knows the data's folder and --quick."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("FASTINFLUENCE_DATA"))
    parser.add_argument("--quick", action="store_true", help="fewer rows, a minute at most")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the arguments; say how to get the data where no folder is named."""
    args = parser.parse_args()
    if not args.folder:
        parser.error(f"name the folder of the data, or set FASTINFLUENCE_DATA\n\n{__doc__}")
    return args


def mnist(folder: str | Path, one: int, other: int) -> Split:
    """Return two digits, pixels in [0, 1]; ``one`` is the positive class."""
    with np.load(Path(folder) / "mnist.npz") as file:
        train = _digits(file["x_train"][VALIDATION:], file["y_train"][VALIDATION:], one, other)
        test = _digits(file["x_test"], file["y_test"], one, other)
    return Split(*train, *test)


def _digits(images: npt.NDArray[np.uint8], labels: Array, one: int, other: int) -> tuple:
    chosen = np.isin(labels, (one, other))
    X = images[chosen].reshape(int(chosen.sum()), -1).astype(np.float64) / 255
    return X, np.where(labels[chosen] == one, 1.0, -1.0)


def flowers(folder: str | Path, n_train: int = 1000, seed: int = 0) -> Split:
    """Return the flowers in a random split."""
    with np.load(Path(folder) / "flowers_inception_v3.npz") as file:
        X, y = file["features"].astype(np.float64), np.where(file["labels"] == 1, 1.0, -1.0)
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[:n_train], order[n_train:]
    return Split(X[train], y[train], X[test], y[test])


def correlation(predicted: Array, actual: Array) -> float:
    """Return Pearson's correlation."""
    return float(np.corrcoef(predicted, actual)[0, 1])


def slope(predicted: Array, actual: Array) -> float:
    """Return the slope of actual on predicted through the origin."""
    return float(predicted @ actual / (predicted @ predicted))
