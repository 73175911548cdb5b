"""Unlearning: a new object at the exact optimum of the rows that stay."""

from itertools import pairwise

import numpy as np
import pytest
import reference
from cases import CASES, FURTHER, assert_close, build, named
from subsets.dense import SMOOTH

import fastinfluence as fi
from fastinfluence.rows.dense import DenseRows
from fastinfluence.rows.view import RowView

LOGISTIC = next(c for c in CASES if c.name == "logistic weighted")
GONE = [3, 59, 17, 18, 19, 40]


@pytest.mark.parametrize("case", **named(SMOOTH))
def test_everything_is_that_of_the_rows_that_stay(case):
    """Theta of a dense refit, and every score as if the rows had never been there."""
    b = build(case)
    infl = b.influence().without(GONE)
    p = b.problem.without(GONE)
    p = reference.replace(p, theta=reference.refit(p, p.theta))
    assert infl.n_rows == case.n - len(GONE)
    assert_close(infl.theta, p.theta, rtol=1e-7)
    X, y, offset = b.X_test, b.y_test, b.offset_test
    scores = infl.on_loss(X, y, offset_test=offset)
    assert_close(scores, reference.on_loss(p, X, y, "removal", offset), rtol=1e-6)
    expected = reference.self_influence(p, "removal")
    assert_close(infl.self_influence(), expected, rtol=1e-6)
    some = [0, 20, infl.n_rows - 1]
    assert_close(infl.on_params(some), reference.on_params(p, some, "removal"), rtol=1e-6)
    exact = infl.leave_one_out(some, method="exact").theta
    assert_close(exact, reference.leave_one_out(p, some, "exact").theta, rtol=1e-7)


@pytest.mark.parametrize("case", **named(CASES + FURTHER[:6]))
def test_ten_steps_are_one(case):
    b = build(case)
    rows = np.random.default_rng(1).permutation(case.n)[:10]
    infl, left = b.influence(), np.arange(case.n)
    for row in rows:
        place = int(np.flatnonzero(left == row)[0])
        infl, left = infl.without([place]), np.delete(left, place)
    at_once = b.influence().without(rows)
    assert_close(infl.theta, at_once.theta, rtol=1e-8)
    assert_close(infl.theta, reference.refit(b.problem.without(rows), b.theta), rtol=1e-8)
    assert isinstance(infl._problem.rows, RowView)
    assert isinstance(infl._problem.rows.source, DenseRows), "a view of a view is one view"


def test_x_is_not_copied():
    b = build(LOGISTIC)
    infl = b.influence()
    view = infl.without([1]).without([5])._problem.rows
    assert np.shares_memory(view.source.X, infl._problem.rows.X)


def test_the_old_object_stands():
    b = build(LOGISTIC)
    infl = b.influence()
    before = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    infl.without([0, 1, 2])
    assert infl.n_rows == b.case.n
    after = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    np.testing.assert_array_equal(before, after)


def test_rows_as_masks_repeats_and_from_the_end():
    b = build(LOGISTIC)
    infl = b.influence()
    mask = np.zeros(b.case.n, dtype=bool)
    mask[[2, 59]] = True
    expected = infl.without([2, 59]).theta
    for rows in (mask, [59, 2, 2], [2, -1], np.array([2, 59], dtype=np.uint8)):
        np.testing.assert_array_equal(infl.without(rows).theta, expected)


def test_settings_are_kept():
    b = build(LOGISTIC)
    solver = fi.solvers.CG(tol=1e-10)
    infl = b.influence(damping=0.2, solver=solver, curvature="fisher", n_threads=1).without([4])
    assert infl._settings.damping == 0.2
    assert infl._settings.solver is solver
    assert infl._engine.curvature == "fisher"
    assert infl._problem.n_threads == 1
    assert infl.fit_status is not None


