"""Dense linear algebra of symmetric matrices in the host's memory: LAPACK.

:mod:`fastinfluence.solvers.device_algebra` has the same functions for a device's arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve, lapack
from scipy.linalg import cholesky as scipy_cholesky
from scipy.linalg import eigh as scipy_eigh
from scipy.linalg import solve_triangular as scipy_solve_triangular

from fastinfluence.solvers.triangle import Triangle
from fastinfluence.types import FloatArray

__all__ = [
    "Triangle",
    "cholesky",
    "combined",
    "eigh",
    "inverse_norm",
    "lower",
    "positive",
    "reciprocal_condition",
    "solve_triangular",
]


def cholesky(A: FloatArray) -> FloatArray:
    """L with A = LLᵀ; LinAlgError where A (p, p) is not positive definite."""
    out: FloatArray = scipy_cholesky(A, lower=True, check_finite=False)
    return out


def lower(A: FloatArray) -> FloatArray:
    """The same by NumPy's LAPACK."""
    return np.linalg.cholesky(A)


def reciprocal_condition(L: FloatArray, A: FloatArray) -> float:
    """An estimate of 1/(‖A‖‖A⁻¹‖) in the maximum column sum, given A's factor."""
    norm = float(np.abs(A).sum(axis=0).max())
    return float(lapack.dpocon(L, norm, uplo="L")[0])


def inverse_norm(L: FloatArray, scale: FloatArray) -> float:
    """‖D(LLᵀ)⁻¹D‖ in the maximum row sum, D = diag(scale)."""
    # one triangle of the inverse, a third of the work of solving for it
    inverse, _ = lapack.dpotri(L, lower=1)
    inverse = np.abs(np.tril(inverse)) * scale[:, None] * scale
    sums = inverse.sum(axis=1) + inverse.sum(axis=0) - inverse.diagonal()
    return float(sums.max())


def eigh(A: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues, ascending, and eigenvectors."""
    values, vectors = scipy_eigh(A, check_finite=False)
    return values, vectors


def positive(A: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """B ↦ A⁻¹B; LinAlgError where A is not positive definite."""
    factor = cho_factor(A, check_finite=False)
    return lambda B: cho_solve(factor, B, check_finite=False)


def solve_triangular(L: FloatArray, B: FloatArray) -> FloatArray:
    """L⁻¹B for a lower triangle."""
    out: FloatArray = scipy_solve_triangular(L, B, lower=True)
    return out


def combined(weights: Sequence[float], arrays: FloatArray) -> FloatArray:
    """Σ_k weights_k arrays_k."""
    return np.tensordot(np.asarray(weights), arrays, axes=1)
