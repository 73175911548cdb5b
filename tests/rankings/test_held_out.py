"""Predictions of each row by the model without it, against refits."""

import numpy as np
import pytest
from scipy.special import log_softmax

import fastinfluence as fi
from fastinfluence.rankings.held_out import by_folds, without_each
from fastinfluence.rankings.mislabelled import Judge, Judged


def draw(rng, K, n=60, d=3):
    X = rng.normal(size=(n, d))
    F = X @ rng.normal(size=(d, K)) + rng.normal(size=K)
    return X, (F + rng.gumbel(size=F.shape)).argmax(axis=1)


def own(spec, infl, X, y, method, **more):
    """Return row i's raw prediction by the i-th model without a row, from public methods only."""
    removal = infl.leave_one_out(method=method)
    out = []
    for i in range(len(y)):
        table = removal.theta[i].reshape(X.shape[1] + 1, -1)
        out.append(X[i] @ table[:-1] + table[-1])
    return np.squeeze(np.array(out))


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_step_is_newtons(rng, K, weighted):
    """In sum form to rounding: nothing is left out there."""
    X, y = draw(rng, K)
    w = rng.uniform(0.5, 2.0, size=len(y)) if weighted else None
    spec = fi.GLM("logistic" if K == 2 else "multinomial", l2=0.7, reduction="sum")
    infl = fi.Influence.fit(spec, X, y, w)
    found = without_each(infl._engine)
    expected = own(spec, infl, X, y, "newton")
    np.testing.assert_allclose(centred(found), centred(expected), atol=1e-9)


def centred(f):
    """Logits up to what all classes share, which is nobody's."""
    return f if f.ndim == 1 else f - f.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("K", [2, 3])
def test_mean_form_is_near_exact_refits(rng, K):
    X, y = draw(rng, K, n=80)
    spec = fi.GLM("logistic" if K == 2 else "multinomial", l2=0.02)
    infl = fi.Influence.fit(spec, X, y)
    exact = centred(own(spec, infl, X, y, "exact"))
    error = np.abs(centred(without_each(infl._engine)) - exact)
    moved = np.abs(centred(infl._engine.f) - exact)
    assert error.max() < 0.2 * moved.max()
    assert np.median(error) < 0.1 * np.median(moved)


def test_away_from_the_optimum_the_common_drift_cancels(rng):
    X, y = draw(rng, 3)
    spec = fi.GLM("multinomial", l2=0.7, reduction="sum")
    fitted = fi.Influence.fit(spec, X, y)
    infl = fi.Influence(spec, X, y, fitted.theta + 0.002 * rng.normal(size=len(fitted.theta)))
    expected = own(spec, infl, X, y, "newton")
    np.testing.assert_allclose(centred(without_each(infl._engine)), centred(expected), atol=1e-9)


def test_without_a_root_the_sides_are_solved(rng, monkeypatch):
    from fastinfluence.rankings import held_out

    X, y = draw(rng, 3)
    infl = fi.Influence.fit(fi.GLM("multinomial", l2=0.1), X, y)
    expected = without_each(infl._engine)
    monkeypatch.setattr(held_out, "inverse_root_of", lambda prepared: None)
    np.testing.assert_allclose(without_each(infl._engine), expected, atol=1e-10)


def test_folds_are_refits_without_them(rng):
    X, y = draw(rng, 2, n=40)
    spec = fi.GLM("logistic", l2=0.1)
    infl = fi.Influence.fit(spec, X, y)
    found = by_folds(infl._engine, 4, seed=3)
    seen = 0
    for fold in _folds_of(found, infl, spec, X, y):
        seen += fold
    assert seen == len(y)


def _folds_of(found, infl, spec, X, y):
    """Yield the size of each fold, recovered from the deal, its predictions held against a fit."""
    from fastinfluence.rankings.held_out import _dealt

    fold = _dealt(y.astype(float), 4, 3)
    for k in range(4):
        held = fold == k
        assert abs(held[y == 1].sum() - (y == 1).sum() / 4) <= 1
        theta = fi.Influence.fit(spec, X[~held], y[~held]).theta
        np.testing.assert_allclose(found[held], X[held] @ theta[:-1] + theta[-1], atol=1e-6)
        yield held.sum()


@pytest.mark.parametrize("folds", [1, 0, 41])
def test_folds_that_cannot_be_dealt_are_refused(rng, folds):
    X, y = draw(rng, 2, n=40)
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, y)
    with pytest.raises(fi.InputError, match="folds"):
        by_folds(infl._engine, folds, 0)


def test_the_truth_by_a_loop(rng):
    """Bayes' rule with a noise matrix from one step of EM, row by row."""
    n, K = 30, 3
    log_p = log_softmax(2 * rng.normal(size=(n, K)), axis=1)
    given, w = rng.integers(0, K, size=n), rng.uniform(0.1, 2.0, size=n)
    even = np.full((K, K), 0.05)
    np.fill_diagonal(even, 0.9)

    def posterior(T, i):
        joint = np.array([np.exp(log_p[i, k]) * T[k, given[i]] for k in range(K)])
        return joint / joint.sum()

    T = np.zeros((K, K))
    for i in range(n):
        for k in range(K):
            T[k, given[i]] += w[i] * posterior(even, i)[k]
    T /= T.sum(axis=1, keepdims=True)
    expected = np.array([posterior(T, i) for i in range(n)])
    found = Judged(log_p, given).truth(w)
    np.testing.assert_allclose(np.exp(found), expected, atol=1e-12)


def test_probabilities_of_two_classes_are_those_of_softmax(rng):
    X, y = draw(rng, 2)
    two = fi.Influence.fit(fi.GLM("logistic", l2=0.4, reduction="sum"), X, y)
    found = Judge()(two._engine)
    f = without_each(two._engine)
    expected = log_softmax(np.stack([np.zeros_like(f), f], axis=1), axis=1)
    np.testing.assert_allclose(found.log_p, expected, atol=1e-12)
    np.testing.assert_array_equal(found.given, y)
