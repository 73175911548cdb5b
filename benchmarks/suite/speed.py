"""Every workload on one thread: its time, and that over the machine's own limit."""

from __future__ import annotations

from workloads import WORKLOADS, sides, table

import fastinfluence as fi

from .quick import choices, rows


class Speed:
    """The ratio is the steadier figure: a busy machine slows its limit too."""

    params = (choices(WORKLOADS),)
    param_names = ("workload",)

    def setup(self, name):
        self.workloads = [WORKLOADS[row]() for row in rows(WORKLOADS, name)]
        self.time_call(name)  # compile

    def time_call(self, name):
        for workload in self.workloads:
            workload.call()

    def track_over_limit(self, name):
        return max(workload.over_limit(5) for workload in self.workloads)

    track_over_limit.unit = "times the limit"


class Auto:
    """From arrays to scores by the solver that is chosen, on all threads, nothing kept."""

    params = ([(100_000, 32), (20_000, 256)],)
    param_names = ("n_d",)

    def setup(self, n_d):
        n, d = n_d
        self.X, self.y = table(n, d)
        self.model = fi.GLM("logistic", l2=1e-2)
        self.theta = fi.Influence.fit(self.model, self.X, self.y).theta
        self.V = sides(d + 1, 8)
        self.time_eight_right_hand_sides(n_d)  # compile

    def time_eight_right_hand_sides(self, n_d):
        fi.Influence(self.model, self.X, self.y, self.theta).ihvp(self.V)
