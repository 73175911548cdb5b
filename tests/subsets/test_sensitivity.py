"""on_l2 and on_weights against finite differences of refits."""

import numpy as np
import pytest
import reference
from cases import CASES, assert_close, build, named
from subsets.dense import SMOOTH, losses, refitted, reweighted, slope

import fastinfluence as fi

ROWS = (0, 3, 17, 41)


def by_weight(b, i):
    return slope(lambda h: losses(b, refitted(reweighted(b.problem, i, h)).theta), 2e-3)


def by_l2(b, which):
    """Derivative by the penalty of the parameters where ``which`` is one."""

    def moved(h):
        return losses(b, refitted(reference.replace(b.problem, l2=b.problem.l2 + h * which)).theta)

    return slope(moved, 2e-4 if b.problem.reduction == "mean" else 1e-2)


@pytest.mark.parametrize("case", **named(SMOOTH))
def test_weights(case):
    b = build(case)
    actual = b.influence().on_weights(b.X_test, b.y_test, offset_test=b.offset_test)
    assert actual.shape == (len(b.y_test), case.n)
    expected = np.stack([by_weight(b, i) for i in ROWS], axis=1)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual[:, ROWS], expected, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("case", **named(SMOOTH))
def test_l2_of_each_coefficient(case):
    b = build(case)
    actual = b.influence().on_l2(b.X_test, b.y_test, True, offset_test=b.offset_test)
    expected = np.stack([by_l2(b, unit) for unit in np.eye(len(b.theta))], axis=1)
    assert_close(actual.ravel(), expected.ravel(), rtol=1e-6)


@pytest.mark.parametrize("case", **named(tuple(c for c in SMOOTH if isinstance(c.l2, float))))
def test_l2(case):
    b = build(case)
    which = np.ones(len(b.theta))
    which[-1] = 0.0 if case.fit_intercept and not case.penalize_intercept else 1.0
    actual = b.influence().on_l2(b.X_test, b.y_test, offset_test=b.offset_test)
    assert_close(actual, by_l2(b, which), rtol=1e-6)


def test_weights_are_scores_over_the_weight():
    b = build(next(c for c in CASES if c.name == "logistic weighted"))
    infl = b.influence()
    removal = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    slopes = infl.on_weights(b.X_test, b.y_test, offset_test=b.offset_test)
    assert_close(removal, -slopes * b.sample_weight, rtol=1e-12)


def test_weights_into_sinks():
    b = build(CASES[9])
    infl = b.influence()
    slopes = infl.on_weights(b.X_test, b.y_test)
    assert_close(infl.on_weights(b.X_test, b.y_test, out=fi.Total()), slopes.sum(axis=0))
    top = infl.on_weights(b.X_test, b.y_test, out=fi.TopK(3))
    for side, signed in ((top.helpful, slopes), (top.harmful, -slopes)):
        rows = np.argsort(signed, axis=1, kind="stable")[:, :3]
        np.testing.assert_array_equal(side.rows, rows)
        assert_close(side.values, np.take_along_axis(slopes, rows, axis=1), rtol=1e-12)


def test_helpful_means_the_same_as_for_removal():
    b = build(CASES[9])
    infl = b.influence()
    by_removal = infl.on_loss(b.X_test, b.y_test, out=fi.TopK(2))
    np.testing.assert_array_equal(
        infl.on_weights(b.X_test, b.y_test, out=fi.TopK(2)).helpful.rows, by_removal.helpful.rows
    )


@pytest.mark.parametrize("wrong", ["sign", "reduction"])
def test_a_wrong_derivative_is_seen(wrong):
    b = build(next(c for c in CASES if c.name == "logistic sum"))
    good = b.influence().on_l2(b.X_test, b.y_test)
    bad = {"sign": -good, "reduction": good * b.problem.total}[wrong]
    which = np.append(np.ones(b.case.d), 0.0)
    with pytest.raises(AssertionError, match="off by"):
        assert_close(bad, by_l2(b, which), rtol=1e-6)
