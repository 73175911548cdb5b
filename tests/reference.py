"""Dense float64 formulas, slow and obviously right: what every public number is compared with.

Written from the contract (conventions, maths) without the library's code. Nothing here is clever:
one design matrix, one full Hessian, `numpy.linalg.solve`, and a fresh problem per removed group.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from reference_losses import LOSSES, Array, Loss


@dataclass(frozen=True)
class Problem:
    """A GLM objective on given rows, and a theta at which everything is evaluated.

    ``l2`` has one entry per parameter, intercept last (zero there unless it is penalised).
    """

    loss: str
    X: Array
    y: Array
    theta: Array
    weights: Array
    offset: Array
    l2: Array
    fit_intercept: bool
    reduction: str
    damping: float = 0.0

    @property
    def pointwise(self) -> Loss:
        return LOSSES[self.loss]

    @property
    def total(self) -> float:
        """W, the sum of the weights."""
        return float(self.weights.sum())

    @property
    def n_rows(self) -> int:
        return len(self.y)

    def design(self, X: Array) -> Array:
        """Return X with the column of ones last where there is an intercept."""
        X = np.asarray(X, dtype=np.float64)
        return np.column_stack([X, np.ones(len(X))]) if self.fit_intercept else X

    def inside(self) -> Array:
        """Return a theta at which every f is where the loss is defined."""
        theta = np.zeros(len(self.l2))
        if self.fit_intercept:
            theta[-1] = self.pointwise.center
        return theta

    def raw(self, theta: Array) -> Array:
        """Return f of every training row."""
        return self.design(self.X) @ theta + self.offset

    def objective(self, theta: Array) -> float:
        """Return R(theta), in the reduction of the problem."""
        data = float(self.weights @ self.pointwise.value(self.y, self.raw(theta)))
        penalty = 0.5 * float(self.l2 @ theta**2)
        return data / self.total + penalty if self.reduction == "mean" else data + penalty

    def row_gradients(self, theta: Array) -> Array:
        """Return the gradient of every row's loss, without weight and penalty: (n, p)."""
        d1 = self.pointwise.d1(self.y, self.raw(theta))
        return d1[:, None] * self.design(self.X)

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of R, in the reduction of the problem."""
        data = self.row_gradients(theta).T @ self.weights
        return (data / self.total if self.reduction == "mean" else data) + self.l2 * theta

    def objective_hessian(self, theta: Array) -> Array:
        """Return the undamped Hessian of R, in the reduction of the problem."""
        D = self.design(self.X)
        d2 = self.pointwise.d2(self.y, self.raw(theta))
        data = D.T @ ((self.weights * d2)[:, None] * D)
        return (data / self.total if self.reduction == "mean" else data) + np.diag(self.l2)

    def hessian(self) -> Array:
        """Return H of the contract: mean form whatever the reduction, plus damping, at theta."""
        H = self.objective_hessian(self.theta)
        H = H if self.reduction == "mean" else H / self.total
        return H + self.damping * np.eye(len(self.theta))

    def terms(self) -> Array:
        """Return g_i of every row, (n, p): mean form folds the penalty in, sum form does not."""
        g = self.row_gradients(self.theta)
        return g + self.l2 * self.theta if self.reduction == "mean" else g

    def without(self, rows: Sequence[int]) -> "Problem":
        """Return the same problem on the other rows: another n, another W, the same l2."""
        keep = np.setdiff1d(np.arange(self.n_rows), np.asarray(rows, dtype=int))
        return replace(
            self,
            X=self.X[keep],
            y=self.y[keep],
            weights=self.weights[keep],
            offset=self.offset[keep],
        )

    # -- test quantities ---------------------------------------------------------------------

    def test_raw(self, theta: Array, X_test: Array, offset_test: Array | None) -> Array:
        f = self.design(X_test) @ theta
        return f if offset_test is None else f + offset_test

    def loss_gradients(self, X_test: Array, y_test: Array, offset_test: Array | None) -> Array:
        """Return the gradient of the test losses at theta, never with the penalty: (t, p)."""
        f = self.test_raw(self.theta, X_test, offset_test)
        return self.pointwise.d1(y_test, f)[:, None] * self.design(X_test)

    def prediction_gradients(self, X_test: Array, output: str, offset_test: Array | None) -> Array:
        """Return the gradient of f or of the mean at the test rows: (t, p)."""
        if output == "raw":
            return self.design(X_test)
        slope = self.pointwise.mean_d1
        assert slope is not None
        f = self.test_raw(self.theta, X_test, offset_test)
        return slope(f)[:, None] * self.design(X_test)


# -- scores ----------------------------------------------------------------------------------


def effect_factor(problem: Problem, effect: str) -> Array:
    """Return what multiplies gradient' H^-1 g_i, per row: w_i / W for removal, -1 for upweight."""
    if effect == "removal":
        return problem.weights / problem.total
    assert effect == "upweight"
    return -np.ones(problem.n_rows)


def on_params(problem: Problem, rows: Sequence[int], effect: str) -> Array:
    """Return the change of theta, (k, p): +(w_i/W) H^-1 g_i, or -H^-1 g_i."""
    change = np.linalg.solve(problem.hessian(), problem.terms().T).T
    return (effect_factor(problem, effect)[:, None] * change)[np.asarray(rows, dtype=int)]


