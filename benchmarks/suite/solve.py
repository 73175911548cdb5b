"""From data to s_test: assembling and factoring H, or conjugate gradients."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.sparse import csr_array

import fastinfluence as fi

from .common import fitted, table
from .exponents import best_of

SOLVERS = {
    "direct": fi.solvers.Direct(),
    "cg": fi.solvers.CG(tol=1e-8),
    "cg nystrom": fi.solvers.CG(tol=1e-8, preconditioner=fi.solvers.Nystrom()),
    "lissa": fi.solvers.LiSSA(),
}


class Solve:
    """A fresh object each time, so nothing is kept from the last."""

    params = (list(SOLVERS), [(100_000, 32), (20_000, 256)])
    param_names = ("solver", "n_d")

    def setup(self, solver, n_d):
        n, d = n_d
        self.X, self.y = table(n, d)
        self.spec = fi.GLM("logistic", l2=1e-2)
        self.theta = fitted(n, d).theta
        self.V = np.random.default_rng(1).standard_normal((d + 1, 8))
        self.time_eight_right_hand_sides(solver, n_d)  # compile

    def time_eight_right_hand_sides(self, solver, n_d):
        infl = fi.Influence(self.spec, self.X, self.y, self.theta, solver=SOLVERS[solver])
        infl.ihvp(self.V)


class LiSSAStep:
    """One step of the recursion, batch 1: the time that 16,000 of them take, over 16,000."""

    params = (["dense", "sparse"], [123, 784])
    param_names = ("storage", "d")
    depth, repeats = 8000, 2

    def setup(self, storage, d):
        X, y = table(20_000, d)
        if storage == "sparse":
            X = csr_array(np.where(np.abs(X) > 1.6, X, 0.0))
        config = fi.solvers.LiSSA(depth=self.depth, repeats=self.repeats)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fi.FastInfluenceWarning)
            infl = fi.Influence(
                fi.GLM("logistic", l2=1e-2), X, y, np.zeros(d + 1), solver=config, n_threads=1
            )
        self.prepared = infl._prepared
        self.V = np.ones((d + 1, 1))
        self.prepared.solve(self.V)  # compile

    def track_microseconds_per_step(self, storage, d):
        seconds = best_of(lambda: self.prepared.solve(self.V))
        return 1e6 * seconds / (self.depth * self.repeats)

    track_microseconds_per_step.unit = "us"


class Fit:
    """To the optimum."""

    params = ([(100_000, 32), (20_000, 256)],)
    param_names = ("n_d",)

    def setup(self, n_d):
        self.X, self.y = table(*n_d)
        self.time_fit(n_d)

    def time_fit(self, n_d):
        fi.Influence.fit(fi.GLM("logistic", l2=1e-2), self.X, self.y)
