"""Perturbed and replaced rows of a fitted network: first order is the limit of exact retraining."""

import numpy as np
import pytest

import fastinfluence as fi

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = (np.sin(2 * X[:, 0]) + X[:, 1] + RNG.logistic(size=120) > 0).astype(int)
STEP = 1e-4


@pytest.mark.parametrize("feature", range(3))
def test_perturbation_is_the_limit_of_replacement(feature):
    infl = fi.Influence.fit(fi.MLP((4,), l2=0.02), X, Y)
    slopes = infl.perturbation(X[:2], Y[:2], [5])[:, 0, feature]
    moved = X[[5]].copy()
    moved[0, feature] += STEP
    case = ([5], moved, Y[[5]], X[:2], Y[:2])
    first, exact = infl.replacement(*case), infl.replacement(*case, method="exact")
    np.testing.assert_allclose(first[:, 0] / STEP, slopes, rtol=1e-3)
    np.testing.assert_allclose(exact[:, 0] / STEP, slopes, rtol=1e-3)
