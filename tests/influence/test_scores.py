"""Every score of every case against the dense reference, in both effects."""

import numpy as np
import pytest
import reference
from cases import CASES, FURTHER, assert_close, build, named

import fastinfluence as fi

EFFECTS = ("removal", "upweight")
ALL = named(CASES + FURTHER)
MEANS = named(tuple(c for c in CASES + FURTHER if reference.LOSSES[c.loss].mean is not None))


def scores_by_name(b, infl, effect):
    """Return every score of the library and of the reference, by name."""
    p, Xt, yt, ot = b.problem, b.X_test, b.y_test, b.offset_test
    rows = [0, 7, b.case.n - 1, 7]
    gradient = np.random.default_rng(3).normal(size=(4, len(b.theta)))
    return {
        "on_params": (
            infl.on_params(rows, effect=effect),
            reference.on_params(p, rows, effect),
        ),
        "on_loss": (
            infl.on_loss(Xt, yt, offset_test=ot, effect=effect),
            reference.on_loss(p, Xt, yt, effect, ot),
        ),
        "on_prediction": (
            infl.on_prediction(Xt, offset_test=ot, effect=effect),
            reference.on_prediction(p, Xt, "raw", effect, ot),
        ),
        "on_function": (
            infl.on_function(gradient, effect=effect),
            reference.on_function(p, gradient, effect),
        ),
        "self_influence": (
            infl.self_influence(effect=effect),
            reference.self_influence(p, effect),
        ),
    }


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("case", **ALL)
def test_scores(case, effect):
    b = build(case)
    for name, (actual, expected) in scores_by_name(b, b.influence(), effect).items():
        try:
            assert_close(actual, expected)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize("case", **MEANS)
def test_mean_prediction(case):
    b = build(case)
    actual = b.influence().on_prediction(b.X_test, output="mean", offset_test=b.offset_test)
    expected = reference.on_prediction(b.problem, b.X_test, "mean", "removal", b.offset_test)
    assert_close(actual, expected)


def test_mean_of_a_loss_without_a_family_is_refused():
    b = build(next(c for c in FURTHER if c.loss == "smooth_hinge"))
    with pytest.raises(fi.FastInfluenceError, match="raw"):
        b.influence().on_prediction(b.X_test, output="mean", offset_test=b.offset_test)


@pytest.mark.parametrize("wrong", ["sign", "unit", "penalty"])
def test_a_wrong_score_is_seen(wrong):
    """The comparison above fails for a flipped sign, a lost 1/W, and a forgotten penalty."""
    b = build(CASES[0])
    infl = b.influence()
    good = infl.on_loss(b.X_test, b.y_test)
    without_penalty = reference.replace(b.problem, reduction="sum", l2=b.problem.l2 * b.case.n)
    bad = {
        "sign": -good,
        "unit": good * b.problem.total,
        "penalty": reference.on_loss(without_penalty, b.X_test, b.y_test, "removal"),
    }[wrong]
    with pytest.raises(AssertionError, match="off by"):
        assert_close(bad, reference.on_loss(b.problem, b.X_test, b.y_test, "removal"))


@pytest.mark.parametrize("case", **ALL)
def test_removal_and_upweight_differ_by_minus_w_over_total(case):
    b = build(case)
    infl = b.influence()
    removal = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    upweight = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test, effect="upweight")
    assert_close(removal, -upweight * b.problem.weights / b.problem.total, rtol=1e-13)


@pytest.mark.parametrize("case", **named(tuple(c for c in CASES if c.at_optimum)))
def test_effects_of_all_rows_sum_to_what_the_penalty_holds_back(case):
    """At the optimum sum w_i g_i is 0 in mean form and -l2 theta in sum form."""
    b = build(case)
    total = b.influence().on_params(np.arange(case.n)).sum(axis=0)
    held = np.zeros(len(b.theta))
    if case.reduction == "sum":
        held = -np.linalg.solve(b.problem.hessian(), b.problem.l2 * b.theta) / b.problem.total
    np.testing.assert_allclose(total, held, atol=1e-10)


@pytest.mark.parametrize("case", **named(tuple(c for c in CASES if c.at_optimum)))
def test_unpenalised_self_influence_is_never_negative(case):
    b = build(case)
    plain = reference.replace(b.problem, l2=np.zeros_like(b.problem.l2))
    if case.l2 == 0.0:
        assert b.influence().self_influence().min() >= 0
    assert reference.self_influence(plain, "removal").min() >= 0


def test_defaults_are_removal_and_raw():
    b = build(CASES[9])
    infl = b.influence()
    raw = infl.on_prediction(b.X_test)
    np.testing.assert_array_equal(raw, infl.on_prediction(b.X_test, output="raw", effect="removal"))
    loss = infl.on_loss(b.X_test, b.y_test)
    np.testing.assert_array_equal(loss, infl.on_loss(b.X_test, b.y_test, effect="removal"))


def test_rows_may_be_lists_arrays_or_one_number():
    b = build(CASES[9])
    infl = b.influence()
    expected = infl.on_params(np.array([3, 9]))
    for rows in ([3, 9], (3, 9), np.array([3, 9], dtype=np.uint8), range(3, 10, 6)):
        np.testing.assert_array_equal(infl.on_params(rows), expected)


def test_one_function_gradient_may_be_a_matrix_of_one_row():
    b = build(CASES[9])
    gradient = np.eye(len(b.theta))[:1]
    assert b.influence().on_function(gradient).shape == (1, b.case.n)


@pytest.mark.parametrize("name", ["logistic weighted", "logistic sum weighted"])
def test_direct_part_is_a_derivative_by_the_weights(name):
    """f = sum_i w_i c_i + a'theta: removing row i takes w_i c_i away beside moving theta."""
    b = build(next(c for c in CASES if c.name == name))
    infl, w, W = b.influence(), b.problem.weights, b.problem.total
    gradient = np.random.default_rng(0).normal(size=(2, len(b.theta)))
    direct = np.random.default_rng(1).normal(size=(2, b.case.n))
    for effect, expected in (("removal", -w * direct), ("upweight", W * direct)):
        moved = infl.on_function(gradient, effect=effect)
        both = infl.on_function(gradient, direct=direct, effect=effect)
        assert_close(both, moved + expected, rtol=1e-12)
