"""What becomes of the scores: a matrix, the strongest few, or their sum over test rows."""

import numpy as np
import pytest
import reference
from cases import CASES, Case, assert_close, build, named

import fastinfluence as fi

SOME = named(
    (
        CASES[0],
        next(c for c in CASES if c.name == "logistic sum weighted"),
        next(c for c in CASES if c.name == "logistic zero weights"),
        Case("many blocks", "logistic", n=20_011, d=60, l2=0.05, weights="real"),
    )
)


def strongest(scores, k):
    """Return rows of the k largest scores of each line, ties to the lower row."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("case", **SOME)
@pytest.mark.parametrize("k", [1, 5, 40])
def test_top_k(case, k):
    b = build(case)
    infl = b.influence()
    matrix = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    top = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test, out=fi.TopK(k))
    for side, signed in ((top.helpful, matrix), (top.harmful, -matrix)):
        rows = strongest(signed, k)
        np.testing.assert_array_equal(side.rows, rows)
        assert np.issubdtype(side.rows.dtype, np.integer)
        assert_close(side.values, np.take_along_axis(matrix, rows, axis=1), rtol=1e-13)


def test_helpful_rows_are_those_whose_removal_raises_the_loss():
    b = build(CASES[10])
    top = b.influence().on_loss(b.X_test, b.y_test, out=fi.TopK(3))
    exact = reference.leave_one_out(b.problem, range(b.case.n), "exact")
    change = exact.on_loss(b.X_test, b.y_test)
    assert (np.take_along_axis(change, top.helpful.rows, axis=1) > 0).all()
    assert (np.take_along_axis(change, top.harmful.rows, axis=1) < 0).all()


@pytest.mark.parametrize("case", **SOME)
def test_helpful_rows_are_the_same_for_either_effect(case):
    b = build(case)
    infl, k = b.influence(), 3
    scores = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test, effect="upweight")
    top = infl.on_loss(
        b.X_test, b.y_test, offset_test=b.offset_test, effect="upweight", out=fi.TopK(k)
    )
    np.testing.assert_array_equal(top.helpful.rows, strongest(-scores, k))
    np.testing.assert_array_equal(top.harmful.rows, strongest(scores, k))
    assert_close(top.helpful.values, np.take_along_axis(scores, top.helpful.rows, axis=1))


def test_ties_go_to_the_lower_row():
    """Rows of weight zero all score exactly zero; asking for every row shows their order."""
    b = build(next(c for c in CASES if c.weights == "some zero"))
    zeros = np.flatnonzero(b.sample_weight == 0)
    top = b.influence().on_loss(b.X_test, b.y_test, out=fi.TopK(b.case.n))
    for side in (top.helpful, top.harmful):
        for rows, values in zip(side.rows, side.values, strict=True):
            np.testing.assert_array_equal(rows[values == 0], zeros)


def test_ties_across_blocks_go_to_the_lower_row():
    """All rows but a few have weight zero, over many blocks: the first zeros must come."""
    n = 20_011
    rng = np.random.default_rng(2)
    X, w = rng.normal(size=(n, 60)), np.zeros(n)
    y = (rng.uniform(size=n) < 0.5).astype(float)
    w[5_000:5_030] = 1.0
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, y, sample_weight=w)
    top = infl.on_loss(X[:3] + 1.0, y[:3], out=fi.TopK(100))
    for rows, values in zip(top.helpful.rows, top.helpful.values, strict=True):
        tied = rows[values == 0]
        np.testing.assert_array_equal(tied, np.arange(len(tied)))


@pytest.mark.parametrize("case", **SOME)
def test_total(case):
    b = build(case)
    infl = b.influence()
    matrix = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    total = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test, out=fi.Total())
    np.testing.assert_allclose(total, matrix.sum(axis=0), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("effect", ["removal", "upweight"])
def test_sinks_take_every_score(effect):
    b = build(CASES[9])
    infl = b.influence()
    gradient = np.random.default_rng(0).normal(size=(3, len(b.theta)))
    calls = {
        "loss": lambda out: infl.on_loss(b.X_test, b.y_test, effect=effect, out=out),
        "prediction": lambda out: infl.on_prediction(b.X_test, effect=effect, out=out),
        "mean": lambda out: infl.on_prediction(b.X_test, output="mean", effect=effect, out=out),
        "function": lambda out: infl.on_function(gradient, effect=effect, out=out),
    }
    for call in calls.values():
        matrix = call(None)
        np.testing.assert_allclose(call(fi.Total()), matrix.sum(axis=0), rtol=1e-11, atol=1e-15)
        top = call(fi.TopK(4))
        pair = {top.helpful.values[0, 0], top.harmful.values[0, 0]}
        assert pair == {matrix[0].min(), matrix[0].max()}


def test_a_wrong_order_is_seen():
    matrix = np.array([[1.0, 3.0, 2.0]])
    assert strongest(matrix, 2).tolist() == [[1, 2]]
    assert strongest(-matrix, 2).tolist() != [[1, 2]]
