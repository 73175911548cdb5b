"""Peak resident memory of the whole process, data included."""

from __future__ import annotations

import fastinfluence as fi

from .common import fitted, table

N, D, TESTS = 200_000, 32, 200  # X is 51 MB; a matrix of all scores would be 320 MB


class PeakMemory:
    """`peakmem_data` is the floor that the other two stand on."""

    def setup(self):
        self.infl = fitted(N, D)
        self.X_test, self.y_test = table(TESTS, D)

    def peakmem_data(self):
        pass

    def peakmem_top_ten(self):
        self.infl.on_loss(self.X_test, self.y_test, out=fi.TopK(10))

    def peakmem_self_influence(self):
        self.infl.self_influence()