def test_many_blocks_of_rows():
    """Blocks that stay whole, lose some rows, and lose all of them."""
    rng = np.random.default_rng(0)
    n, d = 60_000, 20
    X = rng.normal(size=(n, d))
    y = X @ np.ones(d) + rng.normal(size=n)
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.1), X, y)
    size = infl._problem.rows.block_rows
    assert n > 4 * size
    gone = np.concatenate([np.arange(size, 2 * size), [7, 2 * size + 5, n - 1]])
    kept = np.setdiff1d(np.arange(n), gone)
    view = infl.without(gone)
    fresh = fi.Influence.fit(fi.GLM("squared", l2=0.1), X[kept], y[kept])
    assert_close(view.theta, fresh.theta, rtol=1e-8)
    tests = X[:3], y[:3]
    assert_close(view.on_loss(*tests), fresh.on_loss(*tests), rtol=1e-7)
    top, same = view.on_loss(*tests, out=fi.TopK(4)), fresh.on_loss(*tests, out=fi.TopK(4))
    np.testing.assert_array_equal(top.helpful.rows, same.helpful.rows)
    np.testing.assert_array_equal(view._problem.rows.take(np.arange(3)).native(), X[kept][:3])
    blocks = view._problem.rows.map_reduce(lambda block: [(block.start, block.stop)], list.__add__)
    assert blocks[0][0] == 0
    assert blocks[-1][1] == len(kept)
    assert all(a[1] == b[0] for a, b in pairwise(blocks))
    parallel = view._problem.rows.map_reduce(lambda b: [(b.start, b.stop)], list.__add__, 3)
    assert parallel == blocks


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_keep_names_and_labels(kind):
    library = pytest.importorskip(kind)
    b = build(LOGISTIC)
    frame = library.DataFrame({f"c{j}": b.X[:, j] for j in range(4)})
    if kind == "pandas":
        frame.index = [f"row {i}" for i in range(60)]
    infl = fi.Influence(b.spec(), frame, b.y, b.theta, **b.data()).without([1, 3])
    assert infl._problem.feature_names == ("c0", "c1", "c2", "c3")
    if kind == "pandas":
        assert list(infl._problem.labels[:3]) == ["row 0", "row 2", "row 4"]
    labels = infl.diagnostics().to_frame()
    assert len(labels) == 58


def test_text_labels_keep_their_meaning():
    b = build(next(c for c in CASES if c.name == "logistic mean"))
    words = np.where(b.y == 1, "yes", "no")
    infl = fi.Influence.fit(b.spec(), b.X, words)
    gone = np.flatnonzero(words == "no")[2:]
    infl = infl.without(gone)
    assert infl.on_loss(b.X_test, ["no"] * len(b.X_test)).shape[1] == 60 - len(gone)


def test_one_class_may_be_left_where_the_penalty_allows_it():
    b = build(next(c for c in CASES if c.name == "logistic mean penalised intercept"))
    gone = np.flatnonzero(b.y == 0)
    assert b.influence().without(gone).gradient_norm < 1e-8


def test_separable_rows_are_refused():
    X = np.array([[-2.0], [-1.0], [0.5], [1.0], [2.0], [-0.5]])
    infl = fi.Influence.fit(fi.GLM("logistic"), X, [0, 0, 0, 1, 1, 1])
    with pytest.raises(fi.NoOptimumError, match="separable"):
        infl.without([2, 5])


def test_an_estimator_is_refitted_on_the_right_rows():
    linear = pytest.importorskip("sklearn.linear_model")
    b = build(next(c for c in CASES if c.name == "logistic mean"))
    w = np.random.default_rng(0).uniform(0.5, 2, size=60)
    model = linear.LogisticRegression(tol=1e-10, max_iter=1000).fit(b.X, b.y, w)
    infl = fi.Influence.from_estimator(model, b.X, b.y, w)
    once = infl.without([5, 6]).without([0])  # rows 5, 6 and 0 of the table
    by_refit = once.leave_one_out([10], method="refit").theta  # row 13 of the table
    by_hand = np.delete(np.arange(60), [0, 5, 6, 13])
    again = linear.LogisticRegression(tol=1e-10, max_iter=1000)
    again.fit(b.X[by_hand], b.y[by_hand], w[by_hand])
    expected = np.append(again.coef_, again.intercept_)
    np.testing.assert_allclose(by_refit[0], expected, rtol=1e-10)
    exact = once.leave_one_out([10], method="exact").theta
    np.testing.assert_allclose(exact, by_refit, rtol=1e-5)


def test_a_pipeline_still_transforms_test_rows():
    pytest.importorskip("sklearn")
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    b = build(CASES[0])
    model = make_pipeline(StandardScaler(), Ridge(1.0)).fit(5 + b.X, b.y)
    infl = fi.Influence.from_estimator(model, 5 + b.X, b.y)
    fewer = infl.without([0])
    scaled = model[:-1].transform(5 + b.X_test)
    f = scaled @ fewer.theta[:-1] + fewer.theta[-1]
    change = fewer.leave_one_out([0], "exact")
    moved = scaled @ change.theta[0, :-1] + change.theta[0, -1]
    np.testing.assert_allclose(change.on_prediction(5 + b.X_test)[:, 0], moved - f, atol=1e-8)


def test_subset_rows_flow_into_without():
    b = build(LOGISTIC)
    infl = b.influence()
    found = infl.smallest_flip(fi.targets.coefficient("x1"))
    fewer = infl.without(found.rows)
    assert fewer.theta[1] == pytest.approx(found.value_after, rel=1e-6)
    assert fewer.smallest_flip(fi.targets.coefficient("x1")).value == fewer.theta[1]
