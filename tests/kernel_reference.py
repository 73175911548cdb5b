"""Kernel machines by their dual, dense and slow: Newton on f = K beta + b, no features at all."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

Array = np.ndarray


def kernel(name: str, A: Array, B: Array, gamma: float, coef0: float, degree: int) -> Array:
    """Return k(a_i, b_j), from the definition."""
    if name == "poly":
        return (gamma * A @ B.T + coef0) ** degree
    return np.exp(-gamma * ((A[:, None] - B[None]) ** 2).sum(axis=2))


def hinge(f: Array, y: Array, t: float) -> tuple[Array, Array, Array]:
    """Return t log(1 + exp((1 - yf)/t)) and its derivatives in f."""
    u = (1 - y * f) / t
    return t * np.logaddexp(0, u), -y * expit(u), expit(u) * expit(-u) / t


def insensitive(f: Array, y: Array, t: float, eps: float) -> tuple[Array, Array, Array]:
    """Return the smoothed epsilon-insensitive loss and its derivatives in f."""
    a, b = (f - y - eps) / t, (y - f - eps) / t
    value = t * (np.logaddexp(0, a) + np.logaddexp(0, b))
    return value, expit(a) - expit(b), (expit(a) * expit(-a) + expit(b) * expit(-b)) / t


@dataclass(frozen=True)
class Machine:
    """sum_i w_i l_i(f_i) + |h|^2 / (2 C) in sum form; eps None for classification."""

    X: Array
    y: Array
    w: Array
    C: float
    t: float
    name: str
    gamma: float
    coef0: float = 0.0
    degree: int = 3
    eps: float | None = None

    def k(self, A: Array, B: Array) -> Array:
        return kernel(self.name, A, B, self.gamma, self.coef0, self.degree)

    def loss(self, f: Array, y: Array) -> tuple[Array, Array, Array]:
        return hinge(f, y, self.t) if self.eps is None else insensitive(f, y, self.t, self.eps)

    def fit(self) -> tuple[Array, float]:
        """Return beta and b at the optimum: beta = -C w l', sum w l' = 0."""
        n, K = len(self.y), self.k(self.X, self.X)
        z = np.zeros(n + 1)
        for _ in range(300):
            r, J = self._residual(z, K)
            if np.abs(r).max() < 1e-13:
                break
            step, size = np.linalg.solve(J, r), 1.0
            while np.linalg.norm(self._residual(z - size * step, K)[0]) > np.linalg.norm(r):
                size /= 2
                if size < 1e-9:
                    break
            z = z - size * step
        return z[:n], z[n]

    def _residual(self, z: Array, K: Array) -> tuple[Array, Array]:
        n = len(self.y)
        _, d1, d2 = self.loss(K @ z[:n] + z[n], self.y)
        g, D = self.w * d1, self.w * d2
        r = np.append(z[:n] / self.C + g, g.sum())
        J = np.zeros((n + 1, n + 1))
        J[:n, :n] = np.eye(n) / self.C + D[:, None] * K
        J[:n, n] = D
        J[n, :n] = D @ K
        J[n, n] = D.sum()
        return r, J

    def test_losses(self, X_test: Array, y_test: Array) -> Array:
        beta, b = self.fit()
        return self.loss(self.k(X_test, self.X) @ beta + b, y_test)[0]

    def with_row(self, i: int, x: Array, y: float | None = None) -> "Machine":
        """Return the machine of the table in which row i is (x, y)."""
        X, labels = self.X.copy(), self.y.copy()
        X[i] = x
        if y is not None:
            labels[i] = y
        return replace(self, X=X, y=labels)

    def without(self, i: int) -> "Machine":
        keep = np.arange(len(self.y)) != i
        return replace(self, X=self.X[keep], y=self.y[keep], w=self.w[keep])
