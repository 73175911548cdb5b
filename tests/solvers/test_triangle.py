"""Triangular solves by blocks of matrix products."""

import numpy as np
import pytest

from fastinfluence.solvers.triangle import BLOCK, Triangle


@pytest.mark.parametrize("p", [1, 5, BLOCK, BLOCK + 1, 3 * BLOCK - 7])
@pytest.mark.parametrize("t", [1, 40])
def test_residuals_are_those_of_substitution(rng, p, t):
    A = rng.standard_normal((p + 3, p))
    L = np.linalg.cholesky(A.T @ A + np.eye(p))
    B = np.asfortranarray(rng.standard_normal((p, t)))
    triangle, before = Triangle(L), B.copy()
    scale = 1e-14 * p * np.linalg.norm(L, 2)
    x, z = triangle.solve(B), triangle.solve_transposed(B)
    assert np.abs(L @ x - B).max() <= scale * np.abs(x).max()
    assert np.abs(L.T @ z - B).max() <= scale * np.abs(z).max()
    assert np.array_equal(B, before)


def test_graded_matrix(rng):
    """Rows twelve orders of magnitude apart: every row's residual is small beside its terms."""
    p = 2 * BLOCK + 3
    L = np.tril(rng.standard_normal((p, p)) / p, -1) + np.eye(p)
    L *= 10.0 ** np.linspace(0, -12, p)[:, None]
    B = rng.standard_normal((p, 2))
    x = Triangle(L).solve(B)
    assert (np.abs(L @ x - B) <= 1e-13 * (np.abs(L) @ np.abs(x) + np.abs(B))).all()
