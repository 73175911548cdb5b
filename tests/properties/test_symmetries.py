"""What must hold of any problem whatever its numbers: permutations, copies, units, signs."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from properties.problems import CONVEX, Problem, build, error, muted
from properties.strategies import FAR, words

pytestmark = pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")

EXACT = 1e-9
"""Answers that differ by rounding only, of problems that are well conditioned in unit form."""
FIT = 1e-6
"""Answers at two optima, each found to 1e-9 of R's own unit."""


def given_again(b: Problem, keep: np.ndarray, weights: np.ndarray | None = None) -> Problem:
    """The problem of some rows (repeats allowed), with other weights where they are given."""
    unit = b.unit
    chosen = unit.weights[keep] if weights is None else weights
    part = replace(unit, X=unit.X[keep], y=unit.y[keep], weights=chosen, offset=unit.offset[keep])
    plain = b.words.weights == "none" and weights is None
    return replace(b, unit=part, words=b.words if plain else replace(b.words, weights="real"))


def doubled_and_copied(b: Problem, i: int) -> tuple[Problem, Problem]:
    """The problem with row i of twice the weight, and with a copy of it as its last row."""
    n, weights = b.words.n, b.unit.weights
    twice = np.where(np.arange(n) == i, 2 * weights, weights)
    doubled = given_again(b, np.arange(n), twice)
    return doubled, given_again(b, np.append(np.arange(n), i), np.append(weights, weights[i]))


def scores(b: Problem) -> np.ndarray:
    """Scores of the test losses, (t, n)."""
    return b.influence().on_loss(*b.test, **b.asked())


@given(words(far=FAR), st.randoms(use_true_random=False))
def test_a_permutation_of_rows_permutes_scores(w, random):
    b = build(w)
    order = np.array(random.sample(range(w.n), w.n))
    assert error(scores(given_again(b, order)), scores(b)[:, order]) < EXACT
    one, other = b.influence(), given_again(b, order).influence()
    assert error(other.self_influence(), one.self_influence()[order]) < EXACT


@given(words(far=FAR), st.integers(0, 7))
def test_two_copies_of_a_row_are_the_doubled_row(w, i):
    b = build(w)
    twice = b.unit.weights.copy()
    twice[i] *= 2
    doubled = given_again(b, np.arange(w.n), twice)
    copied = given_again(
        b, np.append(np.arange(w.n), i), np.append(b.unit.weights, b.unit.weights[i])
    )
    one, both = scores(doubled), scores(copied)
    assert error(both[:, i] + both[:, -1], one[:, i]) < EXACT
    for method in ("influence", "newton"):
        with muted():
            single = doubled.influence().leave_one_out([i], method).theta
            pair = copied.influence().leave_group_out([[i, w.n]], method).theta
        assert error(pair * b.scale, single * b.scale) < EXACT


@given(words(loss="logistic"), st.integers(0, 7))
def test_two_copies_removed_exactly_are_the_doubled_row(w, i):
    b = build(w)
    twice = b.unit.weights.copy()
    twice[i] *= 2
    doubled = given_again(b, np.arange(w.n), twice)
    copied = given_again(
        b, np.append(np.arange(w.n), i), np.append(b.unit.weights, b.unit.weights[i])
    )
    with muted():
        single = doubled.influence().leave_one_out([i], "exact")
        pair = copied.influence().leave_group_out([[i, w.n]], "exact")
    assert (
        error(
            np.vstack([pair.theta_old, *pair.theta]).ravel(),
            np.vstack([single.theta_old, *single.theta]).ravel(),
        )
        < FIT
    )


@given(words(far=FAR))
def test_units_of_the_columns_leave_scores_alone(w):
    b = build(w)
    plain = replace(b, words=replace(w, powers=(0,)))
    assert error(scores(b), scores(plain)) < EXACT
    one, other = b.influence(), plain.influence()
    assert error(one.self_influence(), other.self_influence()) < EXACT
    assert error(one.on_params([0, 5]) * b.scale, other.on_params([0, 5])) < EXACT
    for method in ("influence", "newton"):
        with muted():
            moved = [
                i.leave_group_out([[2], [1, 8]], method).on_loss(*x.test, **x.asked())
                for i, x in ((one, b), (other, plain))
            ]
        assert error(moved[0].T, moved[1].T) < 1e-6  # new minus old loss: a difference


@given(words(far=FAR, loss="squared"))
def test_units_of_the_columns_leave_a_fit_alone(w):
    b = build(w)
    theta = b.fitted().theta * b.scale
    assert error(theta, reference.refit(b.unit)) < FIT


@given(words(heavy=300))
def test_units_of_the_weights_leave_scores_alone(w):
    b = build(w)
    plain = replace(b, words=replace(w, heavy=0))
    assert error(scores(b), scores(plain)) < EXACT
    with muted():
        one, other = (x.influence().leave_one_out([0, 9], "newton").theta for x in (b, plain))
    assert error(one, other) < EXACT


@given(words(far=200, heavy=200))
def test_terms_sum_to_what_the_convention_says(w):
    """Σ w_i g_i is 0 in mean form and −l2∘theta in sum form, at the optimum."""
    b = build(w).at_optimum()
    infl, unit = b.influence(), b.unit
    terms = -infl.hessian.matmat(infl.on_params(range(w.n), effect="upweight").T).T / b.scale
    given_weights = np.ones(w.n) if b.data()["sample_weight"] is None else b.data()["sample_weight"]
    total = given_weights @ terms / given_weights.sum()
    wanted = np.zeros(len(total)) if w.reduction == "mean" else -unit.l2 * unit.theta / unit.total
    size = np.abs(unit.terms()).max(axis=0) + np.abs(wanted) + 1e-12
    assert (np.abs(total - wanted) / size).max() < 1e-7


@given(words(far=FAR))
def test_the_curvature_is_symmetric(w):
    b = build(w)
    H = b.influence().hessian.dense()
    assert np.array_equal(H, H.T)
    unit = H / b.scale / b.scale[:, None]
    assert error(unit, b.unit.hessian()) < EXACT


@given(words(far=FAR))
def test_the_curvature_of_a_convex_loss_is_positive(w):
    b = build(replace(w, loss=CONVEX[w.seed % len(CONVEX)]))
    H = b.influence().hessian.dense() / b.scale / b.scale[:, None]
    values = np.linalg.eigvalsh(H)
    assert values[0] >= -1e-13 * values[-1]


@given(words(far=FAR))
def test_removal_is_minus_a_share_of_upweight(w):
    b = build(w)
    infl, unit = b.influence(), b.unit
    share = -unit.weights / unit.total
    pairs = (
        (infl.on_loss(*b.test, **b.asked()), infl.on_loss(*b.test, effect="upweight", **b.asked())),
        (infl.self_influence(), infl.self_influence(effect="upweight")),
        (infl.on_params(range(w.n)).T, infl.on_params(range(w.n), effect="upweight").T),
    )
    for removal, upweight in pairs:
        np.testing.assert_allclose(removal, share * upweight, rtol=1e-13, atol=0)
