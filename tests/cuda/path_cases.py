"""The models of the device's tests: each kind of engine, on dense and sparse rows."""

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

import fastinfluence as fi

N, D, T = 60, 5, 7


@dataclass(frozen=True)
class Built:
    """Rows, labels, test rows, and the optimum found on the CPU."""

    spec: Any
    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray
    theta: np.ndarray
    damping: float
    weights: np.ndarray

    def on(self, device: str, **options: Any) -> fi.Influence:
        """The model on a device."""
        words = {"damping": self.damping, "sample_weight": self.weights, "n_threads": 1} | options
        return fi.Influence(self.spec, self.X, self.y, self.theta, device=device, **words)


SPECS = {
    "logistic": lambda: fi.GLM("logistic", l2=0.05),
    "poisson": lambda: fi.GLM("poisson", l2=0.02, reduction="sum"),
    "multinomial": lambda: fi.GLM("multinomial", l2=0.05),
    "smooth hinge": lambda: fi.GLM(fi.losses.smooth_hinge(t=0.5), l2=0.05),
    "MLP": lambda: fi.MLP(hidden=(3, 2), activation="tanh", loss="logistic", l2=0.02),
    "MLP classes": lambda: fi.MLP(hidden=(3,), activation="tanh", loss="multinomial", l2=0.02),
}
STORAGES = ("dense", "sparse")
GLMS = ("logistic", "poisson", "smooth hinge")
MLPS = ("MLP", "MLP classes")


@functools.cache
def built(model: str, storage: str = "dense", dtype: str = "float64") -> Built:
    """One case; the same numbers in every storage and type."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N + T, D)) * (rng.random((N + T, D)) < 0.6)
    X = X.astype(np.float32).astype(np.float64)
    signal = X @ rng.standard_normal(D) * 0.7 + 0.3
    y = {
        "poisson": rng.poisson(np.exp(0.5 * signal)),
        "multinomial": rng.integers(3, size=N + T) * (signal > 0),
        "MLP classes": rng.integers(3, size=N + T) * (signal > 0),
    }.get(model, (signal + rng.standard_normal(N + T) > 0).astype(int))
    weights = rng.uniform(0.5, 2.0, N)
    spec, damping = SPECS[model](), 0.3 if model in MLPS else 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        fitted = fi.Influence.fit(spec, X[:N], y[:N], sample_weight=weights, n_threads=1)
    stored = X.astype(dtype)
    if storage == "sparse":
        train, test = (sparse.csr_array(part) for part in (stored[:N], stored[N:]))
    else:
        train, test = stored[:N], stored[N:]
    return Built(spec, train, y[:N], test, y[N:], fitted.theta, damping, weights)
