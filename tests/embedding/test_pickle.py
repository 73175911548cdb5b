"""Models and results go to other processes by pickle, and answer there as here."""

import pickle

import numpy as np
import pytest

import fastinfluence as fi

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
SCORE = X[:, 0] + RNG.normal(size=80)
SPECS = {
    "line": (fi.GLM("squared", l2=0.1), SCORE),
    "two classes": (fi.GLM("logistic", l2=0.1), SCORE > 0),
    "three classes": (fi.GLM("multinomial", l2=0.1), np.digitize(SCORE, [-1, 1])),
    "network": (fi.MLP((2,), l2=0.1), SCORE > 0),
    "robust": (fi.GLM(fi.losses.huber(delta=1.0), l2=0.1), SCORE),
}


@pytest.mark.parametrize("solver", ["auto", fi.solvers.CG(), fi.solvers.Direct()])
@pytest.mark.parametrize("name", SPECS)
def test_a_model_that_was_asked_comes_back(name, solver):
    spec, y = SPECS[name]
    theta = fi.Influence.fit(spec, X, y).theta
    infl = fi.Influence(spec, X, y, theta, solver=solver)
    expected = infl.on_loss(X[:3], y[:3])
    copy = pickle.loads(pickle.dumps(infl))
    assert copy._problem.backend is infl._problem.backend
    np.testing.assert_array_equal(copy.on_loss(X[:3], y[:3]), expected)
    np.testing.assert_array_equal(copy.self_influence(), infl.self_influence())


def test_the_dual_form_and_results_come_back():
    spec, y = fi.GLM("squared", l2=0.1, penalize_intercept=True), SCORE
    theta = fi.Influence.fit(spec, X, y).theta
    infl = fi.Influence(spec, X, y, theta, solver=fi.solvers.Direct("dual"))
    expected = infl.on_loss(X[:3], y[:3])
    copy = pickle.loads(pickle.dumps(infl))
    np.testing.assert_array_equal(copy.on_loss(X[:3], y[:3]), expected)
    removal = infl.leave_one_out([0, 1], "exact")
    again = pickle.loads(pickle.dumps(removal))
    np.testing.assert_array_equal(again.on_loss(X[:3], y[:3]), removal.on_loss(X[:3], y[:3]))
    top = infl.on_loss(X[:3], y[:3], out=fi.TopK(2))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(top)).helpful.rows, top.helpful.rows)
