"""Many small networks trained side by side by momentum SGD, and the proximal Bregman response.

Written in NumPy apart from the library, so that it checks it: M networks of one shape, parameters
(M, p) laid out as ``theta``, tanh between layers and one logit at the end. Every network sees the
same start and the same batches (common random numbers); networks differ in the weights of the rows,
which multiply a row's gradient while the batch's divisor stays. What the weights do is then linear
to first order, which a mean over the rows that are left in a batch is not.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit

Array = np.ndarray
BATCH, RATE, MOMENTUM, L2 = 100, 0.1, 0.9, 1e-4


@dataclass(frozen=True)
class Table:
    """Standardised rows with a binary target, and test rows."""

    name: str
    X: Array
    y: Array
    X_test: Array
    y_test: Array


def load(name: str, folder: Path, n: int, tests: int) -> Table:
    """Read n rows and some test rows of adult or covertype, categories as indicator columns."""
    import pandas as pd

    if name == "adult":
        table = pd.read_parquet(folder / "adult_census.parquet").drop(columns=["split", "fnlwgt"])
        target = (table.pop("income").astype(str).str.startswith(">")).to_numpy().astype(float)
    else:
        table = pd.read_parquet(folder / "covertype_sample.parquet")
        target = (table.pop("Cover_Type") == 2).to_numpy().astype(float)
        table = table.astype({"Wilderness_Area": "category", "Soil_Type": "category"})
    chosen = np.random.default_rng(0).permutation(len(table))[: n + tests]
    X = pd.get_dummies(table.iloc[chosen]).to_numpy(dtype=float)
    X = X[:, X[:n].std(axis=0) > 0]
    X = np.clip((X - X[:n].mean(axis=0)) / X[:n].std(axis=0), -5, 5)
    y = target[chosen]
    return Table(name, X[:n], y[:n], X[n:], y[n:])


class Nets:
    """The passes of networks with ``hidden`` tanh layers and one output."""

    def __init__(self, d: int, hidden: tuple[int, ...]) -> None:
        self.shapes = list(pairwise((d, *hidden, 1)))
        sizes = [(a + 1) * b for a, b in self.shapes]
        self.p = sum(sizes)
        self._ends = list(pairwise(np.cumsum([0, *sizes])))
        parts = [np.append(np.ones(a * b), np.zeros(b)) for a, b in self.shapes]
        self.penalised = np.concatenate(parts)

    def start(self, seed: int) -> Array:
        """Draw weights of variance 1/fan_in and no biases, shape (p,)."""
        rng = np.random.default_rng(seed)
        sizes = [np.append(np.full(a * b, a**-0.5), np.zeros(b)) for a, b in self.shapes]
        return rng.normal(size=self.p) * np.concatenate(sizes)

    def _layers(self, thetas: Array) -> list[tuple[Array, Array]]:
        out = []
        for (a, b), (first, last) in zip(self.shapes, self._ends, strict=True):
            T = thetas[:, first:last].reshape(-1, a + 1, b)
            out.append((T[:, :-1], T[:, -1:]))
        return out

    def _forward(self, thetas: Array, X: Array) -> tuple[Array, list[Array]]:
        h, hidden = X, [np.broadcast_to(X, (len(thetas), *X.shape))]
        layers = self._layers(thetas)
        for W, b in layers[:-1]:
            h = np.tanh(h @ W + b)
            hidden.append(h)
        W, b = layers[-1]
        return (h @ W + b)[:, :, 0], hidden

    def outputs(self, thetas: Array, X: Array) -> Array:
        """Logits (M, b)."""
        return self._forward(thetas, X)[0]

    def gradient(self, thetas: Array, X: Array, slope_of) -> tuple[Array, Array]:
        """Logits (M, b), and Σ_i slope_i ∇f_i (M, p) for slopes that are a function of them."""
        f, hidden = self._forward(thetas, X)
        delta = slope_of(f)[:, :, None]
        parts: list[Array] = []
        layers = zip(self._layers(thetas), hidden, strict=True)
        for k, ((W, _), h) in reversed(list(enumerate(layers))):
            table = np.concatenate([h.swapaxes(1, 2) @ delta, delta.sum(1, keepdims=True)], axis=1)
            parts.insert(0, table.reshape(len(thetas), -1))
            if k:
                delta = (delta @ W.swapaxes(1, 2)) * (1.0 - h**2)
        return f, np.concatenate(parts, axis=1)


def losses(f: Array, y: Array) -> Array:
    """Logistic losses, as the library's."""
    return np.logaddexp(0.0, f) - y * f


