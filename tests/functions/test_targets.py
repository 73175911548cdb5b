"""Targets made of predictions: value, gradient and scores against their definitions."""

import functools

import numpy as np
import pytest
import reference
from cases import CASES, build
from functions import dense
from functions.dense import SEVERAL, SINGLE
from subsets.dense import wald

import fastinfluence as fi
from fastinfluence.targets import pairs, predictions
from fastinfluence.targets.classes import threshold_of

t = fi.targets
ALL = [(kind, "single", name) for kind in SINGLE for name in dense.ONE] + [
    (kind, "several", name) for kind in SEVERAL for name in dense.CLASSES
]
EACH = pytest.mark.parametrize(("kind", "outputs", "name"), ALL)


@functools.cache
def single(kind):
    return SINGLE[kind]()


@functools.cache
def several(kind):
    return SEVERAL[kind]()


def asked(kind, outputs, name):
    if outputs == "single":
        return single(kind), dense.single_targets(single(kind))[name]
    return several(kind), dense.several_targets(several(kind))[name]


@EACH
def test_value_and_gradient(kind, outputs, name):
    m, ask = asked(kind, outputs, name)
    found = ask.target.bind(m.infl._engine).linearize(m.infl._engine)
    assert found.value == pytest.approx(ask.value(m.infl.theta), rel=1e-11, abs=1e-12)
    wanted = dense.gradient(ask.value, m.infl.theta)
    np.testing.assert_allclose(found.gradient, wanted, rtol=0, atol=1e-9 * (1 + abs(wanted).max()))
    assert found.direct is None
    assert m.infl.value(ask.target) == found.value


@EACH
def test_scores_are_those_of_the_gradient(kind, outputs, name):
    m, ask = asked(kind, outputs, name)
    wanted = m.infl.on_function(dense.gradient(ask.value, m.infl.theta))
    found = m.infl.on_function(ask.target)
    assert found.shape == (1, m.infl.n_rows)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-7 * abs(wanted).max())
    up = m.infl.on_function(ask.target, effect="upweight")
    scaled = m.infl.on_function(dense.gradient(ask.value, m.infl.theta), effect="upweight")
    np.testing.assert_allclose(up, scaled, rtol=0, atol=1e-7 * abs(scaled).max())


@EACH
def test_another_theta(kind, outputs, name):
    """Bound at one theta, evaluated at another, alone and many at once."""
    m, ask = asked(kind, outputs, name)
    rng = np.random.default_rng(0)
    Theta = m.infl.theta[:, None] + 0.3 * rng.normal(size=(len(m.infl.theta), 3))
    quantity = ask.target.bind(m.infl._engine)
    wanted = [ask.value(theta) for theta in Theta.T]
    np.testing.assert_allclose(quantity.values(Theta), wanted, rtol=1e-10, atol=1e-12)
    there = quantity.linearize(m.infl._engine.at(Theta[:, 0].copy()))
    assert there.value == pytest.approx(wanted[0], rel=1e-10, abs=1e-12)
    slope = dense.gradient(ask.value, Theta[:, 0])
    np.testing.assert_allclose(there.gradient, slope, rtol=0, atol=1e-9 * (1 + abs(slope).max()))


def test_the_names_are_all():
    assert set(dense.single_targets(single("logistic mean"))) == set(dense.ONE)
    assert set(dense.several_targets(several("mean"))) == set(dense.CLASSES)


def test_a_wrong_definition_is_seen():
    """The comparisons above fail where they should."""
    m, _ = asked("logistic mean", "single", "auc")
    narrow = dense.single_targets(m)["narrow auc"].target
    with pytest.raises(AssertionError):
        assert narrow.bind(m.infl._engine).linearize(m.infl._engine).value == pytest.approx(
            dense.auc(m, m.infl.theta, 1.0)
        )


def test_several_targets_and_what_the_weights_enter():
    b = build(next(c for c in CASES if c.name == "logistic weighted"))
    infl, o = b.influence(), b.offset_test
    y = (np.arange(len(b.X_test)) % 3 > 0).astype(float)
    asked_ = [t.significance(1), t.auc(b.X_test, y, offset_test=o), t.coefficient("x0")]
    found = infl.on_function(asked_)
    assert found.shape == (3, infl.n_rows)
    for row, target in zip(found, asked_, strict=True):
        np.testing.assert_allclose(row, infl.on_function(target)[0], atol=1e-14)
    wanted = reference.on_function(b.problem, np.eye(len(b.theta))[:1], "removal")[0]
    np.testing.assert_allclose(found[2], wanted, rtol=0, atol=1e-10)
    w, h = b.problem.weights, 1e-5

    def moved(i, step):
        v = w.copy()
        v[i] += step
        problem = reference.replace(b.problem, weights=v)
        return wald(reference.replace(problem, theta=reference.refit(problem, b.theta)), 1)

    for i in (0, 5, 17):  # removal takes the whole weight, to first order
        slope = (moved(i, h) - moved(i, -h)) / (2 * h)
        assert found[0, i] == pytest.approx(-w[i] * slope, rel=1e-4, abs=1e-8)
    top = infl.on_function(asked_, out=fi.TopK(2))
    assert top.helpful.rows.shape == (3, 2)


