"""The kernels over compressed sparse rows against the same sums with dense arrays."""

import numpy as np
import pytest
from scipy import sparse

from fastinfluence.kernels.cpu import csr as kernels

D = 9
KINDS = [
    pytest.param(value, index, id=f"{np.dtype(value)}-{np.dtype(index)}")
    for value in (np.float32, np.float64)
    for index in (np.int32, np.int64)
]
SHAPES = {"many rows": (40, 0.3), "one row": (1, 0.9), "no row": (0, 0.5), "all zero": (12, 0.0)}


def drawn(shape, value, index):
    """Return a sparse block in parts and as a dense float64 array; some rows are empty."""
    b, density = SHAPES[shape]
    rng = np.random.default_rng(b)
    X = np.where(rng.random((b, D)) < density, rng.normal(size=(b, D)), 0.0).astype(value)
    X[::5] = 0.0
    packed = sparse.csr_array(X)
    parts = packed.data, packed.indices.astype(index), packed.indptr.astype(index)
    return parts, X.astype(np.float64), rng


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("value", "index"), KINDS)
@pytest.mark.parametrize("intercept", [0, 1])
def test_products_with_the_hessian(shape, value, index, intercept):
    parts, X, rng = drawn(shape, value, index)
    X1 = np.column_stack([X, np.ones(len(X))]) if intercept else X
    scale = rng.normal(size=len(X))
    for t in (1, 2, 7):
        V, start = rng.normal(size=(2, D + intercept, t))
        expected = start + X1.T @ (scale[:, None] * (X1 @ V))
        out = start.copy()
        kernels.hvp_columns(*parts, scale, V, out, D)
        np.testing.assert_allclose(out, expected, atol=1e-13)
        one = start[:, 0].copy()
        kernels.hvp_block(*parts, scale, V[:, 0].copy(), one, D)
        np.testing.assert_allclose(one, expected[:, 0], atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("value", "index"), KINDS)
def test_other_products(shape, value, index):
    parts, X, rng = drawn(shape, value, index)
    for t in (1, 4):
        V, C, start = rng.normal(size=(D, t)), rng.normal(size=(len(X), t)), rng.normal(size=(D, t))
        out = np.full((len(X), t), np.nan)
        kernels.linear_block(*parts, V, out)
        np.testing.assert_allclose(out, X @ V, atol=1e-13)
        kernels.transposed_block(*parts, C, out := start.copy())
        np.testing.assert_allclose(out, start + X.T @ C, atol=1e-13)
    T, owner = rng.normal(size=(3, D + 1)), rng.integers(0, 3, size=len(X))
    out = np.full(len(X), np.nan)
    kernels.paired_block(*parts, T, owner, out)
    np.testing.assert_allclose(out, (X * T[owner, :D]).sum(axis=1), atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("value", "index"), KINDS)
def test_gradient(shape, value, index):
    parts, X, rng = drawn(shape, value, index)
    slope = rng.normal(size=len(X))
    out, size = np.zeros(D), np.zeros(D)
    kernels.gradient_block(*parts, slope, out, size)
    np.testing.assert_allclose(out, X.T @ slope, atol=1e-13)
    np.testing.assert_allclose(size, np.abs(X).T @ np.abs(slope), atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("value", "index"), KINDS)
def test_gram(shape, value, index):
    """Symmetric to the last bit, also where a scale is negative."""
    parts, X, rng = drawn(shape, value, index)
    scale, out = rng.normal(size=len(X)), np.ones((D, D))
    kernels.gram_block(*parts, scale, out)
    np.testing.assert_allclose(out, 1.0 + X.T @ (scale[:, None] * X), atol=1e-13)
    np.testing.assert_array_equal(out, out.T)


def test_single_precision_is_summed_in_double():
    """A sum that float32 would lose."""
    data = np.array([1e8, 1.0, -1e8], dtype=np.float32)
    parts = data, np.arange(3, dtype=np.int32), np.array([0, 3], dtype=np.int32)
    out = np.empty((1, 1))
    kernels.linear_block(*parts, np.ones((3, 1)), out)
    assert out[0, 0] == 1.0


def test_kernels_release_the_gil_and_hold_no_objects():
    for name in ("hvp_block", "hvp_columns", "linear_block", "transposed_block", "gram_block"):
        dispatcher = getattr(kernels, name)
        assert dispatcher.targetoptions["nogil"]
        assert dispatcher.targetoptions["nopython"]
