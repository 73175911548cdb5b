"""`fi.removal_curve`: every point is a refit without the rows that it says."""

import numpy as np
import pytest
from refusal import check

import fastinfluence as fi
from fastinfluence.rankings.refitted import GIVEN, OPPOSITE, RANDOM

SHARES = (0.0, 0.1, 0.25)


@pytest.fixture
def data(rng):
    X = rng.normal(size=(90, 3))
    y = (X @ [2.0, -1.0, 0.5] + rng.logistic(size=90) > 0).astype(int)
    return X[:60], y[:60], X[60:], y[60:]


@pytest.fixture
def infl(data):
    return fi.Influence.fit(fi.GLM("logistic", l2=0.05), data[0], data[1])


def by_hand(data, gone):
    """Return mean loss and accuracy of the validation rows by a fit of the rows that stay."""
    X, y, X_val, y_val = data
    kept = np.setdiff1d(np.arange(len(y)), gone)
    theta = fi.Influence.fit(fi.GLM("logistic", l2=0.05), X[kept], y[kept]).theta
    f = X_val @ theta[:-1] + theta[-1]
    return np.mean(np.logaddexp(0, f) - y_val * f), np.mean((f > 0) == y_val)


def test_points_are_refits(data, infl, rng):
    score = rng.normal(size=60)
    curve = fi.removal_curve(infl, *data[2:], order=score, fractions=SHARES, draws=2)
    ranked = np.argsort(-score)
    for place, share in enumerate(SHARES):
        count = round(60 * share)
        assert curve.n_removed[place] == count
        for name, rows in ((GIVEN, ranked[:count]), (OPPOSITE, ranked[::-1][:count])):
            loss, accuracy = by_hand(data, rows)
            assert curve.loss[name][place] == pytest.approx(loss, abs=1e-8)
            assert curve.accuracy[name][place] == pytest.approx(accuracy)
    assert curve.loss[RANDOM].shape == (3, 2)
    assert np.ptp(curve.loss[RANDOM][0]) == 0
    assert np.ptp(curve.loss[RANDOM][2]) > 0


def test_the_order_of_harm_is_that_of_values(data, infl):
    default = fi.removal_curve(infl, *data[2:], fractions=SHARES, draws=1)
    harm = -fi.value_rows(infl, *data[2:]).values
    given = fi.removal_curve(infl, *data[2:], order=harm, fractions=SHARES, draws=1)
    np.testing.assert_array_equal(default.loss[GIVEN], given.loss[GIVEN])
    assert default.loss[GIVEN][1] < default.loss[RANDOM][1].mean() < default.loss[OPPOSITE][1]


def test_draws_come_from_the_seed(data, infl):
    options = {"fractions": SHARES, "draws": 2}
    one, same, other = (
        fi.removal_curve(infl, *data[2:], **options, seed=seed).loss[RANDOM] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_classes_of_any_label_and_number(rng):
    X = rng.normal(size=(80, 2))
    y = np.array(["x", "y", "z"])[(X @ rng.normal(size=(2, 3)) * 3).argmax(axis=1)]
    infl = fi.Influence.fit(fi.GLM("multinomial", l2=0.01), X[:60], y[:60])
    curve = fi.removal_curve(infl, X[60:], y[60:], fractions=[0.0], draws=1)
    table = infl.theta.reshape(3, 3)
    right = np.array(["x", "y", "z"])[(X[60:] @ table[:-1] + table[-1]).argmax(axis=1)] == y[60:]
    assert curve.accuracy[GIVEN][0] == pytest.approx(right.mean())


def test_numbers_have_no_accuracy(rng):
    X = rng.normal(size=(40, 2))
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.1), X, X[:, 0])
    curve = fi.removal_curve(infl, X, X[:, 0], fractions=[0.0, 0.1], draws=1)
    assert curve.accuracy is None
    assert "accuracy" not in curve.to_frame()
    check(lambda: curve.plot("accuracy"), ["accuracy", "classes"])


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_table_of_every_point(data, library):
    module = pytest.importorskip(library)
    columns = {f"c{j}": data[0][:, j] for j in range(3)}
    table = module.table(columns) if library == "pyarrow" else module.DataFrame(columns)
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.05), table, data[1])
    curve = fi.removal_curve(infl, *data[2:], fractions=SHARES, draws=2)
    out = curve.to_frame()
    assert type(out).__module__.partition(".")[0] == library
    assert len(out) == 3 * (1 + 1 + 2)
    drawn = out.to_pandas() if library != "pandas" else out
    second = drawn[(drawn["order"] == RANDOM) & (drawn["draw"] == 1)]
    np.testing.assert_array_equal(second["loss"], curve.loss[RANDOM][:, 1])
    np.testing.assert_array_equal(second["accuracy"], curve.accuracy[RANDOM][:, 1])


@pytest.mark.parametrize("quantity", ["loss", "accuracy"])
def test_the_plot_draws_what_was_found(data, infl, quantity):
    pytest.importorskip("matplotlib")
    curve = fi.removal_curve(infl, *data[2:], fractions=SHARES, draws=3)
    ax = curve.plot(quantity)
    scale = 100.0 if quantity == "accuracy" else 1.0
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    found = getattr(curve, quantity)
    np.testing.assert_allclose(lines[GIVEN], scale * found[GIVEN])
    np.testing.assert_allclose(lines[OPPOSITE], scale * found[OPPOSITE])
    np.testing.assert_allclose(lines[f"{RANDOM} (3 draws)"], scale * found[RANDOM].mean(axis=1))
    assert curve.plot(quantity, ax=ax) is ax


def test_mistakes(data, infl):
    val = data[2:]
    check(lambda: fi.removal_curve(infl, *val, order="help"), ["order", "harm"])
    check(lambda: fi.removal_curve(infl, *val, order=np.ones(3)), ["order", "60"])
    check(lambda: fi.removal_curve(infl, *val, order=np.full(60, np.nan)), ["order", "nan"])
    check(lambda: fi.removal_curve(infl, *val, fractions=[0.5, 1.0]), ["fractions"])
    check(lambda: fi.removal_curve(infl, *val, fractions=[]), ["fractions"])
    check(lambda: fi.removal_curve(infl, *val, draws=0), ["draws"])
    check(lambda: fi.removal_curve(infl, val[0], None), ["y_val"])
    check(lambda: fi.removal_curve(infl, *val, fractions=[0.0], draws=1).plot("cost"), ["quantity"])
