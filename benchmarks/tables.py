"""The real tables of the tests and benchmarks, from the folder FASTINFLUENCE_DATA.

Where each comes from in public is told by :data:`TABLES`; a file that is not there is an error
that says so.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array


class Table(NamedTuple):
    """Features (dense or CSR) and labels 0/1 of the training and the test rows."""

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray


def folder() -> Path:
    """Return the folder of the data, or stop with what to do."""
    if "FASTINFLUENCE_DATA" not in os.environ:
        raise SystemExit("set FASTINFLUENCE_DATA to the folder of the real tables")
    return Path(os.environ["FASTINFLUENCE_DATA"])


def _pixels(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1) / 255.0


def _mnist(keep: Callable[[np.ndarray], np.ndarray], positive: int) -> Table:
    parts = []
    with np.load(folder() / "mnist.npz") as file:
        for name, first in (("train", 5_000), ("test", 0)):
            images, labels = file[f"x_{name}"][first:], file[f"y_{name}"][first:]
            at = keep(labels)
            parts += [_pixels(images[at]), (labels[at] == positive).astype(float)]
    return Table(*parts)


def mnist_1_vs_7() -> Table:
    """Digits 1 and 7 of MNIST without its first 5,000 images (OpenML mnist_784)."""
    return _mnist(lambda labels: np.flatnonzero((labels == 1) | (labels == 7)), 7)


def mnist_5_vs_rest() -> Table:
    """All ten digits, 5 against the rest."""
    return _mnist(lambda labels: np.arange(len(labels)), 5)


def _sparse(file: str, positive: float) -> Table:
    parts: list[Any] = []
    with np.load(folder() / file) as z:
        for name in ("train", "test"):
            indices, indptr = (z[f"{name}_{k}"].astype(np.int32) for k in ("indices", "indptr"))
            data = z[f"{name}_data"] if f"{name}_data" in z.files else np.ones(len(indices))
            shape = (len(indptr) - 1, int(z["n_features"]))
            X = csr_array((data.astype(np.float64), indices, indptr), shape=shape)
            parts += [X, (z[f"y_{name}"] == positive).astype(float)]
    return Table(*parts)


def a9a() -> Table:
    """Binarised Adult of the LIBSVM site, CSR with 123 columns."""
    return _sparse("a9a.npz", 1)


def enron() -> Table:
    """Enron1 spam as counts of 6,284 words, CSR (Metsis et al. 2006)."""
    return _sparse("enron1_bow_approx.npz", 1)


def _encoded(file: str, target: str, positive: Any, test_every: int = 5) -> Table:
    import pandas as pd

    frame = pd.read_parquet(folder() / file).drop(columns="split", errors="ignore")
    y = (frame.pop(target) == positive).to_numpy(dtype=float)
    for name in ("Wilderness_Area", "Soil_Type"):
        if name in frame:
            frame[name] = frame[name].astype(str)
    X = pd.get_dummies(frame, dtype=float).to_numpy()
    spread = X.std(axis=0)
    X = (X[:, spread > 0] - X[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    test = np.arange(len(X)) % test_every == 0
    return Table(X[~test], y[~test], X[test], y[test])


def adult() -> Table:
    """Adult census, income above 50,000, one-hot and standardised (UCI Adult)."""
    return _encoded("adult_census.parquet", "income", ">50K")


def covertype() -> Table:
    """A sample of Covertype, class 2 against the rest (UCI Covertype)."""
    return _encoded("covertype_sample.parquet", "Cover_Type", 2)


def flowers() -> Table:
    """Inception v3 features of daisies and roses (TensorFlow flower_photos)."""
    with np.load(folder() / "flowers_inception_v3.npz") as file:
        X, y = file["features"].astype(np.float64), file["labels"].astype(float)
    test = np.random.default_rng(0).permutation(len(X)) < 274
    return Table(X[~test], y[~test], X[test], y[test])


def hospital() -> Table:
    """The paper's hospital table, 127 columns (UCI Diabetes 130-US hospitals)."""
    import hospital as source

    data = source.load(folder())
    return Table(data.X_train, data.y_train, data.X_test, data.y_test)


TABLES: dict[str, Callable[[], Table]] = {
    read.__name__: read
    for read in (
        mnist_1_vs_7,
        mnist_5_vs_rest,
        a9a,
        enron,
        adult,
        covertype,
        flowers,
        hospital,
    )
}
