"""Kernels between matrix products: classes of a row, layers of a network, final scores."""

import numpy as np
import pytest
from cuda import host_module
from cuda.host_module import close

from fastinfluence.kernels.cpu import mlp as cpu_mlp
from fastinfluence.kernels.cpu import multinomial as cpu
from fastinfluence.kernels.cuda import mlp, multinomial

on_host = host_module.on_host
pytestmark = pytest.mark.usefixtures("on_host")

SIZES = [(0, 3, 2), (1, 2, 1), (19, 10, 1), (300, 3, 7)]  # rows, classes, vectors
CLASSES = pytest.mark.parametrize(("b", "K", "t"), SIZES)


@CLASSES
def test_softmax(b, K, t, rng):
    """Logits up to 800 apart; also over its own input."""
    F = rng.normal(size=(b, K, t)) * np.resize([1.0, 30.0, 800.0], b)[:, None, None]
    y = rng.integers(0, K, size=b)
    value, D = np.full((b, t), np.nan), np.full((b, K, t), np.nan)
    multinomial.softmax_block(F, y, value, D)
    same, slopes = np.full((b, t), np.nan), np.full((b, K, t), np.nan)
    cpu.softmax_block(F, y, same, slopes)
    np.testing.assert_allclose(value, same, rtol=1e-14)
    np.testing.assert_allclose(D, slopes, rtol=1e-14)
    shifted = F - F.max(axis=1, keepdims=True)
    p = np.exp(shifted)
    p /= p.sum(axis=1, keepdims=True)
    close(D, p - np.eye(K)[y][:, :, None], 1e-14)
    multinomial.softmax_block(F, y, value, F)
    np.testing.assert_array_equal(F, D)


@CLASSES
def test_probabilities(b, K, t, rng):
    F = np.round(rng.normal(size=(b, K)), 1)  # ties for the likeliest class
    P, top = F.copy(), np.full(b, -1)
    multinomial.probabilities_block(P, top)
    same, likeliest = F.copy(), np.full(b, -1)
    cpu.probabilities_block(same, likeliest)
    np.testing.assert_allclose(P, same, rtol=1e-14)
    np.testing.assert_array_equal(top, likeliest)
    np.testing.assert_array_equal(top, F.argmax(axis=1))


@CLASSES
def test_curvature_and_contraction(b, K, t, rng):
    P = rng.dirichlet(np.ones(K), size=b)
    top, scale, F = P.argmax(axis=1), rng.normal(size=b), rng.normal(size=(b, K, t))
    curved, same = F.copy(), F.copy()
    multinomial.curve_block(P, top, scale, curved)
    cpu.curve_block(P, top, scale, same)
    close(curved, same, 1e-14)
    dense = np.einsum("ij,jk->ijk", P, np.eye(K)) - P[:, :, None] * P[:, None, :]
    close(curved, scale[:, None, None] * (dense @ F), 1e-11)
    D, out = rng.normal(size=(b, K)), np.full((t, b), np.nan)
    multinomial.contract_block(F, D, out)
    close(out, np.einsum("ik,ika->ai", D, F), 1e-13)


@pytest.mark.parametrize(("b", "t", "w"), [(0, 2, 3), (1, 1, 1), (37, 3, 5), (20, 40, 3)])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_layers(b, t, w, real, rng):
    """Single precision stays single, so it agrees to its own digits."""
    wide, flat = ((b, t, w), (b, w))
    moved, up, side = (rng.normal(size=wide).astype(real) for _ in range(3))
    slopes, pulls, bends = (rng.normal(size=flat).astype(real) for _ in range(3))
    bound = 1e-5 if real is np.float32 else 1e-14
    out = np.full(wide, np.nan, dtype=real)
    mlp.scale_block(moved, slopes, out)
    close(out, moved * slopes[:, None], bound)
    expected = (up + side) * slopes[:, None] + (pulls * bends)[:, None] * moved
    same = up.copy()
    mlp.bend_block(up, side, slopes, pulls, bends, moved)
    close(up, expected, bound)
    cpu_mlp.bend_block(same, side, slopes, pulls, bends, moved)
    close(up, same, bound)


@pytest.mark.parametrize(("n", "pairs", "width"), [(0, 2, 3), (1, 1, 1), (29, 6, 4)])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_pairs_of_units(n, pairs, width, real, rng):
    units, s = 3, 5
    S, J = (rng.normal(size=(units, n, k)).astype(real) for k in (s, width))
    inner, delta = (rng.normal(size=(n, k)).astype(real) for k in (width, s))
    b, c = rng.integers(0, units, size=pairs), rng.integers(0, s, size=pairs)
    bound = 1e-5 if real is np.float32 else 1e-14
    expected = S[b, :, c].T[:, :, None] * inner[:, None]
    mlp.pairs_block(S, inner, b, c, out := np.full((n, pairs, width), np.nan, dtype=real))
    close(out, expected, bound)
    expected = expected + J[b].transpose(1, 0, 2) * delta[:, c][:, :, None]
    mlp.bent_pairs_block(S, inner, J, delta, b, c, out := np.full_like(out, np.nan))
    close(out, expected, bound)
    cpu_mlp.bent_pairs_block(S, inner, J, delta, b, c, same := np.full_like(out, np.nan))
    close(out, same, bound)
