"""Peak resident memory of the whole process, data included."""

from __future__ import annotations

import numpy as np
from workloads import model, quiet, sides, sparse_table, table

import fastinfluence as fi

from .quick import choices, rows

N, D, TESTS = 200_000, 32, 200  # X is 51 MB; a matrix of all scores would be 320 MB
SOLVERS = fi.solvers
CALLS = {
    "nothing: the data": lambda infl: None,
    "HVP, 16 vectors": lambda infl: infl.hessian @ sides(D + 1, 16),
    "Direct": lambda infl: SOLVERS.Direct().prepare(infl.hessian).solve(sides(D + 1, TESTS)),
    "CG": lambda infl: SOLVERS.CG().prepare(infl.hessian).solve(sides(D + 1, TESTS)),
    "CG, Nystrom": lambda infl: (
        SOLVERS.CG(preconditioner=SOLVERS.Nystrom(16)).prepare(infl.hessian).solve(sides(D + 1, 8))
    ),
    "LiSSA": lambda infl: quiet(
        SOLVERS.LiSSA(depth=100).prepare(infl.hessian).solve, sides(D + 1, 8)
    ),
    "scores, top 10": lambda infl: infl.on_function(sides(D + 1, TESTS).T, out=fi.TopK(10)),
    "scores, total": lambda infl: infl.on_function(sides(D + 1, TESTS).T, out=fi.Total()),
    "self-influence": lambda infl: infl.self_influence(),
    "diagnostics": lambda infl: infl.diagnostics().cooks_distance,
    "leave-one-out, 500 rows": lambda infl: infl.leave_one_out(np.arange(500), method="exact"),
}
SPARSE_CALLS = ("nothing: the data", "CG", "LiSSA", "scores, top 10")


class PeakMemory:
    """The first call is the floor that the others stand on."""

    params = (choices(CALLS),)
    param_names = ("call",)

    def setup(self, name):
        self.infl = model(*table(N, D))

    def peakmem_dense(self, name):
        for row in rows(CALLS, name):
            CALLS[row](self.infl)


class PeakMemorySparse:
    """The same on a longer table, a tenth of whose numbers are stored."""

    params = (choices(SPARSE_CALLS),)
    param_names = ("call",)

    def setup(self, name):
        self.infl = model(*sparse_table(4 * N, D))

    def peakmem_sparse(self, name):
        for row in rows(SPARSE_CALLS, name):
            CALLS[row](self.infl)
