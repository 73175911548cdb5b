"""What a solver is: a frozen configuration, prepared once per operator, applied to many sides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Solution:
    """Solutions of H x = b, one column and one entry of every diagnostic per right-hand side.

    Attributes
    ----------
    x : ndarray, shape (p, t)
        H⁻¹ b in mean form. Where H is singular, the solution of smallest norm for the part
        of b inside the range of H.
    converged : ndarray of bool, shape (t,)
    iterations : ndarray of int, shape (t,)
        Zero for a direct solution.
    residual_norms : ndarray, shape (t,)
        ‖b − H x‖₂, computed after the fact.
    error_bound : ndarray, shape (t,)
        ‖b − H x‖ / λ_min. Where ``bound_is_certain`` a bound on ‖x − H⁻¹b‖, which counts what
        rounding may hide of b − H x and of λ_min; else an estimate, which does not.
    std_error : ndarray, shape (p, t), or None
        Standard error over repeats, for stochastic solvers.
    status : tuple of str
        ``"converged"``, or in words why not.
    bound_is_certain : bool
        Whether λ_min is a proven lower bound: convex and fully penalised, or factorised and far
        above what rounding does to the eigenvalues of H.
    bias_bound : ndarray, shape (t,), or None
        For stochastic solvers: how far the mean over infinitely many repeats may be from H⁻¹b.
    """

    x: FloatArray
    converged: BoolArray
    iterations: IntArray
    residual_norms: FloatArray
    error_bound: FloatArray
    std_error: FloatArray | None
    status: tuple[str, ...]
    bound_is_certain: bool = False
    bias_bound: FloatArray | None = None


@dataclass(frozen=True)
class Conditioning:
    """What preparing a solver taught about the operator.

    Attributes
    ----------
    lambda_min : float
        Lower bound or estimate of the smallest eigenvalue that is used.
    certain : bool
        Whether ``lambda_min`` is a proven lower bound.
    condition : float
        Condition number, or an estimate of it; NaN where unknown.
    null_space : ndarray, shape (p, k)
        Orthonormal basis of the directions that were dropped.
    negative : int
        Number of negative eigenvalues found.
    note : str
        How the solver went about it, in words.
    """

    lambda_min: float = 0.0
    certain: bool = False
    condition: float = float("nan")
    null_space: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    negative: int = 0
    note: str = ""


class Prepared(Protocol):
    """A solver that has seen its operator."""

    @property
    def conditioning(self) -> Conditioning:
        """What is known about the operator."""

    def apply(self, B: FloatArray) -> FloatArray:
        """H⁻¹ B without diagnostics; raises SolverError where a column did not converge."""

    def solve(self, B: FloatArray) -> Solution:
        """H⁻¹ B, shape (p, t), with diagnostics."""


class Solver(Protocol):
    """A frozen configuration."""

    def prepare(self, operator: Curvature) -> Prepared:
        """Do the work that depends on the operator alone."""


def finite_columns(x: FloatArray) -> BoolArray:
    """Whether each column of x (p, t) is finite, shape (t,)."""
    return cast("BoolArray", np.isfinite(x).all(axis=0))


def residual_bound(residuals: FloatArray, lambda_min: float) -> FloatArray:
    """‖r‖ / λ_min; infinite where no positive λ_min is known and the residual is not 0."""
    if lambda_min > 0:
        return residuals / lambda_min
    return np.where(residuals == 0, residuals, np.inf)


def units_of(B: FloatArray) -> FloatArray:
    """A power of two near each side's largest entry, shape (t,); NaN where that is not finite.

    Divided by it, which is exact, no side is too small or too large for its norm to be a number.
    """
    largest = np.abs(B).max(axis=0)
    size = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    units = size / (2.0 * np.frexp(size)[0])
    return np.where(np.isfinite(largest), units, np.nan)
