"""The leave-out Hessians of networks and oracles: every set's own, since no row's has low rank.

∇²l_i of a network is no outer product of gradients, so the full problem's factor is of no use: each
set's rows are taken out of Σ w∇²l (a matrix formed of a few rows) and what is left is
factorised, p³/3 operations a set.
"""

from __future__ import annotations

import numpy as np

from fastinfluence.engines.mlp import MLPEngine
from fastinfluence.engines.oracle import OracleEngine
from fastinfluence.removal.sets import RemovalSets
from fastinfluence.removal.system import ShiftedInverse
from fastinfluence.solvers.factor import Factor
from fastinfluence.types import BoolArray, FloatArray

NETWORKS = (MLPEngine, OracleEngine)
"""Engines of which no row's Hessian is known to have low rank."""
MOST_PARAMETERS = 1000
"""Above this many parameters each set goes by conjugate gradients instead."""
FACTOR_BYTES = 1 << 28
"""Bytes of the factors of one batch."""


def batch_size(p: int) -> int:
    """Sets whose factors are kept together."""
    return max(1, FACTOR_BYTES // (24 * p * p))


class NetworkLeaveOutInverse:
    """M_G⁻¹ for a batch of removal sets, as :class:`fastinfluence.removal.system.Inverse`."""

    def __init__(
        self, engine: MLPEngine | OracleEngine, shifted: ShiftedInverse, sets: RemovalSets
    ) -> None:
        self.removed = sets.weight(engine.problem)
        self.singular: BoolArray = np.zeros(len(sets), dtype=bool)
        self._factors: list[Factor] = []
        for j, w in enumerate(self.removed):
            rows = sets.members(j)
            matrix = shifted.matrix(float(w))
            matrix -= engine.row_curvature.matrix(rows, engine.problem.w[rows])
            factor = Factor(matrix)
            self.singular[j] = factor.rank < engine.n_params - shifted.dropped
            self._factors.append(factor)

    def solve(self, B: FloatArray, which: BoolArray) -> FloatArray:
        """M_G⁻¹ b for the chosen sets; B (p, number chosen)."""
        chosen = np.flatnonzero(which)
        columns = [self._factors[int(j)].solve(B[:, [i]]) for i, j in enumerate(chosen)]
        return np.concatenate(columns, axis=1) if columns else B
