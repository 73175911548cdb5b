"""Products with few and with many vectors are the same product."""

import os
import subprocess
import sys

import numpy as np
import pytest

from fastinfluence.rows.base import FEW
from fastinfluence.rows.dense import DenseFeatures


@pytest.mark.parametrize("t", [1, 2, 3, 4, 5, 8, FEW, FEW + 1])
@pytest.mark.parametrize(("b", "d"), [(1, 3), (2, 1), (37, 5), (64, 64), (131, 200)])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_product_with_t_vectors(rng, t, b, d, intercept, dtype):
    X = rng.standard_normal((b, d)).astype(dtype)
    scale, V = rng.standard_normal(b), np.asfortranarray(rng.standard_normal((d + intercept, t)))
    design = X.astype(float)
    if intercept:
        design = np.hstack([design, np.ones((b, 1))])
    expected = design.T @ (scale[:, None] * (design @ V))
    got = DenseFeatures(X).hvp(scale, V)
    assert got.shape == V.shape
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_rows_beyond_one_piece(rng):
    """More rows than stay in the cache: several pieces, each taken for all vectors."""
    X = rng.standard_normal((3000, 100))
    scale, V = rng.random(3000), rng.standard_normal((100, 7))
    expected = X.T @ (scale[:, None] * (X @ V))
    got = DenseFeatures(X).hvp(scale, V)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


UNCOMPILED = """
import numpy as np
from fastinfluence.rows.dense import DenseFeatures
rng = np.random.default_rng(0)
X, V, scale = rng.normal(size=(37, 70)), rng.normal(size=(70, 2)), rng.normal(size=37)
found = DenseFeatures(X).hvp(scale, V)
assert np.allclose(found, X.T @ (scale[:, None] * (X @ V)), rtol=1e-12)
"""


def test_kernels_run_uncompiled():
    """With Numba's switch off, as a debugger or a measurement of coverage has it."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", UNCOMPILED], check=True, timeout=300, env=environment)
