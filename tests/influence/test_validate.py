"""Predictions beside what happened: validate, report."""

import numpy as np
import pytest
import reference
from cases import CASES, assert_close, build

import fastinfluence as fi

LOGISTIC = next(c for c in CASES if c.name == "logistic mean")
WITH_OFFSET = next(c for c in CASES if c.name == "logistic sum weighted")


def both(b, rows):
    """Return predicted and actual change of the summed test loss, by the reference."""
    predicted = reference.on_loss(b.problem, b.X_test, b.y_test, "removal", b.offset_test)
    exact = reference.leave_one_out(b.problem, rows, "exact")
    return (
        predicted[:, rows].sum(axis=0),
        exact.on_loss(b.X_test, b.y_test, b.offset_test).sum(axis=0),
    )


@pytest.mark.parametrize("case", [LOGISTIC, WITH_OFFSET], ids=lambda c: c.name)
def test_predicted_and_actual(case):
    b = build(case)
    check = b.influence().validate(b.X_test, b.y_test, rows=12, offset_test=b.offset_test)
    predicted, actual = both(b, list(check.rows))
    assert len(set(check.rows.tolist())) == 12
    assert_close(check.predicted, predicted)
    assert_close(check.actual, actual, rtol=1e-8, atol=1e-8)
    assert check.pearson == pytest.approx(np.corrcoef(predicted, actual)[0, 1], abs=1e-6)
    assert check.max_abs_error == pytest.approx(np.abs(predicted - actual).max(), abs=1e-7)
    assert check.pearson > 0.98
    assert abs(check.slope - 1) < 0.25


def test_half_of_the_rows_are_the_largest():
    b = build(LOGISTIC)
    check = b.influence().validate(b.X_test, b.y_test, rows=10)
    scores = np.abs(b.influence().on_loss(b.X_test, b.y_test).sum(axis=0))
    largest = set(np.argsort(-scores)[:5].tolist())
    assert largest <= set(check.rows.tolist())
    assert set(check.rows.tolist()) != set(np.argsort(-scores)[:10].tolist())
    for half in (check.random, check.extreme):
        assert -1 <= half.pearson <= 1
        assert half.max_abs_error <= check.max_abs_error + 1e-15


def test_newton_and_named_rows():
    b = build(LOGISTIC)
    infl = b.influence()
    check = infl.validate(b.X_test, b.y_test, rows=[3, 5, 8], method="newton")
    np.testing.assert_array_equal(np.sort(check.rows), [3, 5, 8])
    newton = infl.leave_one_out(rows=check.rows, method="newton")
    assert_close(check.actual, newton.on_loss(b.X_test, b.y_test).sum(axis=0), rtol=1e-9)


def test_more_rows_than_there_are():
    b = build(LOGISTIC)
    check = b.influence().validate(b.X_test, b.y_test, rows=10_000)
    np.testing.assert_array_equal(np.sort(check.rows), np.arange(b.case.n))


def test_the_same_rows_every_time():
    b = build(LOGISTIC)
    one, two = (b.influence().validate(b.X_test, b.y_test, rows=9) for _ in range(2))
    np.testing.assert_array_equal(one.rows, two.rows)


def test_a_wrong_spec_shows_in_the_slope():
    """What validate is for: a theta fitted with another penalty predicts badly."""
    b = build(LOGISTIC)
    with pytest.warns(fi.FastInfluenceWarning):
        infl = fi.Influence(fi.GLM("logistic", l2=3.0), b.X, b.y, b.theta * 3)
    check = infl.validate(b.X_test, b.y_test, rows=20)
    assert abs(check.slope - 1) > 0.25 or check.pearson < 0.98


def test_plot_returns_axes():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    b = build(LOGISTIC)
    check = b.influence().validate(b.X_test, b.y_test, rows=6)
    axes = Figure().subplots()
    assert check.plot(axes) is axes
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_report_says_what_was_chosen_and_how_good_it_is():
    b = build(LOGISTIC)
    text = str(b.influence().report())
    for word in ("solver", "Direct", "gradient", "cond"):
        assert word.lower() in text.lower(), word


def test_report_of_a_theta_away_from_the_optimum_warns_in_words():
    b = build(next(c for c in CASES if c.name == "logistic away"))
    assert "polish" in str(b.influence().report())