def on_function(problem: Problem, gradient: Array, effect: str) -> Array:
    """Return the first-order change of any function with the given gradients (t, p): (t, n)."""
    s_test = np.linalg.solve(problem.hessian(), gradient.T)
    return (problem.terms() @ s_test).T * effect_factor(problem, effect)


def on_loss(
    problem: Problem, X_test: Array, y_test: Array, effect: str, offset_test: Array | None = None
) -> Array:
    """Return the change of every test loss by every row, (t, n)."""
    return on_function(problem, problem.loss_gradients(X_test, y_test, offset_test), effect)


def on_prediction(
    problem: Problem, X_test: Array, output: str, effect: str, offset_test: Array | None = None
) -> Array:
    """Return the change of every raw prediction or mean by every row, (t, n)."""
    return on_function(problem, problem.prediction_gradients(X_test, output, offset_test), effect)


def self_influence(problem: Problem, effect: str) -> Array:
    """Return the change of each row's own loss, (n,)."""
    own = problem.row_gradients(problem.theta)
    change = np.linalg.solve(problem.hessian(), problem.terms().T).T
    return np.sum(own * change, axis=1) * effect_factor(problem, effect)


# -- removal ---------------------------------------------------------------------------------


def refit(problem: Problem, start: Array | None = None) -> Array:
    """Return the minimiser of R, by Newton steps halved until R falls, to rounding level."""
    theta = problem.inside() if start is None else np.array(start, dtype=np.float64)
    best, best_norm, stuck = theta, np.inf, 0
    for _ in range(200):
        g = problem.gradient(theta)
        norm = float(np.linalg.norm(g))
        if norm < best_norm:
            best, best_norm, stuck = theta, norm, 0
        else:
            stuck += 1
        if norm == 0.0 or (stuck >= 3 and best_norm < 1e-8 * (1 + problem.total)):
            return best
        H = problem.objective_hessian(theta)
        shift = max(0.0, 1e-8 - float(np.linalg.eigvalsh(H)[0]))  # only where R is not convex
        step = np.linalg.solve(H + 2 * shift * np.eye(len(g)), g)
        value, size = problem.objective(theta), 1.0
        limit = value + 1e-12 * abs(value)
        while not problem.objective(theta - size * step) <= limit and size > 1e-12:
            size /= 2  # also where f left the domain of the loss, and the objective is NaN
        theta = theta - size * step
    raise RuntimeError(f"reference refit: gradient norm {best_norm} after 200 steps")


def newton(problem: Problem, rows: Sequence[int]) -> Array:
    """Return theta - H_-G^-1 (grad R_-G(theta) - grad R(theta)), all from the reduced data."""
    reduced = problem.without(rows)
    drive = reduced.gradient(problem.theta) - problem.gradient(problem.theta)
    return problem.theta - np.linalg.solve(reduced.objective_hessian(problem.theta), drive)


@dataclass(frozen=True)
class Removed:
    """theta without each group (k, p), and the theta it is compared with."""

    problem: Problem
    theta: Array
    old: Array

    def on_loss(self, X_test: Array, y_test: Array, offset_test: Array | None = None) -> Array:
        """Return new minus old test loss, (t, k)."""
        value = self.problem.pointwise.value
        raw = [self.problem.test_raw(t, X_test, offset_test) for t in (self.old, *self.theta)]
        return np.stack([value(y_test, f) - value(y_test, raw[0]) for f in raw[1:]], axis=1)

    def on_prediction(self, X_test: Array, output: str, offset_test: Array | None = None) -> Array:
        """Return new minus old raw prediction or mean, (t, k)."""
        raw = [self.problem.test_raw(t, X_test, offset_test) for t in (self.old, *self.theta)]
        if output == "mean":
            mean = self.problem.pointwise.mean
            assert mean is not None
            raw = [mean(f) for f in raw]
        return np.stack([f - raw[0] for f in raw[1:]], axis=1)


def leave_group_out(problem: Problem, groups: Sequence[Sequence[int]], method: str) -> Removed:
    """Return theta without each group of rows by "influence", "newton" or "exact"."""
    theta = problem.theta
    if method == "influence":
        each = on_params(problem, range(problem.n_rows), "removal")
        new = [theta + each[np.asarray(rows, dtype=int)].sum(axis=0) for rows in groups]
        return Removed(problem, np.array(new), theta)
    if method == "newton":
        return Removed(problem, np.array([newton(problem, rows) for rows in groups]), theta)
    assert method == "exact"
    old = refit(problem, theta)
    new = [refit(problem.without(rows), old) for rows in groups]
    return Removed(problem, np.array(new), old)


def leave_one_out(problem: Problem, rows: Sequence[int], method: str) -> Removed:
    """Return theta without each single row."""
    return leave_group_out(problem, [[i] for i in rows], method)


def gradient_norms(problem: Problem, groups: Sequence[Sequence[int]], theta: Array) -> Array:
    """Return the norm of grad R_-G at each theta (k, p), in the reduction of the problem."""
    pairs = zip(groups, theta, strict=True)
    return np.array([np.linalg.norm(problem.without(g).gradient(t)) for g, t in pairs])
