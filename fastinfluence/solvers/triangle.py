"""Solves with a triangular matrix, as matrix products.

SciPy's BLAS is another library than NumPy's, with threads of its own: calls that alternate
between the two leave the threads of one spinning while those of the other wait, and a small solve
takes a hundred times longer. Here only NumPy multiplies. Inverting the small diagonal blocks, and
those alone, keeps the residual near that of substitution.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from fastinfluence.types import FloatArray

BLOCK = 64
"""Rows of a diagonal block: wide enough for matrix products, small enough to invert safely."""


class Triangle:
    """A lower-triangular matrix L, shape (p, p), with a nonzero diagonal."""

    def __init__(self, L: FloatArray) -> None:
        self._L: FloatArray = np.ascontiguousarray(L)
        p = len(L)
        self._cuts = [(a, min(a + BLOCK, p)) for a in range(0, p, BLOCK)]
        self._inverses = [_inverse(self._L[a:b, a:b]) for a, b in self._cuts]

    def solve(self, B: FloatArray) -> FloatArray:
        """L⁻¹ B, shape (p, t)."""
        out, rest = np.empty(B.shape), np.empty((min(BLOCK, len(B)), B.shape[1]))
        for (a, b), inverse in zip(self._cuts, self._inverses, strict=True):
            _step(B[a:b], self._L[a:b, :a], out[:a], inverse, rest[: b - a], out[a:b])
        return out

    def solve_transposed(self, B: FloatArray) -> FloatArray:
        """L⁻ᵀ B, shape (p, t)."""
        out, rest = np.empty(B.shape), np.empty((min(BLOCK, len(B)), B.shape[1]))
        for (a, b), inverse in zip(self._cuts[::-1], self._inverses[::-1], strict=True):
            _step(B[a:b], self._L[b:, a:b].T, out[b:], inverse.T, rest[: b - a], out[a:b])
        return out


def _step(
    B: FloatArray,
    off_diagonal: FloatArray,
    solved: FloatArray,
    inverse: FloatArray,
    rest: FloatArray,
    out: FloatArray,
) -> None:
    """Write inverse @ (B − off_diagonal @ solved) to ``out``; ``rest`` is room to work in."""
    if len(solved):
        np.matmul(off_diagonal, solved, out=rest)
        np.subtract(B, rest, out=rest)
        B = rest
    np.matmul(inverse, B, out=out)


def _inverse(block: FloatArray) -> FloatArray:
    inverse, _ = lapack.dtrtri(block, lower=1)
    return np.ascontiguousarray(np.tril(inverse))
