"""The smallest flip: what is claimed is what a dense refit without the rows shows."""

import numpy as np
import pytest
import reference
from cases import CASES, build, named
from subsets.dense import FAMILY, refitted, wald

import fastinfluence as fi

LOGISTIC = next(c for c in CASES if c.name == "logistic weighted")
SQUARED = next(c for c in CASES if c.name == "squared unpenalised")
t = fi.targets


def without(b, rows):
    """The reference problem refitted without rows."""
    return refitted(b.problem.without(rows))


def first_order(scores, value, limit):
    """The fewest rows whose scores add up to more than the value, by the definition."""
    order = np.argsort(np.sign(value) * scores, kind="stable")[:limit]
    order = order[np.sign(value) * scores[order] < 0]
    total = np.cumsum(scores[order])
    enough = np.flatnonzero(np.abs(total) > abs(value))
    return order[: enough[0] + 1] if len(enough) else order


@pytest.mark.parametrize("case", **named(FAMILY))
def test_coefficient(case):
    b = build(case)
    j = int(np.argmin(np.abs(b.theta)))
    found = b.influence().smallest_flip(t.coefficient(j))
    unit = np.eye(len(b.theta))[j]
    scores = reference.on_function(b.problem, unit[None], "removal")[0]
    first = found.attempts[0]
    np.testing.assert_array_equal(first.rows, first_order(scores, b.theta[j], case.n // 2))
    assert first.predicted == pytest.approx(scores[first.rows].sum(), rel=1e-8)
    assert found.value == pytest.approx(b.theta[j])
    after = without(b, found.rows).theta[j]
    assert found.value_after == pytest.approx(after, rel=1e-5, abs=1e-8)
    assert found.flipped == (after * b.theta[j] < 0)
    assert found.actual == pytest.approx(after - b.theta[j], rel=1e-5, abs=1e-8)
    assert found.flipped, "every coefficient of these small cases flips"


@pytest.mark.parametrize("case", **named(FAMILY))
def test_significance(case):
    """Both ways: a critical value just below |z| is lost, one just above is gained."""
    b = build(case)
    j = 0
    before = wald(b.problem, j)
    for critical in (0.8 * before, 1.2 * before):
        found = b.influence().smallest_flip(t.significance(j, critical))
        assert found.value == pytest.approx(before - critical, rel=1e-8)
        after = wald(without(b, found.rows), j) - critical
        assert found.value_after == pytest.approx(after, rel=1e-5, abs=1e-7)
        assert found.flipped is bool(after * found.value < 0)
        assert found.flipped


def test_prediction():
    b = build(LOGISTIC)
    x, offset = b.X_test[0], float(b.offset_test[0])
    before = float(b.problem.design(b.X_test)[0] @ b.theta) + offset
    for threshold in (0.0, before + 0.3):
        found = b.influence().smallest_flip(t.prediction(x, offset, threshold))
        assert found.value == pytest.approx(before - threshold)
        after = without(b, found.rows).theta @ b.problem.design(b.X_test)[0] + offset - threshold
        assert found.value_after == pytest.approx(after, rel=1e-6)
        assert found.flipped


def test_any_function():
    """A difference of two coefficients, by values, by callables, and with the weights."""
    b = build(SQUARED)
    gradient = np.array([1.0, -1.0, 0, 0, 0])
    infl = b.influence()
    number = infl.smallest_flip(t.function(float(gradient @ b.theta), gradient))
    called = infl.smallest_flip(
        t.function(lambda theta: gradient @ theta, lambda theta: gradient, name="the difference")
    )
    np.testing.assert_array_equal(number.rows, called.rows)
    assert number.value_after == pytest.approx(called.value_after, rel=1e-9)
    after = gradient @ without(b, called.rows).theta
    assert called.value_after == pytest.approx(after, rel=1e-7)
    assert "the difference" in str(called)
    ones = np.ones(b.case.n)
    weighted = infl.smallest_flip(
        t.function(lambda theta, w: w.sum() - 55.5, np.zeros(5), direct=lambda theta, w: ones)
    )
    assert (weighted.n_rows, weighted.flipped) == (5, True)


def test_groups():
    b = build(LOGISTIC)
    labels = np.arange(b.case.n) // 5
    found = b.influence().smallest_flip(t.coefficient("x1"), groups=labels)
    assert found.unit == "groups"
    assert found.n_rows == 5 * len(found.groups)
    assert set(labels[found.rows]) == set(found.groups)
    assert found.flipped is bool(without(b, found.rows).theta[1] * b.theta[1] < 0)
    assert found.limit == 6


def test_a_flip_that_first_order_misjudges_is_not_claimed():
    """exp(intercept) is convex: it falls by less than its tangent says."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 1)), 1 + 3 * rng.normal(size=200)
    infl = fi.Influence.fit(fi.GLM("squared"), X, y)
    target = t.function(
        lambda theta: np.exp(theta[1]) - 1.2, lambda theta: np.array([0, np.exp(theta[1])])
    )
    found = infl.smallest_flip(target, steps=0)
    assert found.predicted_flip
    assert found.flipped is False
    assert found.value_after > 0
    assert "NOT confirmed" in str(found)
    assert "flips it" not in str(found)
    grown = infl.smallest_flip(target)
    assert grown.flipped
    assert grown.value_after < 0
    np.testing.assert_array_equal(grown.attempts[0].rows, found.rows)
    assert grown.n_predicted == found.n_rows
    assert grown.n_rows > found.n_rows
    assert "first order deemed" in str(grown)
    assert "confirmed by a refit" in str(grown)
    after = fi.Influence.fit(fi.GLM("squared"), *(np.delete(a, grown.rows, 0) for a in (X, y)))
    assert np.exp(after.theta[1]) < 1.2
    sizes = [len(a.rows) for a in grown.attempts]
    assert sizes == sorted(set(sizes))
    capped = infl.smallest_flip(target, max_rows=found.n_rows)
    assert capped.flipped is False
    assert len(capped.attempts) == 1


def test_a_masked_cluster_is_beyond_first_order_and_is_said_to_be():
    """Twelve far rows make the slope and hide each other: each alone seems harmless."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=100), 12 + 0.1 * rng.normal(size=12)])
    y = np.concatenate([-x[:100] + rng.normal(size=100), 9 + 0.1 * rng.normal(size=12)])
    infl = fi.Influence.fit(fi.GLM("squared"), x[:, None], y)
    cluster = infl.leave_group_out([np.arange(100, 112)], method="exact").theta[0, 0]
    assert infl.theta[0] > 0.5
    assert cluster < -0.5
    found = infl.smallest_flip(t.coefficient(0))
    assert not found.predicted_flip
    assert found.flipped
    assert set(found.rows) == set(range(100, 112))
    assert abs(found.actual) > 10 * abs(found.predicted)
    assert "first order found no set of at most 56 rows" in str(found)


def test_no_set_suffices():
    b = build(SQUARED)
    j = int(np.argmax(np.abs(b.theta)))
    found = b.influence().smallest_flip(t.coefficient(j), max_rows=1)
    assert not found.predicted_flip
    assert found.n_predicted is None
    assert found.flipped is False
    assert found.n_rows == 1
    assert "no set of at most 1 rows" in str(found)


def test_without_verification_nothing_is_claimed():
    b = build(LOGISTIC)
    found = b.influence().smallest_flip(t.coefficient("x1"), verify=False)
    assert (found.actual, found.value_after, found.flipped) == (None, None, None)
    assert found.predicted_flip
    assert "not refitted" in str(found)
    none = b.influence().smallest_flip(t.coefficient("x1"), max_rows=1, verify=False)
    assert "no set" in str(none)
    assert "refit" not in str(none)


def test_trimming_keeps_a_confirmed_flip():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = 0.25 * X[:, 0] + rng.normal(size=200)
    infl = fi.Influence.fit(fi.GLM("squared"), X, y)
    whole = infl.smallest_flip(t.coefficient(0))
    trimmed = infl.smallest_flip(t.coefficient(0), trim=True)
    assert whole.predicted_flip
    assert whole.flipped
    assert trimmed.flipped
    assert trimmed.n_rows < whole.n_rows
    np.testing.assert_array_equal(trimmed.rows, whole.rows[: trimmed.n_rows])

    def after(rows):
        kept = (np.delete(a, rows, 0) for a in (X, y))
        return fi.Influence.fit(fi.GLM("squared"), *kept).theta[0]

    assert after(trimmed.rows) < 0 < after(trimmed.rows[:-1])


def test_a_refit_without_an_optimum_is_no_flip():
    """Every positive row is gone: nothing is claimed of what stays."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 1)), np.arange(40) % 2
    infl = fi.Influence.fit(fi.GLM("logistic"), X, y)
    with pytest.warns(fi.FastInfluenceWarning, match="no unique"):
        found = infl.smallest_flip(
            t.function(0.5, [0.0, 1.0]), groups=[np.arange(1, 40, 2), [0, 2]]
        )
    assert found.predicted_flip
    assert found.flipped is False
    assert np.isnan(found.actual)
    assert "NOT confirmed" in str(found)
    assert "no unique optimum" in str(found)
    assert "nan" not in str(found)


def test_what_it_says():
    b = build(LOGISTIC)
    found = b.influence().smallest_flip(t.significance("x1", z=0.5 * wald(b.problem, 1)))
    for word in ("significance of x1", "|z|", "confirmed by a refit", "predicted", "new value"):
        assert word in str(found)
    assert found.share == found.n_rows / b.case.n
