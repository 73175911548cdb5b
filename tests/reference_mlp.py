"""Dense multilayer perceptrons, slow and obviously right: second-order jets, forward only.

A jet carries a value with its gradient and Hessian in all unknowns at once, here theta and the
features of the row. Sums, products and a function of one variable are all that a network needs, so
no pass runs backwards and nothing is shared with the library. Activations are hand-written here;
``tests/mlp/test_activations.py`` checks them against mpmath's own derivatives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from reference_losses import LOSSES, Array
from scipy import special

Derivatives = Callable[[Array], tuple[Array, Array, Array]]


def tanh(f: Array) -> tuple[Array, Array, Array]:
    u = np.tanh(f)
    return u, 1 - u**2, -2 * u * (1 - u**2)


def sigmoid(f: Array) -> tuple[Array, Array, Array]:
    u = special.expit(f)
    return u, u * (1 - u), u * (1 - u) * (1 - 2 * u)


def relu(f: Array) -> tuple[Array, Array, Array]:
    return np.maximum(f, 0.0), (f > 0) * 1.0, 0.0 * f


def softplus(t: float) -> Derivatives:
    def of(f: Array) -> tuple[Array, Array, Array]:
        u, d1, _ = sigmoid(f / t)
        return t * np.logaddexp(0.0, f / t), u, d1 / t

    return of


def gelu(f: Array) -> tuple[Array, Array, Array]:
    density = np.exp(-(f**2) / 2) / np.sqrt(2 * np.pi)
    return f * special.ndtr(f), special.ndtr(f) + f * density, (2 - f**2) * density


def silu(f: Array) -> tuple[Array, Array, Array]:
    u, d1, d2 = sigmoid(f)
    return f * u, u + f * d1, 2 * d1 + f * d2


def elu(f: Array) -> tuple[Array, Array, Array]:
    e = np.exp(np.minimum(f, 0.0))
    return np.where(f > 0, f, e - 1), np.where(f > 0, 1.0, e), np.where(f > 0, 0.0, e)


ACTIVATIONS: dict[str, Derivatives] = {
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
    "smooth_relu": softplus(0.05),
    "softplus": softplus(1.0),
    "gelu": gelu,
    "silu": silu,
    "elu": elu,
    "identity": lambda f: (f, np.ones_like(f), np.zeros_like(f)),
}


@dataclass(frozen=True)
class Jet:
    """Numbers with first and second derivatives in q unknowns: v (…), g (…, q), h (…, q, q)."""

    v: Array
    g: Array
    h: Array

    def apply(self, derivatives: tuple[Array, Array, Array]) -> "Jet":
        """Return a function of each number, given its value and derivatives there."""
        v, d1, d2 = derivatives
        outer = self.g[..., :, None] * self.g[..., None, :]
        return Jet(
            v, d1[..., None] * self.g, d1[..., None, None] * self.h + d2[..., None, None] * outer
        )

    def times(self, other: "Jet") -> "Jet":
        """Return the product of numbers."""
        mixed = self.g[..., :, None] * other.g[..., None, :]
        h = self.v[..., None, None] * other.h + other.v[..., None, None] * self.h
        g = self.v[..., None] * other.g + other.v[..., None] * self.g
        return Jet(self.v * other.v, g, h + mixed + np.swapaxes(mixed, -1, -2))

    def total(self, axis: int) -> "Jet":
        """Return the sum over an axis of the numbers."""
        return Jet(self.v.sum(axis), self.g.sum(axis), self.h.sum(axis))

    def plus(self, other: "Jet") -> "Jet":
        return Jet(self.v + other.v, self.g + other.g, self.h + other.h)

    def __getitem__(self, key: object) -> "Jet":
        return Jet(self.v[key], self.g[key], self.h[key])


def unknowns(values: Array, first: int, q: int) -> Jet:
    """Return values that are unknowns ``first``, ``first + 1``, … of q, in C order."""
    g = np.zeros((*values.shape, q))
    g.reshape(-1, q)[np.arange(values.size), first + np.arange(values.size)] = 1.0
    return Jet(values, g, np.zeros((*values.shape, q, q)))


def softmax_loss(f: Jet, y: Array) -> Jet:
    """Return log Σ_k exp f_k − f_y of every row, from jets (n, K)."""
    top = f.v.max(axis=1, keepdims=True)
    e = np.exp(f.v - top)
    sums = f.apply((e, e, e)).total(1)
    logs = sums.apply((np.log(sums.v), 1 / sums.v, -1 / sums.v**2))
    own = f[np.arange(len(y)), y.astype(int)]
    return Jet(logs.v + top[:, 0] - own.v, logs.g - own.g, logs.h - own.h)


@dataclass(frozen=True)
class Net:
    """An objective on given rows, and the theta (p,) at which everything is evaluated.

    ``loss`` is a name of the reference table or "multinomial"; ``y`` (n, K) means ½‖f − y‖².
    ``l2`` has one entry per parameter.
    """

    X: Array
    y: Array
    theta: Array
    weights: Array
    offset: Array
    l2: Array
    hidden: tuple[int, ...]
    K: int
    activation: str
    loss: str
    reduction: str

    @property
    def total(self) -> float:
        return float(self.weights.sum())

    def shapes(self) -> list[tuple[int, int]]:
        widths = (self.X.shape[1], *self.hidden, self.K)
        return list(pairwise(widths))

    def raw(self, X: Array, offset: Array) -> Jet:
        """Return f (n, K) of some rows with derivatives in (theta, features of the row)."""
        p, d = len(self.theta), X.shape[1]
        q, first = p + d, 0
        h = Jet(X, np.zeros((*X.shape, q)), np.zeros((*X.shape, q, q)))
        h.g[:, np.arange(d), p + np.arange(d)] = 1.0
        for k, (a, b) in enumerate(self.shapes()):
            W = unknowns(self.theta[first : first + a * b].reshape(a, b), first, q)
            first += a * b
            c = unknowns(self.theta[first : first + b], first, q)
            first += b
            if k:
                h = h.apply(ACTIVATIONS[self.activation](h.v))
            wide = h[:, :, None].times(W[None])
            h = wide.total(1).plus(c[None])
        return Jet(h.v + offset, h.g, h.h)

    def losses(self, X: Array, y: Array, offset: Array) -> Jet:
        """Return l of every row with derivatives in (theta, features)."""
        f = self.raw(X, offset)
        if self.loss == "multinomial":
            return softmax_loss(f, y)
        if y.ndim == 2:
            r = f.v - y
            return f.apply((0.5 * r**2, r, np.ones_like(r))).total(1)
        loss, g = LOSSES[self.loss], f[:, 0]
        return g.apply((loss.value(y, g.v), loss.d1(y, g.v), loss.d2(y, g.v)))

    def rows(self) -> Jet:
        return self.losses(self.X, self.y, self.offset)

    def row_gradients(self) -> Array:
        return self.rows().g[:, : len(self.theta)]

    def row_hessians(self) -> Array:
        p = len(self.theta)
        return self.rows().h[:, :p, :p]

    def mixed(self) -> Array:
        """Return ∇x∇θ l_i of every row, (n, p, d)."""
        p = len(self.theta)
        return self.rows().h[:, :p, p:]

    def output_hessians(self) -> Array:
        """Return ∂²l/∂f² of every row, (n, K, K)."""
        f = self.raw(self.X, self.offset).v
        if self.loss == "multinomial":
            p = special.softmax(f, axis=1)
            return p[:, :, None] * (np.eye(self.K) - p[:, None, :])
        if self.y.ndim == 2:
            return np.broadcast_to(np.eye(self.K), (len(f), self.K, self.K))
        return LOSSES[self.loss].d2(self.y, f[:, 0])[:, None, None]

    def fisher_blocks(self) -> Array:
        f = self.raw(self.X, self.offset).v
        if self.K > 1:
            return self.output_hessians()
        fisher = LOSSES[self.loss].fisher
        assert fisher is not None
        return fisher(f[:, 0])[:, None, None]

    def objective(self) -> float:
        value = float(self.weights @ self.rows().v)
        return self.scaled(value) + 0.5 * float(self.l2 @ self.theta**2)

    def scaled(self, value: float) -> float:
        return value / self.total if self.reduction == "mean" else value

    def gradient(self) -> Array:
        """Return ∇R in mean form."""
        l2 = self.l2 if self.reduction == "mean" else self.l2 / self.total
        return self.weights @ self.row_gradients() / self.total + l2 * self.theta

    def hessian(self, curvature: str = "hessian", damping: float = 0.0) -> Array:
        p = len(self.theta)
        if curvature == "hessian":
            each = self.row_hessians()
        else:
            J = self.raw(self.X, self.offset).g[:, :, :p]
            A = self.output_hessians() if curvature == "gauss-newton" else self.fisher_blocks()
            each = np.einsum("nkp,nkj,njq->npq", J, A, J)
        l2 = self.l2 if self.reduction == "mean" else self.l2 / self.total
        data = np.einsum("n,npq->pq", self.weights, each) / self.total
        return data + np.diag(l2) + damping * np.eye(p)

    def terms(self) -> Array:
        g = self.row_gradients()
        return g + self.l2 * self.theta if self.reduction == "mean" else g

    def without(self, rows: Sequence[int]) -> "Net":
        keep = np.setdiff1d(np.arange(len(self.y)), np.asarray(rows, dtype=int))
        names = ("X", "y", "weights", "offset")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})

    def at(self, theta: Array) -> "Net":
        return replace(self, theta=theta)

    def refit(self, theta: Array, steps: int = 30) -> Array:
        """Return the optimum near theta by plain Newton steps."""
        for _ in range(steps):
            here = self.at(theta)
            theta = theta - np.linalg.solve(here.hessian(), here.gradient())
        return theta
