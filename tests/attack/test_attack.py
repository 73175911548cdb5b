"""The training-set attack: every step is the paper's, every model is retrained, bounds hold."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from cases import Case, assert_close, build
from scipy import sparse

import fastinfluence as fi

CASE = Case("attacked", "logistic", n=50, d=6, l2=0.02)
WEIGHTED = Case("attacked weighted", "logistic", "sum", n=50, d=6, l2=0.5, weights="real")
ROWS = [3, 8]


def correct_row(b, rank=0):
    """Return a rightly classified test row, the one nearest to the boundary first."""
    f = b.problem.test_raw(b.theta, b.X_test, None)
    right = np.flatnonzero((f > 0) == (b.y_test > 0.5))
    return right[np.argsort(np.abs(f[right]))][[rank]]


def retrained(b, X):
    """Return the reference problem on a changed table, at its own optimum."""
    problem = replace(b.problem, X=np.asarray(X))
    return replace(problem, theta=reference.refit(problem, b.theta))


def run(b, test, n_steps=30, rows=ROWS, **options):
    args = (b.influence(), b.X_test[test], b.y_test[test], rows)
    return fi.attack(*args, **{"step": 0.05, "n_steps": n_steps, **options})


@pytest.mark.parametrize("case", [CASE, WEIGHTED], ids=lambda c: c.name)
def test_every_step_is_the_paper_s(case):
    """Sign of eq. 5 at the reference's own retrained model, step by step."""
    b = build(case)
    test = correct_row(b, 2)
    X = b.X.copy()
    for n_steps in (1, 2, 3):
        model = retrained(b, X)
        side = model.loss_gradients(b.X_test[test], b.y_test[test], None)[0]
        s = np.linalg.solve(model.hessian(), side)
        D, f = model.design(X), model.raw(model.theta)
        d1, d2 = model.pointwise.d1(b.y, f), model.pointwise.d2(b.y, f)
        mixed = d1[:, None] * s[:-1] + (d2 * (D @ s))[:, None] * model.theta[:-1]
        X[ROWS] += 0.01 * np.sign(-mixed[ROWS])
        found = run(b, test, n_steps, step=0.01)
        assert len(found.history) == n_steps
        assert_close(found.X, X, rtol=1e-12)
        assert_close(found.theta, retrained(b, X).theta, rtol=1e-7)


def test_a_flip_is_one_of_the_retrained_model():
    b = build(CASE)
    test = correct_row(b)
    found = run(b, test)
    assert found.stopped == "every prediction flipped"
    assert found.flipped.all()
    assert found.correct_before.all()
    f = b.problem.design(b.X_test[test]) @ retrained(b, found.X).theta
    assert ((f > 0) != (b.y_test[test] > 0.5)).all()
    assert "1 of 1" in str(found)


def test_history_tells_every_step():
    b = build(CASE)
    found = run(b, [0, 1, 2, 3], n_steps=5)
    assert len(found.history) <= 5
    for k, step in enumerate(found.history, 1):
        assert step.loss.shape == step.flipped.shape == (4,)
        assert step.change == pytest.approx(0.05 * k)
        assert step.gradient_norm <= 1e-8
        assert step.newton_steps >= 1
    total = [found.loss_before.sum(), *(step.loss.sum() for step in found.history)]
    assert np.all(np.diff(total) > 0)
    expected = b.problem.pointwise.value(
        b.y_test[:4], b.problem.test_raw(b.theta, b.X_test[:4], None)
    )
    assert_close(found.loss_before, expected, rtol=1e-8)
    np.testing.assert_array_equal(found.flipped, found.history[-1].flipped)


def test_other_rows_and_the_object_stay_as_they_were():
    b = build(CASE)
    infl, X = b.influence(), b.X.copy()
    found = fi.attack(infl, b.X_test[:1], b.y_test[:1], ROWS, step=0.05, n_steps=4)
    np.testing.assert_array_equal(b.X, X)
    np.testing.assert_array_equal(infl.theta, b.theta)
    others = np.setdiff1d(np.arange(50), ROWS)
    np.testing.assert_array_equal(found.X[others], X[others])
    assert found.X.shape == X.shape


BOXES = {
    "reach": lambda X: 0.12,
    "bounds": lambda X: (-0.3, 0.3),
    "each feature": lambda X: (np.full(6, -0.5), np.linspace(0.1, 0.6, 6)),
    "each number": lambda X: (X - 0.1, X + 0.02),
}


@pytest.mark.parametrize("name", BOXES)
def test_boxes_hold(name):
    b = build(CASE)
    box = BOXES[name](b.X[ROWS])
    found = run(b, [0], n_steps=6, box=box)
    low, high = (b.X[ROWS] - box, b.X[ROWS] + box) if name == "reach" else box
    moved = found.X[ROWS]
    assert (moved >= np.asarray(low) - 1e-15).all()
    assert (moved <= np.asarray(high) + 1e-15).all()
    assert np.isclose(moved, low).any() or np.isclose(moved, high).any()


