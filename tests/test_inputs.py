"""What callers get wrong: one clear error each, naming what, where, and what to do.

The calls are rows of the tables in ``bad_calls``.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
from bad_calls import (
    ODD,
    REMOVAL,
    ROWS,
    SCORING,
    SPECS,
    TRAINING,
    X,
    X_test,
    X_with,
    good,
    logistic,
    make,
    positives,
    theta,
    with_entry,
    y,
    y_test,
)

import fastinfluence as fi
from fastinfluence import errors

SEPARABLE = (np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1]))


def holds(message, word):
    """Whether a message holds a word: a number or a letter by itself, anything else anywhere."""
    pattern = re.escape(word)
    if word.isdigit():
        pattern = rf"(?<!\d){pattern}(?!\d)"
    elif len(word) == 1:
        pattern = rf"(?<!\w){pattern}(?!\w)"
    return re.search(pattern, message, re.IGNORECASE) is not None


def check(call, words, kind=errors.InputError):
    """Assert the error type, that it is a FastInfluenceError too, and the words of its message."""
    with pytest.raises(kind) as caught:
        call()
    assert isinstance(caught.value, fi.FastInfluenceError)
    assert isinstance(caught.value, ValueError | RuntimeError)
    message = str(caught.value)
    for word in words:
        assert any(holds(message, w) for w in word.split("|")), f"{word!r} is missing in: {message}"
    assert len(message) < 500, message
    assert not message.startswith(" ")
    return message


@pytest.mark.parametrize("name", TRAINING)
def test_training_inputs(name):
    changes, words = TRAINING[name]
    check(lambda: make(**changes()), words)


@pytest.mark.parametrize("name", [name for name in TRAINING if "theta" not in name])
def test_fit_refuses_the_same(name):
    changes, words = TRAINING[name]
    given = {"spec": logistic(), "X": X, "y": y, **changes()}
    check(lambda: fi.Influence.fit(**given), words)


@pytest.mark.parametrize("name", SPECS)
def test_specs(name):
    check(*SPECS[name], kind=(errors.InputError, errors.LossError))


@pytest.mark.parametrize("name", SCORING)
def test_scoring_inputs(name):
    check(*SCORING[name])


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("method", ["on_params", "leave_one_out"])
def test_rows(method, name):
    rows, words = ROWS[name]
    check(lambda: getattr(good(), method)(rows), words)


@pytest.mark.parametrize("name", REMOVAL)
def test_removal_inputs(name):
    check(*REMOVAL[name])


@pytest.mark.parametrize("name", ODD)
def test_odd_inputs(name):
    check(*ODD[name])


def test_pandas_rows_in_another_order_are_refused(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rng.standard_normal((20, 2)), columns=["a", "b"])
    y = pandas.Series((rng.random(20) > 0.5).astype(float))
    mixed = y.sample(frac=1.0, random_state=0)
    spec = fi.GLM("logistic", l2=0.1)
    with pytest.raises(fi.InputError, match=r"y has the row labels of X in another order"):
        fi.Influence.fit(spec, frame, mixed)
    with pytest.raises(fi.InputError, match=r"sample_weight\.loc\[X\.index\]"):
        fi.Influence.fit(spec, frame, y, sample_weight=mixed + 1)
    infl = fi.Influence.fit(spec, frame, mixed.to_numpy())
    with pytest.raises(fi.InputError, match=r"y_test\.loc\[X_test\.index\]"):
        infl.on_loss(frame, mixed)
    infl.on_loss(frame.iloc[:5], y.iloc[:5].reset_index(drop=True) + 0.0)


def test_test_columns_are_matched_by_name():
    pandas = pytest.importorskip("pandas")
    frame, other = (pandas.DataFrame(part, columns=list("abc")) for part in (X, X_test))
    infl = make(X=frame)
    expected = infl.on_loss(other, y_test)
    np.testing.assert_array_equal(infl.on_loss(other[["c", "a", "b"]], y_test), expected)
    check(lambda: infl.on_loss(other[["a", "b"]], y_test), ["X_test", "columns", "c"])


def test_the_name_of_a_column_is_in_the_message():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X_with(np.nan), columns=["age", "height", "weight in kg"])
    check(lambda: make(X=frame), ["X", "nan", "7", "weight in kg"])


def test_the_first_bad_row_is_named():
    big = np.zeros((50_000, 3))
    big[[40_001, 49_999], [1, 0]] = np.nan
    labels = np.arange(50_000) % 2
    check(lambda: make(X=big, y=labels), ["X", "nan", "40001", "1"])


@pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")
def test_huge_finite_numbers_are_not_called_infinite():
    """A cheap check by sums must not mistake an overflowing sum for an infinity."""
    big = X.copy()
    big[[3, 4]] = 1e308
    fine = fi.Influence(fi.GLM("logistic", l2=0.1), big, y, np.zeros(4))
    assert fine.n_rows == 30


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_separable_rows_without_a_penalty(reduction):
    spec = logistic(l2=0.0, reduction=reduction)
    check(lambda: fi.Influence.fit(spec, *SEPARABLE), ["separa", "l2"], errors.NoOptimumError)


def test_theta_far_from_the_optimum_warns():
    with pytest.warns(fi.FastInfluenceWarning, match=r"(?i)optimum|gradient") as caught:
        infl = fi.Influence(logistic(), X, y, theta + 2.0)
    assert len(caught) == 1
    assert "polish" in str(caught[0].message)
    assert caught[0].filename == __file__, "the warning should point at the caller's line"
    assert np.isfinite(infl.on_loss(X_test, y_test)).all()


def test_collinear_columns_without_a_penalty_warn():
    doubled = np.column_stack([X, X[:, 0]])
    rng = np.random.default_rng(0)
    target = X @ np.ones(3) + rng.normal(size=30)
    ones = np.column_stack([X, np.ones(30)])
    theta_ols, *_ = np.linalg.lstsq(ones, target, rcond=None)
    start = np.concatenate([theta_ols[:3], [0.0], theta_ols[3:]])
    with pytest.warns(fi.FastInfluenceWarning, match=r"(?i)collinear|singular|rank"):
        scores = fi.Influence(fi.GLM("squared"), doubled, target, start).on_prediction(
            np.column_stack([X_test, X_test[:, 0]])
        )
    plain = fi.Influence(fi.GLM("squared"), X, target, theta_ols).on_prediction(X_test)
    np.testing.assert_allclose(scores, plain, rtol=1e-6, atol=1e-9)


def test_zero_weights_are_fine():
    infl = fi.Influence.fit(logistic(), X, y, sample_weight=with_entry(positives(), 7, 0.0))
    assert not infl.on_loss(X_test, y_test)[:, 7].any()
    assert not infl.on_params([7]).any()
    assert infl.self_influence()[7] == 0
    upweight = infl.on_params([7], effect="upweight")
    assert upweight.any()


def test_a_single_row():
    """One row with a penalty: at the optimum of the mean form its g_i is the gradient, zero."""
    spec = fi.GLM("squared", l2=0.5, fit_intercept=False)
    infl = fi.Influence.fit(spec, [[2.0]], [3.0])
    np.testing.assert_allclose(infl.theta, [6 / 4.5], rtol=1e-9)
    np.testing.assert_allclose(infl.on_params([0]), [[0.0]], atol=1e-9)
    check(lambda: infl.leave_one_out(method="exact"), ["row|weight"], fi.FastInfluenceError)
    in_sums = fi.Influence.fit(replace(spec, reduction="sum"), [[2.0]], [3.0])
    np.testing.assert_allclose(in_sums.theta, [6 / 4.5], rtol=1e-9)


def test_negative_rows_count_from_the_end_as_in_numpy():
    np.testing.assert_array_equal(good().on_params([-1]), good().on_params([29]))


def test_the_words_of_a_message_are_looked_for():
    with pytest.raises(AssertionError, match="is missing in"):
        check(lambda: make(damping=-0.1), ["a word no message holds"])
    with pytest.raises(pytest.fail.Exception):
        check(lambda: None, [])
