"""Kernels over dense rows: against the CPU's and against whole matrices, at odd shapes."""

import numpy as np
import pytest
from cuda import host_module
from cuda.host_module import close

from fastinfluence.errors import InputError
from fastinfluence.kernels.cpu import glm as cpu
from fastinfluence.kernels.cuda import glm

on_host = host_module.on_host
pytestmark = pytest.mark.usefixtures("on_host")

# Rows and columns: none, one, every length of a team, rows too long for registers.
SHAPES = [(0, 3), (1, 1), (37, 5), (300, 8), (70, 45), (41, 130), (33, 257), (9, 8300)]
KINDS = [
    pytest.param(n, d, ones, dtype, id=f"{n}x{d}{'+1' if ones else ''}-{np.dtype(dtype)}")
    for n, d in SHAPES
    for ones, dtype in ((0, np.float32), (1, np.float64))
]


def drawn(n, d, ones, dtype):
    """Return X, the same with its ones in double precision, and a generator."""
    rng = np.random.default_rng(n + d)
    X = rng.normal(size=(n, d)).astype(dtype)
    return X, np.column_stack([X.astype(float), np.ones((n, ones))]), rng


@pytest.mark.parametrize(("n", "d", "ones", "dtype"), KINDS)
def test_products_with_the_hessian(n, d, ones, dtype):
    X, X1, rng = drawn(n, d, ones, dtype)
    scale = rng.normal(size=n)
    V, start = rng.normal(size=(2, 4, d + ones))
    expected = start + ((scale * (V @ X1.T)) @ X1)
    glm.hvp_block(X, scale, V[0], one := start[0].copy())
    close(one, expected[0])
    cpu.hvp_block(X, scale, V[0], same := start[0].copy())
    close(one, same)
    if d < 1000:  # four vectors along longer rows are four single ones
        glm.hvp_four(X, scale, V, four := start.copy())
        close(four, expected)


@pytest.mark.parametrize(("n", "d", "ones", "dtype"), KINDS)
def test_predictions(n, d, ones, dtype):
    X, X1, rng = drawn(n, d, ones, dtype)
    T, owner = rng.normal(size=(3, d + ones)), rng.integers(0, 3, size=n)
    glm.linear_block(X, T[0], out := np.full(n, np.nan))
    close(out, X1 @ T[0])
    cpu.linear_block(X, T[0], same := np.full(n, np.nan))
    close(out, same)
    glm.paired_block(X, T, owner, out := np.full(n, np.nan))
    close(out, (X1 * T[owner]).sum(axis=1))


@pytest.mark.parametrize(("n", "d", "ones", "dtype"), KINDS)
def test_gradient(n, d, ones, dtype):
    X, X1, rng = drawn(n, d, ones, dtype)
    slope, start = rng.normal(size=n), rng.normal(size=(2, d + ones))
    out, size = start.copy()
    glm.gradient_block(X, slope, out, size)
    close(out, start[0] + X1.T @ slope)
    close(size, start[1] + np.abs(X1).T @ np.abs(slope))
    same, its_size = start.copy()
    cpu.gradient_block(X, slope, same, its_size)
    close(out, same)
    close(size, its_size)


def test_many_blocks_take_strides():
    """More rows than the blocks of a launch take at a time."""
    X, X1, rng = drawn(20_000, 1, 1, np.float32)
    scale, v = rng.normal(size=len(X)), np.ones(2)
    glm.hvp_block(X, scale, v, out := np.zeros(2))
    close(out, X1.T @ (scale * (X1 @ v)))


def test_single_precision_is_summed_in_double():
    X = np.array([[1e8, 1.0, -1e8]], dtype=np.float32)
    glm.linear_block(X, np.ones(3), out := np.empty(1))
    assert out[0] == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": np.ones(4, dtype=np.float32)},
        {"X": np.ones((4, 3), dtype=np.int64)},
        {"X": np.ones((3, 4)).T},
        {"v": np.ones(6)[::2]},
    ],
)
def test_arrays_that_a_kernel_would_misread_are_refused(wrong):
    given = {"X": np.ones((4, 3)), "scale": np.ones(4), "v": np.ones(3), "out": np.zeros(3)}
    with pytest.raises(InputError):
        glm.hvp_block(**given | wrong)
