"""Ten classes of real images at the paper's settings, at a size that takes seconds."""

import numpy as np
import pytest

import fastinfluence as fi
from benchmarks.paper import data as digits
from fastinfluence.solvers import CG, LiSSA
from fastinfluence.validation import Agreement

TEST_ROW = 8


@pytest.fixture(scope="module")
def pooled(data_folder):
    """Return 5,500 images of 7×7 pixels, each the mean of 4×4: p = 490."""
    split = digits.ten_digits(5_500).coarser(4)
    row = slice(TEST_ROW, TEST_ROW + 1)
    return split.X, split.y, split.X_test[row], split.y_test[row]


def test_predicted_against_exact(pooled):
    X, y, x_test, y_test = pooled
    spec = fi.GLM("multinomial", l2=0.01, fit_intercept=False)
    infl = fi.Influence.fit(spec, X, y, solver=CG())
    assert infl.gradient_norm <= 1e-9
    assert infl._engine.K == 10
    scores = infl.on_loss(x_test, y_test)[0]
    rows = np.argsort(-np.abs(scores))[:30]
    removal = infl.leave_one_out(rows, method="exact")
    assert (removal.gradient_norms <= 1e-10).all()
    actual = removal.on_loss(x_test, y_test)[0]
    found = Agreement.of(scores[rows], actual)
    assert found.pearson >= 0.999
    assert abs(found.slope - 1) <= 0.02
    noisy = fi.Influence(spec, X, y, infl.theta, solver=LiSSA(depth=20_000, repeats=20))
    assert Agreement.of(noisy.on_loss(x_test, y_test)[0][rows], actual).pearson >= 0.99


def test_the_same_bits_with_any_number_of_threads(pooled):
    """Products of several classes are shared between threads block by block."""
    X, y, _, _ = pooled
    X = np.tile(X.astype(np.float64), (5, 1))
    spec, theta = fi.GLM("multinomial", l2=0.01, fit_intercept=False), np.zeros(490)
    y = np.tile(y, 5)
    V = np.random.default_rng(0).normal(size=(490, 1))
    results = []
    for threads in (1, 2, 3):
        with pytest.warns(fi.FastInfluenceWarning, match="far from"):
            infl = fi.Influence(spec, X, y, theta, n_threads=threads)
        results.append((infl.hessian.matmat(V), infl._engine.gradient))
    for product, gradient in results[1:]:
        np.testing.assert_array_equal(product, results[0][0])
        np.testing.assert_array_equal(gradient, results[0][1])
