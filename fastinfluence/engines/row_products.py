"""The Hessians of single rows where only products with them are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeAlias

from fastinfluence.errors import UnsupportedError
from fastinfluence.types import FloatArray, IntArray

Product: TypeAlias = Callable[[FloatArray, IntArray, FloatArray], FloatArray]
Matrix: TypeAlias = Callable[[IntArray, FloatArray], FloatArray]


class RowProducts:
    """∇²l_i of single rows, of an MLP or an oracle.

    Parameters
    ----------
    kind : str
        For messages: "an MLP".
    product : callable
        Takes V (p, t), rows and scale (k,); returns Σ_k scale_k ∇²l_{rows_k} V, shape (p, t).
    matrix : callable
        Takes rows and scale (k,); returns Σ_k scale_k ∇²l_{rows_k}, shape (p, p), symmetric.
    """

    bounded = False

    def __init__(self, kind: str, product: Product, matrix: Matrix) -> None:
        self._kind, self.product, self.matrix = kind, product, matrix

    @property
    def norms(self) -> NoReturn:
        """Refused: ‖∇²l_i‖ has no cheap bound.

        Raises
        ------
        UnsupportedError
            Always.
        """
        raise self._unbounded()

    def squares(self, V: FloatArray, scale: FloatArray) -> NoReturn:
        """As :attr:`norms`."""
        raise self._unbounded()

    def _unbounded(self) -> UnsupportedError:
        return UnsupportedError(
            f"this needs bounds of each row's curvature, which {self._kind} does not give: give "
            'LiSSA a scale of your own and sampling="weight" (some times the largest eigenvalue '
            "of H), or use fi.solvers.CG() or fi.solvers.Direct()"
        )
