"""What must hold whatever the reference says: symmetries of the problem itself."""

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


def test_results_do_not_change_with_the_threads():
    rng = np.random.default_rng(8)
    X, theta = rng.normal(size=(20_011, 6)), rng.normal(scale=0.3, size=7)
    y = (rng.uniform(size=len(X)) < 0.5).astype(float)
    X_test, y_test = X[:5] + 0.1, y[:5]

    def scores(n_threads):
        with pytest.warns(fi.FastInfluenceWarning):
            infl = fi.Influence(fi.GLM("logistic", l2=0.1), X, y, theta, n_threads=n_threads)
        return infl.on_loss(X_test, y_test), infl.hessian @ np.ones(7)

    (one, hvp_one), (two, hvp_two) = scores(1), scores(2)
    np.testing.assert_array_equal(hvp_two, hvp_one)
    assert_close(two, one, rtol=1e-13)


def test_many_blocks_against_the_reference():
    """More rows than any block of rows holds, and a row count that divides nothing."""
    b = build(Case("large", "logistic", n=20_011, d=5, l2=0.01, weights="real"))
    assert_close(
        b.influence().on_loss(b.X_test, b.y_test),
        reference.on_loss(b.problem, b.X_test, b.y_test, "removal"),
    )
