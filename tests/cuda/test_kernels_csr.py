"""Kernels over compressed sparse rows: against the CPU's and against dense matrices."""

import numpy as np
import pytest
from cuda import host_module
from cuda.host_module import close
from scipy import sparse

from fastinfluence.kernels.cpu import csr as cpu
from fastinfluence.kernels.cuda import csr

on_host = host_module.on_host
pytestmark = pytest.mark.usefixtures("on_host")

KINDS = [
    pytest.param(np.float32, np.int32, id="single"),
    pytest.param(np.float64, np.int64, id="double"),
]
# b, d, density: no row, one row, rows longer than a warp, more columns than shared memory holds.
SHAPES = {
    "none": (0, 9, 0.5),
    "one": (1, 9, 0.9),
    "many": (77, 9, 0.3),
    "long": (19, 130, 0.6),
    "wide": (12, 5600, 0.01),
    "all zero": (12, 9, 0.0),
}
CASES = pytest.mark.parametrize("shape", SHAPES)
TYPES = pytest.mark.parametrize(("value", "index"), KINDS)


def drawn(shape, value, index):
    """Return a sparse block in parts and as a dense float64 array; some rows are empty."""
    b, d, density = SHAPES[shape]
    rng = np.random.default_rng(b + d)
    X = np.where(rng.random((b, d)) < density, rng.normal(size=(b, d)), 0.0).astype(value)
    X[::5] = 0.0
    packed = sparse.csr_array(X)
    parts = packed.data, packed.indices.astype(index), packed.indptr.astype(index)
    return parts, X.astype(np.float64), rng


@CASES
@TYPES
@pytest.mark.parametrize("ones", [0, 1])
def test_products_with_the_hessian(shape, value, index, ones):
    parts, X, rng = drawn(shape, value, index)
    d = X.shape[1]
    X1 = np.column_stack([X, np.ones((len(X), ones))])
    scale = rng.normal(size=len(X))
    for t in (1, 3, 35) if d < 100 else (1, 3):
        V, start = rng.normal(size=(2, d + ones, t))
        expected = start + X1.T @ (scale[:, None] * (X1 @ V))
        csr.hvp_columns(*parts, scale, V, out := start.copy(), d)
        close(out, expected)
        cpu.hvp_columns(*parts, scale, V, same := start.copy(), d)
        close(out, same)
    csr.hvp_block(*parts, scale, V[:, 0].copy(), one := start[:, 0].copy(), d)
    close(one, expected[:, 0])


@CASES
@TYPES
def test_other_products(shape, value, index):
    parts, X, rng = drawn(shape, value, index)
    b, d = X.shape
    for t in (1, 4, 40) if d < 100 else (1, 5):
        V, C = rng.normal(size=(d + 1, t)), rng.normal(size=(b, t))
        start = rng.normal(size=(d + 1, t))
        csr.linear_block(*parts, V, out := np.full((b, t), np.nan))
        close(out, X @ V[:d])
        cpu.linear_block(*parts, V, same := np.full((b, t), np.nan))
        close(out, same)
        csr.transposed_block(*parts, C, out := start.copy())
        close(out[:d], start[:d] + X.T @ C)
        np.testing.assert_array_equal(out[d], start[d])
        cpu.transposed_block(*parts, C, same := start.copy())
        close(out, same)
    T, owner = rng.normal(size=(3, d + 1)), rng.integers(0, 3, size=b)
    csr.paired_block(*parts, T, owner, out := np.full(b, np.nan))
    close(out, (X * T[owner, :d]).sum(axis=1))


@CASES
@TYPES
def test_gradient(shape, value, index):
    parts, X, rng = drawn(shape, value, index)
    slope, d = rng.normal(size=len(X)), X.shape[1]
    out, size = np.zeros(d + 1), np.zeros(d + 1)
    csr.gradient_block(*parts, slope, out, size)
    close(out[:d], X.T @ slope)
    close(size[:d], np.abs(X).T @ np.abs(slope))
    assert out[d] == size[d] == 0.0  # the caller knows the sum of slopes


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "wide"])
@TYPES
def test_gram(shape, value, index):
    """Symmetric to the last bit, also where a scale is negative; a margin of out stays."""
    parts, X, rng = drawn(shape, value, index)
    scale, d = rng.normal(size=len(X)), X.shape[1]
    out = np.ones((d + 1, d + 1))
    csr.gram_block(*parts, scale, out)
    close(out[:d, :d], 1.0 + X.T @ (scale[:, None] * X))
    np.testing.assert_array_equal(out, out.T)
    assert (out[d] == 1.0).all()
    cpu.gram_block(*parts, scale, same := np.ones((d + 1, d + 1)))
    close(out, same)
