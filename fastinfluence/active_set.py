"""Models with an l1 penalty, seen from the coefficients that it left in.

On the set of non-zero coefficients, with their signs, Σ_j l1_j |theta_j| is the linear term
Σ_j l1_j sign_j theta_j: it adds to the gradient and nothing to the Hessian. The other coefficients
stay at zero, and their columns are kept only to notice when one of them would enter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastinfluence.rows.base import Rows
from fastinfluence.rows.view import RowView
from fastinfluence.types import FloatArray, IntArray


@dataclass(frozen=True)
class ActiveSet:
    """The linear term of the active coefficients, and the columns of the others.

    Attributes
    ----------
    linear : ndarray, shape (p,)
        l1_j·sign(theta_j) in the spec's reduction; zero where there is no l1 penalty.
    others : Rows or None
        The n rows' columns whose coefficients are zero; None where there are none.
    limit : float
        Their l1: a coefficient stays zero while its |∂R/∂theta_j| is no larger.
    """

    linear: FloatArray
    others: Rows | None
    limit: float

    def keep(self, kept: IntArray) -> ActiveSet:
        """The same with the kept rows only."""
        if self.others is None:
            return self
        return replace(self, others=RowView(self.others, kept))