def train(nets: Nets, data: Table, theta: Array, weights: Array, epochs: int, seed: int) -> Array:
    """Train M networks from theta (p,) under weights (M, n); return them, (M, p).

    Batches are those of ``seed`` whatever the weights. The momentum starts at rest.
    """
    rng, n = np.random.default_rng(seed), len(data.y)
    thetas = np.repeat(theta[None], len(weights), axis=0)
    speed, l2 = np.zeros_like(thetas), L2 * nets.penalised
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(n), max(1, n // BATCH)):
            w, y = weights[:, rows], data.y[rows]
            _, g = nets.gradient(thetas, data.X[rows], lambda f, w=w, y=y: w * (expit(f) - y))
            speed = MOMENTUM * speed - RATE * (g / len(rows) + l2 * thetas)
            thetas = thetas + speed
    return thetas


class Response:
    """The proximal Bregman response (Bae et al. 2022, eq. 6) at one theta and damping.

    The minimum over θ = θ₀ + s of (1/n) Σ_j D(f_j(θ), f_j(θ₀)) − (ε/n) l_i(θ) + ½ sᵀ(Λ + damping)s,
    D the Bregman divergence of the logistic loss and Λ the penalty, whose divergence is its own;
    ε = 1 removes row i. The Hessian at θ₀ is damped Gauss–Newton's, so that influence is the
    derivative in ε. The search is L-BFGS in the coordinates where that Hessian is the identity.
    """

    def __init__(
        self, nets: Nets, data: Table, theta: Array, damping: float, gauss_newton: Array
    ) -> None:
        """``gauss_newton``, damping included, sets the coordinates and not the answer."""
        self.nets, self.data, self.theta = nets, data, theta
        self.stiffness = L2 * nets.penalised + damping
        factor = cholesky(gauss_newton, lower=True)
        self.root = solve_triangular(factor, np.eye(len(theta)), lower=True)
        self.f = nets.outputs(theta[None], data.X)[0]
        self.soft = expit(self.f)
        self.base = np.logaddexp(0.0, self.f) - self.soft * self.f

    def moved(self, row: int, epsilon: float) -> tuple[Array, float]:
        """θ − θ₀, and the gradient's norm at the end relative to the one at the start."""
        n, X, label = len(self.data.y), self.data.X, self.data.y[row]
        soft = self.soft.copy()

        def slope(f: Array) -> Array:
            out = expit(f) - soft
            out[0, row] -= epsilon * (expit(f[0, row]) - label)
            return out

        def value(u: Array) -> tuple[float, Array]:
            step = self.root.T @ u
            f, g = self.nets.gradient((self.theta + step)[None], X, slope)
            divergence = (np.logaddexp(0.0, f[0]) - soft * f[0] - self.base).sum()
            total = (divergence - epsilon * losses(f[0, row], label)) / n
            gradient = g[0] / n + self.stiffness * step
            return scale * (total + 0.5 * step @ (self.stiffness * step)), scale * (
                self.root @ gradient
            )

        scale = 1.0
        first = np.linalg.norm(value(np.zeros_like(self.theta))[1])
        scale = 1.0 / first**2  # the model's optimum is then at value −½, whatever ε
        options = {"gtol": 1e-8, "ftol": 1e-13, "maxiter": 400, "maxcor": 30}
        start = np.zeros_like(self.theta)
        found = minimize(value, start, jac=True, method="L-BFGS-B", options=options)
        return self.root.T @ found.x, float(np.linalg.norm(found.jac) / (scale * first))
