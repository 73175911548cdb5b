"""Final scores: scaled, summed, and ranked as a stable sort would rank them."""

import numpy as np
import pytest
from cuda import host_module
from cuda.host_module import close

from fastinfluence.kernels.cpu import scores as cpu
from fastinfluence.kernels.cuda import scores

on_host = host_module.on_host
pytestmark = pytest.mark.usefixtures("on_host")


def empties(t, k):
    return np.full((2, t, k), -np.inf), np.full((2, t, k), -1, dtype=np.int64)


def ranked(final, k):
    """Return the k largest and the k smallest scores of each row, ties by position."""
    values, rows = empties(len(final), k)
    for end, sign in enumerate((1.0, -1.0)):
        for a, line in enumerate(sign * final):
            order = np.argsort(-line, kind="stable")[:k]
            values[end, a, : len(order)], rows[end, a, : len(order)] = line[order], order
    return values, rows


@pytest.mark.parametrize(("t", "b"), [(1, 1), (3, 0), (5, 300), (2, 1025)])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_finish_and_sums(t, b, real, rng):
    raw, shift, scale = rng.normal(size=(t, b)).astype(real), rng.normal(size=t), rng.normal(size=b)
    expected = scale * (raw.astype(float) + shift[:, None])
    scores.sums(raw, shift, scale, out := np.full(b, np.nan))
    close(out, expected.sum(axis=0), 1e-13)
    cpu.sums(raw, shift, scale, same := np.full(b, np.nan))
    close(out, same, 1e-13)
    scores.finish(raw, shift, scale)
    assert raw.dtype == real
    close(raw, expected, 1e-6 if real is np.float32 else 1e-14)


@pytest.mark.parametrize("k", [1, 3, 40, 1500])
@pytest.mark.parametrize("blocks", [[5], [1, 1030, 7, 2050], [9000]], ids=str)
@pytest.mark.parametrize("ties", [False, True])
def test_extremes(k, blocks, ties, rng):
    """Blocks one after another; several segments of a block; fewer scores than places."""
    t, n = 2, sum(blocks)
    raw = rng.normal(size=(t, n))
    if ties:
        raw = np.round(raw, 1)
    shift, scale = np.array([0.5, -1.0]), np.where(np.arange(n) % 7 == 0, -2.0, 1.0)
    found, same = empties(t, k), empties(t, k)
    start = 0
    for b in blocks:
        at = slice(start, start + b)
        for kernels, (values, rows) in ((scores, found), (cpu, same)):
            part = np.ascontiguousarray(raw[:, at])
            kernels.merge_extremes(part, shift, scale[at], start, values, rows)
        start += b
    expected = ranked(scale * (raw + shift[:, None]), k)
    for got, right, cpus in zip(found, expected, same, strict=True):
        np.testing.assert_array_equal(got, right)
        np.testing.assert_array_equal(got, cpus)


def test_many_quantities_and_single_precision(rng):
    t, b, k = 70, 50, 4
    raw = np.round(rng.normal(size=(t, b)), 2).astype(np.float32)
    values, rows = empties(t, k)
    scores.merge_extremes(raw, np.zeros(t), np.ones(b), 0, values, rows)
    expected = ranked(raw.astype(float), k)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(rows, expected[1])


def test_what_is_not_a_number_ranks_last():
    raw = np.array([[1.0, np.nan, -2.0, np.inf, -np.inf]])
    values, rows = empties(1, 5)
    scores.merge_extremes(raw, np.zeros(1), np.ones(5), 10, values, rows)
    np.testing.assert_array_equal(rows[:, 0], [[13, 10, 12, 14, 11], [14, 12, 10, 13, 11]])


def test_nothing_to_rank_changes_nothing():
    values, rows = empties(2, 3)
    scores.merge_extremes(np.empty((2, 0)), np.zeros(2), np.empty(0), 0, values, rows)
    assert (rows == -1).all()


@pytest.mark.parametrize(("n", "d", "ones"), [(0, 3, 0), (1, 1, 1), (37, 20, 1)])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_self_influence_as_quadratic_forms(n, d, ones, real, rng):
    X = rng.normal(size=(n, d)).astype(real)
    X1 = np.column_stack([X.astype(float), np.ones((n, ones))])
    A = rng.normal(size=(d + ones, d + ones))
    scores.quadratic_forms(X, X1 @ A, out := np.full(n, np.nan))
    close(out, np.einsum("ij,jk,ik->i", X1, A, X1), 1e-12)
