"""The data of Koh & Liang's experiments, from the folder named by FASTINFLUENCE_DATA.

:data:`ORIGINS` tells where each file comes from in public; a file that is not there ends the
program with those words.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

Array = np.ndarray
VALIDATION = 5000  # first rows of MNIST's training set, which the paper set aside

ORIGINS = {
    "mnist.npz": "x_train (60000, 28, 28), y_train, x_test and y_test of MNIST by numpy.savez: "
    "OpenML's mnist_784, or the original idx files",
    "flowers_inception_v3.npz": "features (1274, 2048) and labels: Inception v3's pooled features "
    "of the daisies (0) and roses (1) of TensorFlow's flower_photos",
    "enron1_bow_approx.npz": "CSR parts train_data, train_indices, train_indptr, test_*, y_train, "
    "y_test: token counts of Enron1 of the Enron-Spam corpus (Metsis et al. 2006)",
    "diabetes130_hospitals.parquet": "the table of UCI's 'Diabetes 130-US hospitals for years "
    "1999-2008' (Strack et al. 2014), columns as they are",
    "koh2017_splits.npz": "the rows that the seeds of kohpangwei/influence-release draw",
    "koh2017_published_numbers.json": "what the notebooks of kohpangwei/influence-release print",
}


class Split(NamedTuple):
    """Training and test rows."""

    X: Any
    y: Array
    X_test: Any
    y_test: Array

    def first(self, n: int, n_test: int | None = None) -> Split:
        """Return the first rows."""
        return Split(self.X[:n], self.y[:n], self.X_test[:n_test], self.y_test[:n_test])

    def coarser(self, k: int) -> Split:
        """Return digits of (28/k)² pixels, each the mean of k × k."""
        side = 28 // k

        def pooled(X: Array) -> Array:
            return X.reshape(-1, side, k, side, k).mean(axis=(2, 4)).reshape(-1, side * side)

        return Split(pooled(self.X), self.y, pooled(self.X_test), self.y_test)


def folder() -> Path:
    """Return the folder of the data, or stop with what to do."""
    named = os.environ.get("FASTINFLUENCE_DATA")
    if not named:
        told = "\n".join(f"  {name}: {origin}" for name, origin in ORIGINS.items())
        raise SystemExit(f"set FASTINFLUENCE_DATA to a folder that holds\n{told}")
    return Path(named)


def path(name: str) -> Path:
    """Return the place of one file, or stop with where its public original is."""
    found = folder() / name
    if not found.is_file():
        raise SystemExit(f"{found} is not there. It holds {ORIGINS[name]}.")
    return found


def published() -> dict[str, Any]:
    """Return the numbers that the paper's own code printed."""
    return json.loads(path("koh2017_published_numbers.json").read_text())


def splits() -> dict[str, Array]:
    """Return the rows of the paper's splits."""
    with np.load(path("koh2017_splits.npz")) as file:
        return {name: file[name] for name in file.files}


def ten_digits(n: int | None = None, dtype: type = np.float32) -> Split:
    """Return the first n training rows of MNIST but for the validation rows; pixels / 255."""
    with np.load(path("mnist.npz")) as file:
        train = slice(VALIDATION, VALIDATION + n if n else None)
        images = file["x_train"][train], file["x_test"]
        labels = file["y_train"][train], file["y_test"]
    X, X_test = (part.reshape(len(part), -1).astype(dtype) / dtype(255) for part in images)
    return Split(X, labels[0].astype(np.int64), X_test, labels[1].astype(np.int64))


def validation_digits() -> tuple[Array, Array]:
    """Return the pixels and classes of the rows that the paper set aside."""
    with np.load(path("mnist.npz")) as file:
        images, labels = file["x_train"][:VALIDATION], file["y_train"][:VALIDATION]
    return images.reshape(len(images), -1) / 255.0, labels.astype(np.int64)


def two_digits(one: int, other: int) -> Split:
    """Return two digits of MNIST, pixels in [0, 1], y = 1 for ``one`` and -1 for ``other``."""
    X, y, X_test, y_test = ten_digits(dtype=np.float64)
    a, b = np.isin(y, (one, other)), np.isin(y_test, (one, other))
    sign = [np.where(labels == one, 1.0, -1.0) for labels in (y[a], y_test[b])]
    return Split(X[a], sign[0], X_test[b], sign[1])


def flowers(n_train: int = 1000, seed: int = 0) -> Split:
    """Return the features of daisies (-1) and roses (1) in a random split."""
    with np.load(path("flowers_inception_v3.npz")) as file:
        X, y = file["features"].astype(np.float64), np.where(file["labels"] == 1, 1.0, -1.0)
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[:n_train], order[n_train:]
    return Split(X[train], y[train], X[test], y[test])


def enron() -> Split:
    """Return counts of words (CSR) of 4,137 training and 1,035 test e-mails; spam is 1."""
    tables = []
    with np.load(path("enron1_bow_approx.npz")) as file:
        for part in ("train", "test"):
            indices, indptr = (file[f"{part}_{k}"].astype(np.int32) for k in ("indices", "indptr"))
            counts = file[f"{part}_data"].astype(np.float64)
            shape = (len(indptr) - 1, int(file["n_features"]))
            tables += [csr_array((counts, indices, indptr), shape=shape)]
            tables += [file[f"y_{part}"].astype(np.float64)]
    return Split(*tables)
