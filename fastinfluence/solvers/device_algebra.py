"""Dense linear algebra of symmetric matrices in a device's memory: cuSOLVER and cuBLAS by CuPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastinfluence.backend import CUDA
from fastinfluence.types import FloatArray


def cholesky(A: FloatArray) -> FloatArray:
    """L with A = LLᵀ; LinAlgError where A (p, p) is not positive definite."""
    if not bool(np.isfinite(A).all()):
        raise np.linalg.LinAlgError("not finite")
    with _cupyx().errstate(linalg="raise"):  # left alone, CuPy returns half a factor
        out: FloatArray = np.linalg.cholesky(A)
    return out


lower = cholesky


def reciprocal_condition(L: FloatArray, A: FloatArray) -> float:
    """1/(‖A‖‖A⁻¹‖) in the maximum column sum, given A's factor: from the inverse itself."""
    norm = float(np.abs(A).sum(axis=0).max())
    inverse = float(np.abs(_inverse(L)).sum(axis=0).max())
    return 1.0 / (norm * inverse) if 0.0 < norm * inverse < np.inf else 0.0


def inverse_norm(L: FloatArray, scale: FloatArray) -> float:
    """‖D(LLᵀ)⁻¹D‖ in the maximum row sum, D = diag(scale)."""
    return float((np.abs(_inverse(L)) * scale[:, None] * scale).sum(axis=1).max())


def _inverse(L: FloatArray) -> FloatArray:
    half = solve_triangular(L, CUDA.xp.eye(len(L)))
    return half.T @ half


def eigh(A: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues, ascending, and eigenvectors."""
    values, vectors = np.linalg.eigh(A)
    return values, vectors


def positive(A: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """B ↦ A⁻¹B; LinAlgError where A is not positive definite."""
    triangle = Triangle(cholesky(A))
    return lambda B: triangle.solve_transposed(triangle.solve(B))


def solve_triangular(L: FloatArray, B: FloatArray, transposed: bool = False) -> FloatArray:
    """L⁻¹B, or L⁻ᵀB, for a lower triangle."""
    from cupyx.scipy.linalg import solve_triangular as solve

    out: FloatArray = solve(L, B, trans="T" if transposed else "N", lower=True)
    return out


def combined(weights: Sequence[float], arrays: FloatArray) -> FloatArray:
    """Σ_k weights_k arrays_k."""
    terms = [float(weight) * array for weight, array in zip(weights, arrays, strict=True)]
    out: FloatArray = sum(terms[1:], terms[0])
    return out


class Triangle:
    """A lower-triangular matrix L, shape (p, p), with a nonzero diagonal."""

    def __init__(self, L: FloatArray) -> None:
        self._L = L

    def solve(self, B: FloatArray) -> FloatArray:
        """L⁻¹ B, shape (p, t)."""
        return solve_triangular(self._L, B)

    def solve_transposed(self, B: FloatArray) -> FloatArray:
        """L⁻ᵀ B, shape (p, t)."""
        return solve_triangular(self._L, B, transposed=True)


def _cupyx() -> Any:
    import cupyx

    return cupyx
