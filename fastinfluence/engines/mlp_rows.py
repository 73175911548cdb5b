"""The Hessians of an MLP's single rows, for solvers that draw rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from fastinfluence.engines.mlp_dense import DenseCurvature, gather
from fastinfluence.errors import UnsupportedError
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from fastinfluence.engines.mlp import MLPEngine


class MLPRowCurvature:
    """∇²l_i of single rows; only products are known, no bounds of a norm."""

    def __init__(self, engine: MLPEngine) -> None:
        self._engine = engine

    @property
    def norms(self) -> NoReturn:
        """Refused: ‖∇²l_i‖ of a network has no cheap bound.

        Raises
        ------
        UnsupportedError
            Always.
        """
        raise UnsupportedError(
            "LiSSA needs a bound of each row's curvature, which an MLP does not give: use "
            "fi.solvers.CG() or fi.solvers.Direct()"
        )

    def squares(self, V: FloatArray, scale: FloatArray) -> NoReturn:
        """As :attr:`norms`."""
        raise UnsupportedError("an MLP's rows have no cheap squared curvature: use CG or Direct")

    def product(self, V: FloatArray, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} V over the named rows, shape (p, t)."""
        return self._engine.sampled_product(V, rows, scale)

    def matrix(self, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} itself, shape (p, p): cheaper than its p columns."""
        engine = self._engine
        gathered = DenseCurvature(engine.network, engine.second_order)
        gather(engine, gathered, engine.problem.rows.take(rows), rows, scale)
        return gathered.matrix()
