"""The recursion on the device: step by step the CPU's, many repeats side by side."""

import numpy as np
import pytest
from cuda import host_module
from cuda.host_module import close
from scipy import sparse

from fastinfluence.kernels.cpu import lissa as cpu
from fastinfluence.kernels.cpu import multinomial_lissa as cpu_classes
from fastinfluence.kernels.cuda import lissa, multinomial_lissa

on_host = host_module.on_host
pytestmark = pytest.mark.usefixtures("on_host")

# Rows, columns, ones, right-hand sides, steps, batch, repeats.
CASES = {
    "single rows": (50, 7, 1, 2, 12, 1, 3),
    "long rows": (20, 600, 0, 1, 4, 2, 2),
    "batches": (50, 40, 1, 3, 6, 4, 2),
    "one number": (3, 1, 0, 1, 5, 1, 1),
    "no step": (3, 2, 0, 1, 0, 1, 2),
    "no side": (3, 2, 0, 0, 3, 1, 2),
}
SHAPES = pytest.mark.parametrize("case", CASES)
ROOMS = pytest.mark.parametrize("room", [lissa.SHARED_BYTES, 128, 0])
"""Bytes of shared memory: for all, for the products of a step at most, for nothing."""
REALS = pytest.mark.parametrize("real", [np.float32, np.float64])


def drawn(case, real, K=None):
    """Return rows, the draws, and the start of every recursion; contracting, so nothing grows."""
    n, d, ones, t, steps, b, r = CASES[case]
    rng = np.random.default_rng(d + b)
    X = np.where(rng.random((n, d)) < 0.5, rng.normal(size=(n, d)), 0.0).astype(real)
    rows = rng.integers(0, n, size=(r, steps, b))
    step = rng.uniform(0.0, 0.5, size=rows.shape) / (b * d)
    width = (d + ones,) if K is None else (K, d + ones)
    shrink = rng.uniform(0.9, 1.0, size=width)
    V, cur = rng.normal(size=(t, *width)), rng.normal(size=(r, t, *width))
    return X, rows, step, shrink, V, np.full(t, 1e3), cur


def packed(X, index):
    found = sparse.csr_array(X)
    return found.data, found.indices.astype(index), found.indptr.astype(index)


@SHAPES
@REALS
@ROOMS
def test_single_predictions(case, real, room, monkeypatch):
    monkeypatch.setattr(lissa, "SHARED_BYTES", room)
    X, rows, step, shrink, V, limits, cur = drawn(case, real)
    expected = cur.copy()
    for repeat, drawn_rows, steps in zip(expected, rows, step, strict=True):
        cpu.recurse(X, drawn_rows, steps, shrink, V, limits, repeat)
    lissa.recurse(X, rows, step, shrink, V, limits, dense := cur.copy())
    close(dense, expected, 1e-12)
    index = np.int32 if real is np.float32 else np.int64
    parts = packed(X, index)
    args = (rows, step, shrink, V, limits)
    lissa.recurse_csr(*parts, *args, found := cur.copy(), X.shape[1])
    close(found, expected, 1e-12)
    # One repeat, in the CPU's own shapes, is the first of several, to the bit.
    lissa.recurse(X, rows[0], step[0], shrink, V, limits, first := cur[0].copy())
    np.testing.assert_array_equal(first, dense[0])


def test_one_step_by_hand():
    X, rows, step, shrink, V, limits, cur = drawn("batches", np.float64)
    X1 = np.column_stack([X, np.ones(len(X))])
    expected = V + shrink * cur[0]
    for i, c in zip(rows[0, 0], step[0, 0], strict=True):
        expected = expected - c * np.outer(cur[0] @ X1[i], X1[i])
    lissa.recurse(X, rows[0, :1], step[0, :1], shrink, V, limits, found := cur[0].copy())
    close(found, expected, 1e-13)


@SHAPES
@pytest.mark.parametrize(("K", "real", "room"), [(2, np.float32, 0), (11, np.float64, 40960)])
def test_several_predictions(case, K, real, room, monkeypatch):
    monkeypatch.setattr(multinomial_lissa, "SHARED_BYTES", room)
    X, rows, step, shrink, V, limits, cur = drawn(case, real, K)
    rng = np.random.default_rng(K)
    P = rng.dirichlet(np.ones(K), size=len(X))
    top = P.argmax(axis=1)
    expected = cur.copy()
    for repeat, r, s in zip(expected, rows, step, strict=True):
        cpu_classes.recurse(X, r, r, s, P, top, shrink, V, limits, repeat)
    args = (rows, step, P, top, shrink, V, limits)
    multinomial_lissa.recurse(X, rows, *args, found := cur.copy())
    close(found, expected, 1e-12)
    parts = packed(X, np.int32)
    multinomial_lissa.recurse_csr(*parts, *args, found := cur.copy(), X.shape[1])
    close(found, expected, 1e-12)


def test_a_diverged_side_becomes_nan_and_the_others_go_on():
    X, rows, step, shrink, V, limits, cur = drawn("batches", np.float64)
    limits[1] = 1e-9
    expected = cur.copy()
    for repeat, drawn_rows, steps in zip(expected, rows, step, strict=True):
        cpu.recurse(X, drawn_rows, steps, shrink, V, limits, repeat)
    lissa.recurse(X, rows, step, shrink, V, limits, dense := cur.copy())
    parts = packed(X, np.int64)
    args = (rows, step, shrink, V, limits)
    lissa.recurse_csr(*parts, *args, found := cur.copy(), X.shape[1])
    for got in (dense, found):
        assert np.isnan(got[:, 1, 0]).all()
        close(got[:, [0, 2]], expected[:, [0, 2]], 1e-12)


def test_a_diverged_side_of_several_predictions():
    X, rows, step, shrink, V, limits, cur = drawn("batches", np.float64, K=3)
    limits[1] = 1e-9
    P = np.random.default_rng(0).dirichlet(np.ones(3), size=len(X))
    args = (rows, step, P, P.argmax(axis=1), shrink, V, limits)
    multinomial_lissa.recurse(X, rows, *args, dense := cur.copy())
    multinomial_lissa.recurse_csr(*packed(X, np.int64), *args, found := cur.copy(), X.shape[1])
    for got in (dense, found):
        assert np.isnan(got[:, 1, 0, 0]).all()
        assert np.isfinite(got[:, [0, 2]]).all()
    close(found[:, [0, 2]], dense[:, [0, 2]], 1e-12)
