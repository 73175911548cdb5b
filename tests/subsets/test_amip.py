"""The most influential subset against dense scores and dense refits."""

import numpy as np
import pytest
import reference
from cases import CASES, FURTHER, assert_close, build, named

import fastinfluence as fi

LOGISTIC = next(c for c in CASES if c.name == "logistic weighted")

# The refit of a piecewise loss may end in another piece.
SMOOTH_LOSSES = tuple(c for c in CASES + FURTHER if c.loss not in ("huber", "squared_hinge"))


def dense(b, gradient, size, direction, groups=None):
    """Rows or groups, their predicted change, and the theta of a refit without them."""
    scores = reference.on_function(b.problem, gradient[None], "removal")[0]
    sets = [[i] for i in range(b.case.n)] if groups is None else groups
    sums = np.array([scores[list(rows)].sum() for rows in sets])
    order = np.argsort(-direction * sums, kind="stable")[:size]
    order = order[direction * sums[order] > 0]
    rows = np.concatenate([np.asarray(sets[j]) for j in order])
    removed = reference.leave_group_out(b.problem, [rows], "exact")
    return rows, float(sums[order].sum()), removed


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("case", **named(SMOOTH_LOSSES))
def test_rows(case, direction):
    b = build(case)
    gradient = np.random.default_rng(5).normal(size=len(b.theta))
    found = b.influence().most_influential_subset(gradient, 6, direction)
    rows, predicted, removed = dense(b, gradient, 6, direction)
    np.testing.assert_array_equal(found.rows, rows)
    assert_close(np.array(found.predicted), np.array(predicted), rtol=1e-9)
    actual = gradient @ (removed.theta[0] - removed.old)
    assert_close(np.array(found.actual), np.array(actual), rtol=1e-6)
    assert found.n_rows == len(rows)
    assert found.groups is None
    assert direction * found.predicted > 0


@pytest.mark.parametrize("kind", ["labels", "lists"])
def test_groups(kind):
    b = build(LOGISTIC)
    labels = np.array(["a", "b", "c", "d", "e", "f"])[np.arange(b.case.n) % 6]
    sets = [np.flatnonzero(labels == name) for name in "abcdef"]
    gradient = np.eye(len(b.theta))[1]
    given = labels if kind == "labels" else sets
    found = b.influence().most_influential_subset(gradient, 2, -1, groups=given)
    rows, predicted, removed = dense(b, gradient, 2, -1, sets)
    np.testing.assert_array_equal(found.rows, rows)
    assert_close(np.array(found.predicted), np.array(predicted))
    names = tuple("abcdef") if kind == "labels" else tuple(range(6))
    assert [set(sets[names.index(g)]) <= set(found.rows) for g in found.groups]
    assert len(found.rows) == sum(len(sets[names.index(g)]) for g in found.groups)
    assert_close(np.array(found.actual), removed.theta[0][[1]].sum() - removed.old[1], rtol=1e-7)


def test_only_rows_that_help_leave():
    b = build(LOGISTIC)
    gradient = np.eye(len(b.theta))[0]
    scores = b.influence().on_function(gradient)[0]
    found = b.influence().most_influential_subset(gradient, b.case.n - 1, verify=False)
    assert found.n_rows == (scores > 0).sum()
    assert_close(np.array(found.predicted), np.array(scores[scores > 0].sum()))
    assert found.actual is None


def test_rows_without_weight_never_leave():
    b = build(next(c for c in CASES if c.weights == "some zero"))
    found = b.influence().most_influential_subset(np.eye(len(b.theta))[0], 50, verify=False)
    assert (b.sample_weight[found.rows] > 0).all()


def test_no_row_helps():
    b = build(LOGISTIC)
    found = b.influence().most_influential_subset(np.zeros(len(b.theta)), 5)
    assert (found.n_rows, found.predicted, found.actual) == (0, 0.0, 0.0)
    assert "no row" in str(found)


def test_a_function_is_evaluated_at_the_refit():
    b = build(LOGISTIC)
    found = b.influence().most_influential_subset(
        2 * b.theta, 4, function=lambda theta: float(theta @ theta)
    )
    _, _, removed = dense(b, 2 * b.theta, 4, 1)
    expected = removed.theta[0] @ removed.theta[0] - removed.old @ removed.old
    assert_close(np.array(found.actual), np.array(expected), rtol=1e-7)


def test_direct_counts_in_the_choice_and_in_the_refit():
    b = build(LOGISTIC)
    rng = np.random.default_rng(0)
    gradient, direct = rng.normal(size=len(b.theta)), rng.normal(size=b.case.n)
    infl = b.influence()
    scores = infl.on_function(gradient, direct=direct[None])[0]
    linear = infl.most_influential_subset(gradient, 5, direct=direct)
    np.testing.assert_array_equal(linear.rows, np.argsort(-scores, kind="stable")[:5])
    assert_close(np.array(linear.predicted), np.array(scores[linear.rows].sum()))
    called = infl.most_influential_subset(
        gradient, 5, direct=direct, function=lambda theta, w: gradient @ theta + direct @ w
    )
    assert_close(np.array(linear.actual), np.array(called.actual), rtol=1e-9)


def test_a_target_stands_for_its_gradient():
    b = build(LOGISTIC)
    infl = b.influence()
    by_name = infl.most_influential_subset(fi.targets.coefficient("x1"), 5)
    by_gradient = infl.most_influential_subset(np.eye(len(b.theta))[1], 5)
    np.testing.assert_array_equal(by_name.rows, by_gradient.rows)
    assert by_name.actual == pytest.approx(by_gradient.actual, rel=1e-12)


def test_prediction_and_refit_agree_for_few_rows_of_many():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3))
    y = X @ [1.0, 2.0, -1.0] + rng.normal(size=3000)
    infl = fi.Influence.fit(fi.GLM("squared"), X, y)
    found = infl.most_influential_subset([1.0, 0, 0, 0], 5)
    assert found.actual == pytest.approx(found.predicted, rel=0.02)


def test_what_it_says():
    b = build(LOGISTIC)
    found = b.influence().most_influential_subset(fi.targets.coefficient("x1"), 3, -1)
    text = str(found)
    for word in ("3 rows", "60", "5.00%", "lowers", "x1", "predicted", "refit", str(found.rows[0])):
        assert word in text
    assert found.share == 3 / 60


def test_a_wrong_set_is_seen():
    """The comparison above notices the other direction and a lost row."""
    b = build(LOGISTIC)
    gradient = np.eye(len(b.theta))[1]
    rows, _, _ = dense(b, gradient, 6, 1)
    found = b.influence().most_influential_subset(gradient, 6, -1, verify=False)
    assert not set(found.rows) & set(rows)
