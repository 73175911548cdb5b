"""Fits and removals of random problems against the dense reference's own."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from properties.problems import Problem, build, error, muted
from properties.strategies import FAR, words

pytestmark = pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")

SETS = [[1, 9], [2, 10, 11], [0]]


def moved(theta: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Old and new parameters, to be compared relative to the largest of either."""
    return np.vstack([old, theta]).ravel()


def assert_removed(b: Problem, method: str, limit: float) -> None:
    """Rows and groups removed by the library are those removed by the reference."""
    infl = b.influence()
    with muted():
        rows = infl.leave_one_out([1, 9], method)
        groups = infl.leave_group_out(SETS, method)
    pairs = (
        (rows, reference.leave_one_out(b.unit, [1, 9], method)),
        (groups, reference.leave_group_out(b.unit, SETS, method)),
    )
    for found, wanted in pairs:
        old = found.theta_old * b.scale
        assert error(moved(found.theta * b.scale, old), moved(wanted.theta, wanted.old)) < limit


@given(words(far=FAR))
def test_a_fit_is_the_optimum_in_any_units(w):
    b = build(w)
    assert error(b.fitted().theta * b.scale, reference.refit(b.unit)) < 1e-7


@given(words(heavy=300))
def test_a_fit_is_the_optimum_at_any_weight(w):
    b = build(w)
    assert error(b.fitted().theta, reference.refit(b.unit)) < 1e-7


@given(words(far=FAR))
def test_newton_is_the_reference_away_from_the_optimum_too(w):
    assert_removed(build(w), "newton", 1e-9)


@given(words(far=FAR))
def test_exact_removal_is_a_refit(w):
    assert_removed(build(w).at_optimum(), "exact", 1e-6)


@given(words(far=200, heavy=200))
def test_exact_removal_is_a_refit_at_any_weight(w):
    assert_removed(build(w).at_optimum(), "exact", 1e-6)


@given(words(), st.sampled_from([1e-6, 1e-7]))
def test_a_light_row_removed_exactly_is_its_first_order_score(w, light):
    """Where the removed row weighs next to nothing, its score is the whole truth."""
    b = build(w)
    weights = b.unit.weights.copy()
    weights[3] = light
    b = replace(b, unit=replace(b.unit, weights=weights), words=replace(w, weights="real"))
    b = b.at_optimum()
    first = reference.on_params(b.unit, [3], "removal")[0]
    exact = reference.refit(b.unit.without([3]), b.unit.theta) - b.unit.theta
    size = np.abs(first).max()
    found = b.influence().on_params([3])[0]
    assert np.abs(found - exact).max() <= 0.05 * size + 1e-13


@given(words(far=FAR))
def test_first_order_scores_are_the_reference_s(w):
    b = build(w)
    infl, unit = b.influence(), b.unit
    loss = reference.on_loss(unit, b.X_test, b.y_test, "removal", b.offset_test)
    assert error(infl.on_loss(*b.test, **b.asked()), loss) < 1e-9
    assert error(infl.self_influence(), reference.self_influence(unit, "removal")) < 1e-9
    own = reference.on_params(unit, range(w.n), "removal")
    assert error(infl.on_params(range(w.n)) * b.scale, own) < 1e-9
    raw = reference.on_prediction(unit, b.X_test, "raw", "removal", b.offset_test)
    assert error(infl.on_prediction(b.test[0], **b.asked()), raw) < 1e-9


@given(words(far=20, dtype="float64"))
def test_float32_is_near_float64(w):
    """Rounded columns give the answers of the rounded columns: near, not equal."""
    b, rounded = build(w), build(replace(w, dtype="float32"))
    rounded = replace(
        rounded, unit=replace(rounded.unit, y=b.unit.y, theta=b.unit.theta), y_test=b.y_test
    )
    wide = b.influence().on_loss(*b.test, **b.asked())
    narrow = rounded.influence().on_loss(*rounded.test, **b.asked())
    assert error(narrow.ravel(), wide.ravel()) < 1e-3
