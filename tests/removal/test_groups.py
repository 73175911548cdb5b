"""Leaving out groups of rows: as label vectors, as lists of index arrays, small and large."""

import numpy as np
import pytest
import reference
from cases import CASES, FURTHER, Case, assert_close, build, named

import fastinfluence as fi

METHODS = ("influence", "newton", "exact")
TOLERANCE = {"influence": 1e-9, "newton": 1e-9, "exact": 1e-8}
ALL = named(CASES + tuple(c for c in FURTHER if c.loss not in ("huber", "squared_hinge")))
# One row, fewer rows than parameters, more rows than parameters, and an overlap between groups.
GROUPS = [[5], [0, 59], [11, 3], list(range(20, 40)), [3, 4, 5, 6, 7, 8]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", **ALL)
def test_groups(case, method):
    b = build(case)
    actual = b.influence().leave_group_out(GROUPS, method=method)
    expected = reference.leave_group_out(b.problem, GROUPS, method)
    assert_close(actual.theta, expected.theta, rtol=TOLERANCE[method])
    tolerance = {"rtol": 1e-8, "atol": 1e-12 if method != "exact" else 1e-8}
    assert_close(
        actual.on_loss(b.X_test, b.y_test, offset_test=b.offset_test),
        expected.on_loss(b.X_test, b.y_test, b.offset_test),
        **tolerance,
    )
    if method == "exact":
        scale = b.problem.total if case.reduction == "sum" else 1.0
        norms = reference.gradient_norms(b.problem, GROUPS, actual.theta)
        assert norms.max() <= 1e-9 * scale


@pytest.mark.parametrize("case", **named(tuple(c for c in CASES if c.loss == "squared")))
def test_newton_is_exact_for_squared_loss(case):
    case = case.__class__(**{**vars(case), "at_optimum": True})
    infl = build(case).influence()
    newton = infl.leave_group_out(GROUPS, method="newton").theta
    exact = infl.leave_group_out(GROUPS, method="exact").theta
    assert_close(newton, exact, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_groups_of_one_are_rows(method):
    b = build(CASES[13])
    infl = b.influence()
    rows = infl.leave_one_out(rows=[4, 9], method=method).theta
    assert_close(infl.leave_group_out([[4], [9]], method=method).theta, rows, rtol=1e-9)


@pytest.mark.parametrize("kind", ["int", "string", "float", "list"])
def test_label_vectors(kind):
    """As in scikit-learn: one label a row; groups come in the sorted order of the labels."""
    b = build(CASES[9])
    names = {"int": [7, 2, 30], "string": ["b", "a", "c"], "float": [0.5, -1.0, 2.0]}
    labels = np.array(names.get(kind, names["int"]))[np.arange(b.case.n) % 3]
    groups = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    infl = b.influence()
    given = labels.tolist() if kind == "list" else labels
    for method in METHODS:
        actual = infl.leave_group_out(given, method=method).theta
        assert_close(actual, infl.leave_group_out(groups, method=method).theta, rtol=1e-9)
    assert actual.shape == (3, len(b.theta))


def test_influence_of_a_group_is_the_sum_of_its_rows():
    b = build(CASES[13])
    infl = b.influence()
    group = [2, 3, 5, 7, 11]
    change = infl.leave_group_out([group], method="influence").theta[0] - b.theta
    assert_close(change, infl.on_params(group).sum(axis=0), rtol=1e-9)


def test_order_within_a_group_does_not_matter():
    b = build(CASES[9])
    infl = b.influence()
    one = infl.leave_group_out([[1, 2, 3, 40]], method="exact").theta
    other = infl.leave_group_out([np.array([40, 3, 1, 2])], method="exact").theta
    assert_close(other, one, rtol=1e-10)


def test_a_row_named_twice_is_removed_once():
    """Or refused: silently removing it twice would be a wrong number."""
    b = build(CASES[9])
    infl = b.influence()
    for method in METHODS:
        once = infl.leave_group_out([[1, 2]], method=method).theta
        try:
            twice = infl.leave_group_out([[1, 2, 1]], method=method).theta
        except fi.FastInfluenceError:
            continue
        assert_close(twice, once, rtol=1e-9)


def test_a_removed_group_may_leave_no_optimum():
    """Without a penalty, what is left can be separable: NaN and a warning, the others stand."""
    X = np.array([[-2.0], [-1.0], [0.5], [1.0], [2.0], [-0.5]])
    y = np.array([0, 0, 0, 1, 1, 1])
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.0), X, y)
    with pytest.warns(fi.FastInfluenceWarning, match=r"(?i)separa|optimum") as caught:
        removed = infl.leave_group_out([[0], [2, 5]], method="exact")
    assert len(caught) == 1
    assert np.isfinite(removed.theta[0]).all()
    assert np.isnan(removed.theta[1]).all()
    assert np.isnan(removed.on_prediction(X)[:, 1]).all()
    assert np.isfinite(removed.on_prediction(X)[:, 0]).all()


def test_all_rows_cannot_be_removed():
    b = build(CASES[9])
    with pytest.raises(fi.FastInfluenceError, match=r"(?i)all|every|no rows|left|weight"):
        b.influence().leave_group_out([np.arange(b.case.n)], method="exact")
    with pytest.raises(fi.FastInfluenceError, match=r"(?i)all|every|no rows|left|weight"):
        b.influence().leave_group_out(np.zeros(b.case.n, dtype=int), method="newton")


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_reported_gradient_norms_are_those_of_what_is_left(reduction):
    """Stopped early on purpose: the norm is divided by the weight that remains."""
    b = build(Case("loose", "logistic", reduction, l2=0.05, weights="real", offset=True))
    removed = b.influence().leave_group_out(GROUPS, method="exact", tol=0.1)
    norms = reference.gradient_norms(b.problem, GROUPS, removed.theta)
    assert norms.max() > 1e-10
    np.testing.assert_allclose(removed.gradient_norms, norms, rtol=1e-5, atol=1e-14)
