"""Every loss and every family × link of the library against a dense reference made on the spot.

The pointwise derivatives are compared with mpmath in tests/spec; here they are taken as given, and
everything built on them is recomputed with plain NumPy: scores, removals, conjugate gradients.
"""

import numpy as np
import pytest

import fastinfluence as fi

SAMPLES = {s.label: s for s in [*fi.losses.registry(), *fi.families.registry()]}
L2 = 0.05
METHODS = ("influence", "newton", "exact")


class Dense:
    """A small problem at its optimum: y near the mean of a known model, weights, an intercept."""

    def __init__(self, loss, seed=0):
        rng = np.random.default_rng(seed)
        n = 40
        self.loss, self.n = loss, n
        self.X = np.column_stack([rng.uniform(-1, 1, size=(n, 2)), np.ones(n)])
        self.w = rng.uniform(0.5, 2.0, size=n)
        self.l2 = np.array([L2, L2, 0.0])
        f = self.X @ np.array([0.2, -0.15, self.centre()])
        self.y = self.labels(f, rng)

    def centre(self):
        low, high = self.loss.f_domain
        if np.isfinite(low) and np.isfinite(high):
            return (low + high) / 2
        if np.isfinite(low):
            return low + 1.0
        return high - 1.0 if np.isfinite(high) else -0.4

    def labels(self, f, rng):
        domain = self.loss.y_domain
        if not isinstance(domain, str):
            low, high = sorted(domain)
            return np.where(rng.uniform(size=self.n) < 0.4, high, low)
        mean = f
        if "mean" in self.loss.program.outputs:
            (mean,) = self.loss.evaluate(f, np.ones(self.n), "mean")
        if domain == "real":
            return mean + 0.3 * rng.normal(size=self.n)
        if domain == "unit":
            return np.clip(mean + 0.1 * rng.normal(size=self.n), 0.02, 0.98)
        return mean * rng.uniform(0.7, 1.4, size=self.n)

    def spec(self, reduction):
        return fi.GLM(self.loss, l2=L2, reduction=reduction)

    def influence(self, reduction, **options):
        return fi.Influence.fit(
            self.spec(reduction), self.X[:, :2], self.y, sample_weight=self.w, **options
        )

    def gradient(self, theta, w, reduction):
        (d1,) = self.loss.evaluate(self.X @ theta, self.y, "d1")
        scale = w.sum() if reduction == "mean" else 1.0
        return self.X.T @ (w * d1) / scale + self.l2 * theta

    def hessian(self, theta, w, reduction):
        (d2,) = self.loss.evaluate(self.X @ theta, self.y, "d2")
        scale = w.sum() if reduction == "mean" else 1.0
        return self.X.T @ ((w * d2)[:, None] * self.X) / scale + np.diag(self.l2)

    def without(self, i):
        w = self.w.copy()
        w[i] = 0.0
        return w

    def removal(self, theta, i, reduction, method):
        """Return theta without row i minus theta, all of it from scratch."""
        w, W = self.without(i), self.w.sum()
        if method == "influence":
            (d1,) = self.loss.evaluate(self.X @ theta, self.y, "d1")
            g = d1[i] * self.X[i] + (self.l2 * theta if reduction == "mean" else 0.0)
            H = self.hessian(theta, self.w, reduction) / (1.0 if reduction == "mean" else W)
            return self.w[i] / W * np.linalg.solve(H, g)
        if method == "newton":
            change = self.gradient(theta, w, reduction) - self.gradient(theta, self.w, reduction)
            return -np.linalg.solve(self.hessian(theta, w, reduction), change)
        new = theta.copy()
        for _ in range(100):
            gradient = self.gradient(new, w, reduction)
            step = np.linalg.solve(self.hessian(new, w, reduction), gradient)
            halvings = [new - step / 2**k for k in range(30)]
            norms = [np.linalg.norm(self.gradient(t, w, reduction)) for t in halvings]
            shorter = [t for t, norm in zip(halvings, norms, strict=True) if norm == min(norms)]
            if min(norms) >= np.linalg.norm(gradient):
                break
            new = shorter[0]
        return new - theta


def close(found, expected, tolerance=1e-9):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("label", SAMPLES)
def test_scores_and_removals(label, reduction):
    dense = Dense(SAMPLES[label].loss)
    infl = dense.influence(reduction)
    theta, rows, W = infl.theta, np.arange(5), dense.w.sum()
    assert np.linalg.norm(dense.gradient(theta, dense.w, reduction)) <= 1e-8
    for method in METHODS:
        found = infl.leave_one_out(rows, method=method)
        expected = np.array([dense.removal(theta, i, reduction, method) for i in rows])
        if method == "exact":
            close(found.theta, theta + expected, 1e-8)
        else:
            close(found.theta - found.theta_old, expected)
    moves = np.array([dense.removal(theta, i, reduction, "influence") for i in range(dense.n)])
    close(infl.on_params(rows), moves[rows])
    close(infl.on_prediction(dense.X[:3, :2]), dense.X[:3] @ moves.T)
    (d1,) = dense.loss.evaluate(dense.X @ theta, dense.y, "d1")
    test_gradients = d1[:3, None] * dense.X[:3]
    close(infl.on_loss(dense.X[:3, :2], dense.y[:3]), test_gradients @ moves.T)
    own = np.einsum("ij,ij->i", d1[:, None] * dense.X, moves)
    close(infl.self_influence(), own)
    close(infl.self_influence("upweight"), -own * W / dense.w)


@pytest.mark.parametrize("label", SAMPLES)
def test_conjugate_gradients_to_their_tolerance(label):
    dense = Dense(SAMPLES[label].loss)
    infl = dense.influence("mean", solver=fi.solvers.CG(tol=1e-11))
    V = np.random.default_rng(1).normal(size=(3, 4))
    solution = infl.ihvp(V)
    H = dense.hessian(infl.theta, dense.w, "mean")
    assert solution.converged.all()
    assert (np.linalg.norm(H @ solution.x - V, axis=0) <= 1e-9 * np.linalg.norm(V, axis=0)).all()
    close(solution.x, np.linalg.solve(H, V), 1e-7)


def test_the_comparison_can_fail(monkeypatch):
    dense = Dense(fi.losses.get("logistic"))
    infl = dense.influence("mean")
    monkeypatch.setattr(dense, "l2", dense.l2 + 0.01)
    found = infl.leave_one_out([0], method="newton")
    with pytest.raises(AssertionError):
        close(found.theta - found.theta_old, dense.removal(infl.theta, 0, "mean", "newton")[None])
