"""Dense softmax regression, slow and obviously right: derivatives by complex steps, no formulas.

The loss of a row is written once, log Σ_k exp f_k − f_y; first derivatives are complex steps of it.
The Hessian is a complex step of p − e_y, whose own entries are checked against the first ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from reference_losses import Array

STEP = 1e-100


def lse(f: Array) -> Array:
    """Log of Σ exp over the last axis, for real or complex f."""
    top = f.real.max(axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(f - top).sum(axis=-1))


def complex_step(function: Callable[[Array], Array], at: Array) -> Array:
    """Return the Jacobian of a function of (p,), its values' axes first."""
    columns = []
    for j in range(len(at)):
        moved = at.astype(complex)
        moved[j] += 1j * STEP
        columns.append(function(moved).imag / STEP)
    return np.stack(columns, axis=-1)


@dataclass(frozen=True)
class Softmax:
    """An objective on given rows, and the theta (p,) at which everything is evaluated.

    ``l2`` has one entry per parameter; ``offset`` is (n, K); ``y`` counts the classes from 0.
    """

    X: Array
    y: Array
    theta: Array
    weights: Array
    offset: Array
    l2: Array
    K: int
    fit_intercept: bool
    reduction: str
    damping: float = 0.0

    @property
    def total(self) -> float:
        return float(self.weights.sum())

    @property
    def n_rows(self) -> int:
        return len(self.y)

    def design(self, X: Array) -> Array:
        X = np.asarray(X, dtype=np.float64)
        return np.column_stack([X, np.ones(len(X))]) if self.fit_intercept else X

    def raw(self, theta: Array, X: Array | None = None, offset: Array | None = None) -> Array:
        """Return the logits (n, K) of some rows, of the training rows by default."""
        if X is None:
            X, offset = self.X, self.offset
        f = self.design(X) @ theta.reshape(-1, self.K)
        return f if offset is None else f + offset

    def losses(
        self, theta: Array, X: Array | None = None, y: Array | None = None, offset=None
    ) -> Array:
        f, y = self.raw(theta, X, offset), self.y if y is None else y
        return lse(f) - f[np.arange(len(y)), y]

    def probabilities(self, theta: Array, X: Array, offset=None) -> Array:
        f = self.raw(theta, X, offset)
        return np.exp(f - lse(f)[:, None])

    def penalised(self, data: Array) -> Array:
        return data / self.total if self.reduction == "mean" else data

    def objective(self, theta: Array) -> complex:
        return self.penalised(self.weights @ self.losses(theta)) + 0.5 * (self.l2 @ theta**2)

    def gradient(self, theta: Array) -> Array:
        p = np.exp(self.raw(theta) - lse(self.raw(theta))[:, None])
        p[np.arange(self.n_rows), self.y] -= 1.0
        data = (self.design(self.X).T @ (self.weights[:, None] * p)).ravel()
        return self.penalised(data) + self.l2 * theta

    def row_gradients(self, theta: Array) -> Array:
        """Return ∇l_i of every row, (n, p)."""
        return complex_step(self.losses, theta)

    def objective_hessian(self, theta: Array) -> Array:
        return complex_step(self.gradient, theta)

    def hessian(self) -> Array:
        H = self.objective_hessian(self.theta)
        H = H if self.reduction == "mean" else H / self.total
        return H + self.damping * np.eye(len(self.theta))

    def terms(self) -> Array:
        g = self.row_gradients(self.theta)
        return g + self.l2 * self.theta if self.reduction == "mean" else g

    def without(self, rows: Sequence[int]) -> "Softmax":
        keep = np.setdiff1d(np.arange(self.n_rows), np.asarray(rows, dtype=int))
        names = ("X", "y", "weights", "offset")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})

    # -- answers ---------------------------------------------------------------------------------

    def solve(self, B: Array, H: Array | None = None) -> Array:
        """Return the solution of least norm for the part of B in the range."""
        H = self.hessian() if H is None else H
        return np.linalg.pinv(0.5 * (H + H.T), rcond=1e-11, hermitian=True) @ B

    def on_function(self, gradient: Array, effect: str) -> Array:
        factor = self.weights / self.total if effect == "removal" else -np.ones(self.n_rows)
        return (self.terms() @ self.solve(gradient.T)).T * factor

    def loss_gradients(self, X: Array, y: Array, offset=None) -> Array:
        return complex_step(lambda theta: self.losses(theta, X, y, offset), self.theta)

    def prediction_gradients(self, X: Array, output: str, offset=None) -> Array:
        """Return (t, K, p)."""
        if output == "raw":
            return complex_step(lambda theta: self.raw(theta, X, offset), self.theta)
        return complex_step(lambda theta: self.probabilities(theta, X, offset), self.theta)

    def self_influence(self, effect: str) -> Array:
        factor = self.weights / self.total if effect == "removal" else -np.ones(self.n_rows)
        own = self.row_gradients(self.theta)
        return factor * np.sum(own * self.solve(self.terms().T).T, axis=1)

    def newton(self, rows: Sequence[int]) -> Array:
        reduced = self.without(rows)
        drive = reduced.gradient(self.theta) - self.gradient(self.theta)
        return self.theta - self.solve(drive, reduced.objective_hessian(self.theta))

    def refit(self, start: Array) -> Array:
        """Return the minimiser by damped Newton steps of least norm."""
        theta, best, best_norm, stuck = start, start, np.inf, 0
        for _ in range(100):
            g = self.gradient(theta)
            norm = float(np.linalg.norm(g))
            stuck = 0 if norm < best_norm else stuck + 1
            if norm < best_norm:
                best, best_norm = theta, norm
            if stuck >= 3:
                return best
            step, size = self.solve(g, self.objective_hessian(theta)), 1.0
            value = self.objective(theta)
            while self.objective(theta - size * step) > value + 1e-12 * abs(value) and size > 1e-9:
                size /= 2
            theta = theta - size * step
        raise RuntimeError(f"reference refit stopped at {best_norm}")