def test_gradients_are_made_in_pieces(monkeypatch):
    """No more rows at a time than fit the budget, and the same sum."""
    for m, ask in (
        asked("logistic weighted", "single", "auc"),
        asked("mean", "several", "accuracy"),
    ):
        engine, sizes = m.infl._engine, []
        whole = ask.target.bind(engine).linearize(engine)
        plain = type(engine).prediction_gradients

        def watched(self, test, output, sizes=sizes, plain=plain):
            out = plain(self, test, output)
            sizes.append(out.size)
            return out

        budget = 8 * engine.n_params * 2 * engine.problem.n_outputs
        with monkeypatch.context() as patch:
            patch.setattr(predictions, "PIECE_BYTES", budget)
            patch.setattr(type(engine), "prediction_gradients", watched)
            parts = ask.target.bind(engine).linearize(engine)
            Theta = np.stack([m.infl.theta, m.infl.theta + 0.1], axis=1)
            values = ask.target.bind(engine).values(Theta)
        assert max(sizes) * 8 == budget
        assert sum(sizes) == len(m.X_test) * engine.n_params * engine.problem.n_outputs
        np.testing.assert_allclose(parts.gradient, whole.gradient, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(values, ask.target.bind(engine).values(Theta), rtol=1e-14)


@pytest.mark.parametrize("size", [1, 5, 40, 1 << 16])
def test_pairs_in_blocks(size, monkeypatch):
    """Any size of block gives the sum over all pairs; far pairs do not overflow."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=17), np.append(rng.normal(size=23), [900.0, -900.0])
    table = 1 / (1 + np.exp(-np.clip((a[:, None] - b) / 0.5, -600, 600)))
    monkeypatch.setattr(pairs, "PAIRS", size)
    assert pairs.pair_mean(a, b, 0.5) == pytest.approx(table.mean(), rel=1e-13)
    by_a, by_b = pairs.pair_slopes(a, b, 0.5)
    each = table * (1 - table) / 0.5 / table.size
    np.testing.assert_allclose(by_a, each.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(by_b, -each.sum(axis=0), rtol=1e-12, atol=1e-18)


def test_the_narrow_limit_is_the_true_number():
    from sklearn.metrics import roc_auc_score

    for m in (single("cloglog"), single("network")):
        f = m.predict(m.infl.theta, "raw")
        narrow = t.auc(m.X_test, m.y_test, width=1e-6, offset_test=m.offset_test)
        value = narrow.bind(m.infl._engine).linearize(m.infl._engine).value
        assert value == pytest.approx(roc_auc_score(m.positive, f), abs=1e-9)
        sharp = t.accuracy(m.X_test, m.y_test, sharpness=1e7, offset_test=m.offset_test)
        value = sharp.bind(m.infl._engine).linearize(m.infl._engine).value
        right = (m.predict(m.infl.theta, "mean") > 0.5) == m.positive
        assert value == pytest.approx(right.mean(), abs=1e-9)
    m = several("weights and offset")
    sharp = t.accuracy(m.X_test, m.y_test, sharpness=1e7, offset_test=m.offset_test)
    value = sharp.bind(m.infl._engine).linearize(m.infl._engine).value
    right = m.predict(m.infl.theta, "raw").argmax(axis=1) == m.own
    assert value == pytest.approx(right.mean(), abs=1e-9)
    assert 0 < right.mean() < 1


@pytest.mark.parametrize(
    ("loss", "at"),
    [("logistic", 0.0), ("probit", 0.0), ("cloglog", np.log(np.log(2.0))), ("squared_hinge", 0.0),
     ("exponential", 0.0)],
)  # fmt: skip
def test_where_a_class_begins(loss, at):
    m = dense.one_prediction(loss if loss != "logistic" else "logistic mean")
    found = threshold_of(m.infl._engine, None)
    assert found == pytest.approx(at, abs=1e-12)
    assert threshold_of(m.infl._engine, 0.25) == 0.25


def test_least_squares_on_two_labels():
    """No loss of two labels: the threshold is asked for, the positive label is the larger."""
    b = build(next(c for c in CASES if c.name == "squared mean"))
    infl, y = b.influence(), np.where(np.arange(len(b.X_test)) % 3 > 0, 7.0, 3.0)
    f = b.problem.test_raw(b.theta, b.X_test, None)
    found = t.accuracy(b.X_test, y, threshold=0.2).bind(infl._engine).linearize(infl._engine)
    terms = np.where(y == 7.0, dense.sigmoid(f - 0.2), dense.sigmoid(0.2 - f))
    assert found.value == pytest.approx(terms.mean())
    area = t.auc(b.X_test, y).bind(infl._engine).linearize(infl._engine)
    table = dense.sigmoid(f[y == 7.0][:, None] - f[y == 3.0])
    assert area.value == pytest.approx(table.mean())
