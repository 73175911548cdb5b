"""Storage and labels: results depend on the numbers in X and on the order of the labels only."""

import numpy as np
import pytest
from cases import CASES, assert_close, build

import fastinfluence as fi

LOGISTIC = next(c for c in CASES if c.name == "logistic mean")


def strided(X):
    """Return the same numbers with gaps between them."""
    wide = np.full(tuple(3 * size for size in X.shape), np.nan)
    gaps = (slice(None, None, 3),) * X.ndim
    wide[gaps] = X
    return wide[gaps]


def read_only(X):
    """Return a copy that refuses writing."""
    X = X.copy()
    X.flags.writeable = False
    return X


LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": strided,
    "reversed": lambda X: X[::-1].copy()[::-1],
    "read-only": read_only,
    "big-endian": lambda X: X.astype(">f8"),
    "list": lambda X: X.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout(layout):
    b = build(LOGISTIC)
    change = LAYOUTS[layout]
    infl = fi.Influence(b.spec(), change(b.X), change(b.y), change(b.theta))
    expected = b.influence()
    assert_close(
        infl.on_loss(change(b.X_test), b.y_test), expected.on_loss(b.X_test, b.y_test), rtol=1e-12
    )
    assert_close(
        infl.leave_one_out(rows=[3], method="exact").theta,
        expected.leave_one_out(rows=[3], method="exact").theta,
        rtol=1e-10,
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_float32_storage_gives_float64_results(order):
    b = build(LOGISTIC)
    X = np.asarray(b.X, dtype=np.float32, order=order)
    theta = fi.Influence.fit(b.spec(), X, b.y).theta
    infl = fi.Influence(b.spec(), X, b.y, theta)
    expected = b.influence()
    for actual, wanted in (
        (theta, b.theta),
        (infl.on_loss(b.X_test, b.y_test), expected.on_loss(b.X_test, b.y_test)),
        (infl.on_params([0, 5]), expected.on_params([0, 5])),
        (infl.self_influence(), expected.self_influence()),
        (infl.hessian.dense(), expected.hessian.dense()),
        (
            infl.leave_one_out(method="exact").theta,
            expected.leave_one_out(method="exact").theta,
        ),
    ):
        assert_close(actual, wanted, rtol=1e-5)


def test_float32_is_the_same_as_its_numbers_in_float64():
    """Storage is single, accumulation double: rounding X first gives the same scores."""
    b = build(LOGISTIC)
    single = b.X.astype(np.float32)
    one = fi.Influence.fit(b.spec(), single, b.y)
    other = fi.Influence.fit(b.spec(), single.astype(np.float64), b.y)
    assert_close(one.on_loss(b.X_test, b.y_test), other.on_loss(b.X_test, b.y_test), rtol=1e-10)
    assert_close(one.hessian.dense(), other.hessian.dense(), rtol=1e-12)


def test_integer_and_bool_features():
    rng = np.random.default_rng(1)
    X = rng.integers(0, 2, size=(60, 3))
    y = rng.integers(0, 2, size=60)
    spec = fi.GLM("logistic", l2=0.1)
    expected = fi.Influence.fit(spec, X.astype(float), y).self_influence()
    for kind in (np.int64, np.int8, np.uint16, bool):
        assert_close(fi.Influence.fit(spec, X.astype(kind), y).self_influence(), expected, 1e-12)


LABELS = {
    "strings": np.array(["no", "yes"]),
    "objects": np.array(["no", "yes"], dtype=object),
    "bool": np.array([False, True]),
    "signs": np.array([-1, 1]),
    "float": np.array([0.0, 1.0]),
    "ones and twos": np.array([1, 2]),
    "int8": np.array([0, 1], dtype=np.int8),
}


@pytest.mark.parametrize("kind", LABELS)
def test_the_larger_label_is_the_positive_one(kind):
    b = build(LOGISTIC)
    y, y_test = LABELS[kind][b.y.astype(int)], LABELS[kind][b.y_test.astype(int)]
    infl, expected = fi.Influence(b.spec(), b.X, y, b.theta), b.influence()
    assert_close(infl.on_loss(b.X_test, y_test), expected.on_loss(b.X_test, b.y_test), rtol=1e-13)
    mean = infl.on_prediction(b.X_test, output="mean")
    assert_close(mean, expected.on_prediction(b.X_test, output="mean"), rtol=1e-13)
    assert_close(
        infl.leave_one_out(rows=[2], method="exact").on_loss(b.X_test, y_test),
        expected.leave_one_out(rows=[2], method="exact").on_loss(b.X_test, b.y_test),
        rtol=1e-8,
    )


@pytest.mark.parametrize("kind", LABELS)
def test_one_class_among_the_test_rows_is_fine(kind):
    b = build(LOGISTIC)
    infl = fi.Influence(b.spec(), b.X, LABELS[kind][b.y.astype(int)], b.theta)
    for value in (0, 1):
        actual = infl.on_loss(b.X_test, LABELS[kind][np.full(7, value)])
        assert_close(actual, b.influence().on_loss(b.X_test, np.full(7, float(value))), 1e-13)


@pytest.mark.parametrize("kind", ["strings", "float", "bool"])
def test_hinge_takes_any_two_labels(kind):
    rng = np.random.default_rng(4)
    X, signs = rng.normal(size=(50, 3)), np.where(rng.uniform(size=50) < 0.5, -1, 1)
    spec = fi.GLM(fi.losses.smooth_hinge(t=0.5), l2=0.1)
    expected = fi.Influence.fit(spec, X, signs).self_influence()
    y = LABELS[kind][(signs > 0).astype(int)]
    assert_close(fi.Influence.fit(spec, X, y).self_influence(), expected, rtol=1e-12)


def test_one_test_row_and_one_feature():
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(30, 1)), rng.normal(size=30)
    infl = fi.Influence.fit(fi.GLM("squared", fit_intercept=False), X, y)
    assert infl.theta.shape == (1,)
    assert infl.on_loss(X[:1], y[:1]).shape == (1, 30)