@pytest.mark.parametrize("box", [None, 0.35])
def test_a_grid_holds(box):
    b = build(CASE)
    found = run(b, [0], n_steps=6, step=0.1, grid=0.1, box=box)
    steps = found.X[ROWS] / 0.1
    assert np.abs(steps - np.round(steps)).max() < 1e-9
    if box:
        assert np.abs(found.X[ROWS] - b.X[ROWS]).max() <= box + 1e-12


def test_it_stops_where_nothing_may_move():
    b = build(CASE)
    test = correct_row(b, -1)
    found = run(b, test, step=0.01, box=0.02, n_steps=50)
    assert found.stopped == "no allowed move left"
    assert 2 <= len(found.history) < 50
    assert not found.flipped.any()


def test_it_stops_when_the_steps_are_used_up():
    b = build(CASE)
    found = run(b, correct_row(b, -1), step=1e-3, n_steps=3)
    assert found.stopped == "out of steps"
    assert len(found.history) == 3


def test_a_row_wrong_from_the_start_is_no_flip():
    b = build(CASE)
    f = b.problem.test_raw(b.theta, b.X_test, None)
    wrong = np.flatnonzero((f > 0) != (b.y_test > 0.5))[:1]
    found = run(b, wrong)
    assert not found.flipped.any()
    assert not found.correct_before.any()
    assert not found.history
    assert "no test row" in found.stopped


def test_sparse_rows_are_attacked_alike():
    b = build(CASE)
    X = np.where(np.abs(b.X) < 0.5, 0.0, b.X)
    dense = fi.Influence.fit(b.spec(), X, b.y)
    infl = fi.Influence(b.spec(), sparse.csr_array(X), b.y, dense.theta)
    args = (b.X_test[:2], b.y_test[:2], ROWS, 0.05, 4)
    one, other = fi.attack(dense, *args), fi.attack(infl, *args)
    assert sparse.issparse(other.X)
    assert_close(other.X.toarray(), one.X, rtol=1e-9)
    assert_close(other.theta, one.theta, rtol=1e-7)


def test_hinges_and_words_for_labels():
    b = build(CASE)
    words = np.where(b.y > 0.5, "spam", "ham")
    spec = fi.GLM(fi.losses.smooth_hinge(t=0.3), l2=0.05)
    infl = fi.Influence.fit(spec, b.X, words)
    f = b.X_test @ infl.theta[:-1] + infl.theta[-1]
    said = np.where(f > 0, "spam", "ham")
    near = np.argsort(np.abs(f))[:1]
    found = fi.attack(infl, b.X_test[near], said[near], ROWS, 0.1, 40)
    assert found.flipped.all()
    again = fi.Influence.fit(spec, found.X, words)
    f = b.X_test[near] @ again.theta[:-1] + again.theta[-1]
    assert np.where(f > 0, "spam", "ham") != said[near]


def test_far_moves_are_retrained_too():
    """Steps so long that the old curvature is of no use."""
    b = build(CASE)
    found = run(b, correct_row(b, -1), n_steps=4, step=8.0)
    assert found.history[-1].gradient_norm <= 1e-8
    assert_close(found.theta, retrained(b, found.X).theta, rtol=1e-6)


MISTAKES = {
    "rows": (dict(rows=[50]), "50"),
    "a row twice": (dict(rows=[3, 3]), "twice"),
    "step": (dict(step=0.0), "step"),
    "steps": (dict(n_steps=0), "n_steps"),
    "box": (dict(box=-1.0), "box"),
    "box of three": (dict(box=(0, 1, 2)), "box"),
    "box upside down": (dict(box=(1.0, 0.0)), "lower bound"),
    "box of another shape": (dict(box=(np.zeros(5), 1.0)), "broadcast"),
    "box without a grid point": (dict(box=(0.02, 0.08), grid=0.1, step=0.1), "multiple"),
    "grid": (dict(grid=0.0), "grid"),
    "step below the grid": (dict(grid=0.2, step=0.05), "half"),
    "labels": (dict(y_test=None), "y_test"),
    "unknown label": (dict(y_test=[2.0]), "y_test"),
    "columns": (dict(X_test=np.ones((1, 5))), "5"),
    "tol": (dict(tol=-1.0), "tol"),
    "object": (dict(infl="model"), "infl"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    changes, words = MISTAKES[name]
    b = build(CASE)
    good = {"infl": b.influence(), "X_test": b.X_test[:1], "y_test": b.y_test[:1], "rows": ROWS}
    with pytest.raises(fi.InputError, match=words):
        fi.attack(**{**good, "step": 0.05, "n_steps": 3, **changes})


def test_a_row_without_weight_is_refused():
    b = build(Case("absent", "logistic", n=50, d=6, l2=0.1, weights="some zero"))
    with pytest.raises(fi.InputError, match="weighs nothing"):
        run(b, [0], rows=[7])


def test_a_model_without_classes_is_refused():
    b = build(Case("regression", "squared"))
    with pytest.raises(fi.UnsupportedError, match="perturbation"):
        fi.attack(b.influence(), b.X_test[:1], b.y_test[:1], ROWS, 0.1, 3)
