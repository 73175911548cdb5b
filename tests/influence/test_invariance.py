"""What must hold whatever the reference says: symmetries of the problem itself."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import reference
from cases import CASES, Case, assert_close, build, named

import fastinfluence as fi

SOME = named(tuple(c for c in CASES if c.name.startswith("logistic") and not c.damping))


def again(b, keep, weights=None, **options):
    """Return the influence object of chosen rows (repeats allowed) of a case, same theta."""
    return fi.Influence(
        b.spec(),
        b.X[keep],
        b.y[keep],
        b.theta,
        sample_weight=b.problem.weights[keep] if weights is None else weights,
        offset=None if b.offset is None else b.offset[keep],
        **options,
    )


@pytest.mark.parametrize("case", **SOME)
@pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")
def test_permuting_rows_permutes_scores(case, rng):
    b = build(case)
    order = rng.permutation(case.n)
    one = b.influence().on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    other = again(b, order).on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    assert_close(other, one[:, order], rtol=1e-11)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_weight_of_three_is_three_rows(reduction):
    case = Case("counts", "logistic", reduction, l2=0.3, weights="counts", seed=5)
    b = build(case)
    counts = b.sample_weight.astype(int)
    keep = np.repeat(np.arange(case.n), counts)
    weighted, repeated = b.influence(), again(b, keep, weights=np.ones(len(keep)))
    assert_close(repeated.hessian.dense(), weighted.hessian.dense(), rtol=1e-12)
    for method in ("influence", "newton", "exact"):
        one = weighted.leave_one_out(rows=np.arange(10), method=method)
        groups = [np.flatnonzero(keep == i) for i in range(10)]
        other = repeated.leave_group_out(groups, method=method)
        assert_close(other.theta, one.theta, rtol=1e-9)


def test_rows_of_weight_zero_are_not_there():
    b = build(next(c for c in CASES if c.weights == "some zero"))
    present = np.flatnonzero(b.sample_weight > 0)
    absent = np.flatnonzero(b.sample_weight == 0)
    infl = b.influence()
    scores = infl.on_loss(b.X_test, b.y_test)
    assert_close(again(b, present).on_loss(b.X_test, b.y_test), scores[:, present], rtol=1e-11)
    assert not scores[:, absent].any()
    for method in ("influence", "newton", "exact"):
        removed = infl.leave_one_out(rows=absent, method=method)
        assert_close(removed.theta, np.tile(b.theta, (len(absent), 1)), rtol=1e-11)


def test_scaling_all_weights_leaves_the_mean_form_alone():
    b = build(next(c for c in CASES if c.name == "logistic weighted"))
    rows = np.arange(b.case.n)
    one = b.influence()
    other = again(b, rows, weights=17.0 * b.sample_weight)
    args = (b.X_test, b.y_test)
    assert_close(
        other.on_loss(*args, offset_test=b.offset_test),
        one.on_loss(*args, offset_test=b.offset_test),
        rtol=1e-11,
    )
    assert_close(
        other.leave_one_out(rows=[0, 1], method="newton").theta,
        one.leave_one_out(rows=[0, 1], method="newton").theta,
        rtol=1e-11,
    )


def test_sum_form_is_mean_form_with_the_penalty_divided_by_the_total():
    """The two objectives share H and the optimum; only what removal does to l2 differs."""
    b = build(Case("sum", "logistic", "sum", l2=3.0))
    spec = fi.GLM("logistic", l2=3.0 / b.case.n)
    mean = fi.Influence(spec, b.X, b.y, b.theta)
    assert_close(mean.hessian.dense(), b.influence().hessian.dense(), rtol=1e-13)
    pull = np.linalg.solve(b.problem.hessian(), b.problem.l2 * b.theta / b.case.n) / b.case.n
    assert_close(mean.on_params([0, 1]), b.influence().on_params([0, 1]) + pull, rtol=1e-9)


def test_inputs_are_left_as_they_were():
    b = build(next(c for c in CASES if c.name == "logistic weighted"))
    given = (b.X, b.y, b.theta, b.sample_weight, b.offset, b.X_test, b.y_test, b.offset_test)
    copies = [a.copy() for a in given]
    infl = b.influence()
    infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    infl.leave_one_out(rows=[1], method="exact")
    fi.Influence.fit(b.spec(), b.X, b.y, **b.data())
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


# Sizes of several blocks of rows, and enough bytes that several threads share a pass.
MANY = Case("many blocks", "logistic", n=20_011, d=60, l2=0.05, weights="real")


def test_results_do_not_change_with_the_threads():
    b = build(MANY)
    one, two, three = (b.influence(n_threads=k) for k in (1, 2, 3))
    v = np.linspace(-1, 1, len(b.theta))
    for other in (two, three):
        np.testing.assert_array_equal(other.hessian @ v, one.hessian @ v)
        assert_close(other.hessian.dense(), one.hessian.dense(), rtol=1e-13)
        assert_close(other.on_loss(b.X_test, b.y_test), one.on_loss(b.X_test, b.y_test), rtol=1e-12)


def test_many_blocks_against_the_reference():
    """More rows than any block of rows holds, and a row count that divides nothing."""
    b = build(MANY)
    infl = b.influence(n_threads=2)
    scores = reference.on_loss(b.problem, b.X_test, b.y_test, "removal")
    assert_close(infl.on_loss(b.X_test, b.y_test), scores)
    own = reference.self_influence(b.problem, "removal")
    assert_close(infl.self_influence(), own)
    assert_close(infl.hessian.dense(), b.problem.hessian(), rtol=1e-11)
    rows = [0, 10_000, 20_010]
    removed = reference.leave_one_out(b.problem, rows, "exact")
    assert_close(infl.leave_one_out(rows, method="exact").theta, removed.theta, rtol=1e-8)


def test_one_object_may_be_asked_from_many_threads():
    b = build(MANY)
    infl = b.influence(n_threads=2)
    questions = [np.roll(b.X_test, k, axis=1) for k in range(8)]
    expected = [b.influence(n_threads=1).on_loss(X, b.y_test) for X in questions]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda X: infl.on_loss(X, b.y_test), questions))
    for answer, wanted in zip(answers, expected, strict=True):
        assert_close(answer, wanted, rtol=1e-12)
