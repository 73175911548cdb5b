"""What changing a training row does to a multinomial model: by retraining, and by an attack."""

import numpy as np
import pytest

import fastinfluence as fi

ROWS = np.array([3, 11, 40])
SPECS = {
    "mean": fi.GLM("multinomial", l2=0.02),
    "sum, penalised intercept": fi.GLM(
        "multinomial", l2=0.5, penalize_intercept=True, reduction="sum"
    ),
}


def tables(rng, n=60, d=3, K=3):
    X = rng.standard_normal((n, d))
    y = (X[:, :K] + rng.gumbel(size=(n, K))).argmax(axis=1)
    return X, y, rng.standard_normal((4, d)), rng.integers(0, K, 4)


@pytest.fixture(params=SPECS)
def fitted(request, rng):
    X, y, X_test, y_test = tables(rng)
    spec = SPECS[request.param]
    return spec, X, y, X_test, y_test, fi.Influence.fit(spec, X, y, tol=1e-12)


def retrained(spec, X, y, infl, X_test, y_test):
    """Return the change of each test loss, by fitting the changed table from scratch."""
    again = fi.Influence.fit(spec, X, y, tol=1e-12)
    losses = [
        i._engine.test_losses(i._problem.test_rows(X_test, y_test), i.theta[:, None])
        for i in (again, infl)
    ]
    return (losses[0] - losses[1])[:, 0]


def test_perturbation_is_the_central_difference_of_retraining(fitted):
    spec, X, y, X_test, y_test, infl = fitted
    found = infl.perturbation(X_test, y_test, ROWS)
    step = 1e-4
    for k, i in enumerate(ROWS):
        for j in range(X.shape[1]):
            ends = []
            for sign in (1, -1):
                moved = X.copy()
                moved[i, j] += sign * step
                ends.append(retrained(spec, moved, y, infl, X_test, y_test))
            difference = (ends[0] - ends[1]) / (2 * step)
            scale = np.abs(found[:, k]).max()
            np.testing.assert_allclose(found[:, k, j], difference, atol=1e-4 * scale)


def test_replacement_exactly_is_a_refit_and_first_order_is_near(fitted, rng):
    spec, X, y, X_test, y_test, infl = fitted
    X_new, y_new = rng.standard_normal((len(ROWS), X.shape[1])), (y[ROWS] + 1) % 3
    exact = infl.replacement(ROWS, X_new, y_new, X_test, y_test, method="exact")
    for k, i in enumerate(ROWS):
        moved, labels = X.copy(), y.copy()
        moved[i], labels[i] = X_new[k], y_new[k]
        expected = retrained(spec, moved, labels, infl, X_test, y_test)
        np.testing.assert_allclose(exact[:, k], expected, atol=1e-9)
    predicted = infl.replacement(ROWS, X_new, y_new, X_test, y_test)
    slope = float((predicted * exact).sum() / (predicted**2).sum())
    assert 0.7 < slope < 1.4


def test_label_influence_is_refused(fitted):
    *_, X_test, y_test, infl = fitted
    with pytest.raises(fi.FastInfluenceError, match="one prediction a row"):
        infl.perturbation(X_test, y_test, ROWS, wrt="y")


def test_attack_raises_the_loss_and_counts_flips(fitted):
    spec, X, y, X_test, _, infl = fitted
    predicted = infl._engine.predictions(
        infl._problem.test_rows(X_test), infl.theta[:, None], "raw"
    )[:, 0].argmax(axis=1)
    done = fi.attack(infl, X_test, predicted, ROWS, step=0.2, n_steps=15, box=2.0)
    assert done.correct_before.all()
    assert done.history[-1].loss.sum() > done.loss_before.sum()
    assert np.array_equal(np.delete(done.X, ROWS, axis=0), np.delete(X, ROWS, axis=0))
    again = fi.Influence.fit(spec, done.X, y, tol=1e-12)
    after = again._engine.predictions(
        again._problem.test_rows(X_test), again.theta[:, None], "raw"
    )[:, 0].argmax(axis=1)
    assert np.array_equal(done.flipped, after != predicted)
