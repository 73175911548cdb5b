"""Scores of all rows for many test rows, kept or reduced as they stream past."""

from __future__ import annotations

import fastinfluence as fi

from .common import fitted, table

N, D, TESTS = 100_000, 64, 64
SINKS = {"matrix": None, "top 10": fi.TopK(10), "total": fi.Total()}


class OnLoss:
    """The factor is ready; what is timed is the pass over the rows."""

    params = (list(SINKS),)
    param_names = ("out",)

    def setup(self, out):
        self.infl = fitted(N, D)
        self.X_test, self.y_test = table(TESTS, D)
        self.time_on_loss(out)

    def time_on_loss(self, out):
        self.infl.on_loss(self.X_test, self.y_test, out=SINKS[out])


class AllRows:
    """One number per training row."""

    def setup(self):
        self.infl = fitted(N, D)
        self.infl.self_influence()
        self.small = fitted(2_000, D)
        self.small.leave_one_out(method="exact")

    def time_self_influence(self):
        self.infl.self_influence()

    def time_exact_leave_one_out(self):
        self.small.leave_one_out(method="exact")
