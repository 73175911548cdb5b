"""Targets of an oracle are those of the model that it describes."""

import numpy as np
import pytest
from oracle_cases import OPTIMUM, X, X_test, glm, oracle, y, y_test

import fastinfluence as fi

GROUP = np.arange(len(X_test)) % 2
TARGETS = {
    "accuracy": fi.targets.accuracy(X_test, y_test, threshold=0.0),
    "auc": fi.targets.auc(X_test, y_test),
    "parity": fi.targets.parity_gap(X_test, GROUP),
    "opportunity": fi.targets.opportunity_gap(X, y, np.arange(len(X)) % 2),
    "coefficient": fi.targets.coefficient(1),
    "of_predictions": fi.targets.of_predictions(
        X_test, lambda f: float((f**2).sum()), lambda f: 2 * f, output="mean"
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_targets(name):
    own, other = fi.Influence(glm(), X, y, OPTIMUM), fi.Influence(oracle(), X, y, OPTIMUM)
    wanted = own.on_function(TARGETS[name])
    np.testing.assert_allclose(other.on_function(TARGETS[name]), wanted, atol=1e-13)
    moves = [
        infl.leave_one_out([0, 4], method="exact").on_function(TARGETS[name])
        for infl in (own, other)
    ]
    np.testing.assert_allclose(moves[1], moves[0], atol=1e-11)


def test_an_oracle_has_no_threshold_of_its_own():
    infl = fi.Influence(oracle(), X, y, OPTIMUM)
    with pytest.raises(fi.InputError, match="give threshold"):
        infl.on_function(fi.targets.accuracy(X_test, y_test))


def test_targets_need_gradients_of_predictions():
    infl = fi.Influence(oracle(mean_gradient=None), X, y, OPTIMUM)
    with pytest.raises(fi.UnsupportedError, match="mean_gradient"):
        infl.on_function(TARGETS["parity"])
