"""method="refit" through the caller's own training."""

import numpy as np
import pytest
from oracle_cases import OPTIMUM, P, X, X_test, glm, oracle, w, y, y_test

import fastinfluence as fi


def train(rows):
    return fi.Influence.fit(glm(), X[rows], y[rows], sample_weight=w[rows], tol=1e-11).theta


@pytest.mark.parametrize("spec", [glm(), oracle()], ids=["glm", "oracle"])
def test_the_callers_training_is_the_truth(spec):
    theta = train(np.arange(len(X)))
    infl = fi.Influence(spec, X, y, theta, sample_weight=w, refit=train)
    found = infl.leave_group_out([[1, 2], [20]], method="refit")
    wanted = infl.leave_group_out([[1, 2], [20]], method="exact")
    np.testing.assert_allclose(found.theta, wanted.theta, atol=1e-9)
    np.testing.assert_allclose(
        found.on_loss(X_test, y_test), wanted.on_loss(X_test, y_test), atol=1e-9
    )
    checked = infl.validate(X_test, y_test, rows=6, method="refit")
    assert checked.pearson > 0.98


def test_rows_are_those_that_stay():
    seen = []

    def recording(rows):
        seen.append(rows)
        return np.zeros(P)

    infl = fi.Influence(glm(), X, y, OPTIMUM, refit=recording)
    infl.leave_one_out([4], method="refit")
    assert sorted(len(rows) for rows in seen) == [len(X) - 1, len(X)]
    assert 4 not in min(seen, key=len)


BAD = {
    "no function": (3, "refit=3 is not callable"),
    "another length": (lambda rows: np.zeros(2), r"refit returned shape \(2,\)"),
    "no numbers": (lambda rows: "theta", "refit returned no array"),
    "not finite": (lambda rows: np.full(P, np.nan), "refit returned NaN"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_refits(name):
    refit, words = BAD[name]
    theta = OPTIMUM
    with pytest.raises(fi.InputError, match=words):
        fi.Influence(glm(), X, y, theta, refit=refit).leave_one_out([0], method="refit")


def test_without_one_the_error_says_how():
    infl = fi.Influence(glm(), X, y, OPTIMUM)
    with pytest.raises(fi.UnsupportedError, match="give refit="):
        infl.leave_one_out([0], method="refit")
