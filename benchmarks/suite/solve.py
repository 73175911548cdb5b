"""From data to s_test: assembling and factoring H, or conjugate gradients."""

from __future__ import annotations

import numpy as np

import fastinfluence as fi

from .common import fitted, table

SOLVERS = {"direct": fi.solvers.Direct(), "cg": fi.solvers.CG(tol=1e-8)}


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


class Fit:
    """To the optimum."""

    params = ([(100_000, 32), (20_000, 256)],)
    param_names = ("n_d",)

    def setup(self, n_d):
        self.X, self.y = table(*n_d)
        self.time_fit(n_d)

    def time_fit(self, n_d):
        fi.Influence.fit(fi.GLM("logistic", l2=1e-2), self.X, self.y)
