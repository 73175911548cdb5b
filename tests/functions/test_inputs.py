"""Targets on what users hold: sparse rows, Pipelines, kernel machines; and in bounded memory."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_array

import fastinfluence as fi

t = fi.targets


@pytest.fixture
def table(rng):
    X = rng.normal(size=(160, 4)) * (rng.random((160, 4)) < 0.6)
    y = (X[:, 0] - X[:, 1] + rng.normal(size=160) > 0).astype(int)
    return X[:100], y[:100], X[100:], y[100:], np.arange(60) % 2


def asked(X_test, y_test, group):
    return [
        t.accuracy(X_test, y_test, 2.0),
        t.parity_gap(X_test, group),
        t.opportunity_gap(X_test, y_test, group),
        t.auc(X_test, y_test),
        t.of_predictions(X_test, np.var, lambda f: 2 * (f - f.mean()) / len(f)),
    ]


@pytest.mark.parametrize("fitted", ["dense", "sparse"])
def test_sparse_rows(table, fitted):
    X, y, X_test, y_test, group = table
    spec = fi.GLM("logistic", l2=0.1)
    wanted = fi.Influence.fit(spec, X, y).on_function(asked(X_test, y_test, group))
    infl = fi.Influence.fit(spec, X if fitted == "dense" else csr_array(X), y)
    found = infl.on_function(asked(csr_array(X_test), y_test, group))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)


def test_single_precision(table):
    X, y, X_test, y_test, group = table
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), X.astype("f4"), y)
    found = infl.on_function(asked(X_test.astype("f4"), y_test, group))
    double = fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, y)
    wanted = double.on_function(asked(X_test, y_test, group))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_a_pipeline_takes_the_callers_columns(table):
    linear = pytest.importorskip("sklearn.linear_model")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    X, y, X_test, y_test, group = table
    labels = np.where(y, "yes", "no")
    steps = pipeline.make_pipeline(scaler, linear.LogisticRegression(tol=1e-10))
    fitted = steps.fit(1 + 3 * X, labels)
    infl = fi.Influence.from_estimator(fitted, 1 + 3 * X, labels)
    p = fitted.predict_proba(1 + 3 * X_test)[:, 1]
    gap = t.parity_gap(1 + 3 * X_test, group)
    assert infl.value(gap) == pytest.approx(p[group == 1].mean() - p[group == 0].mean())
    up = np.where(y_test, "yes", "no")
    right = np.where(y_test, p, 1 - p)
    assert infl.value(t.accuracy(1 + 3 * X_test, up)) == pytest.approx(right.mean())


@pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")
def test_a_kernel_machine(table):
    svm = pytest.importorskip("sklearn.svm")
    X, y, X_test, y_test, _ = table
    fitted = svm.SVC(kernel="rbf", C=1.0, tol=1e-8).fit(X, y)
    infl = fi.Influence.from_estimator(fitted, X, y)
    f = fitted.decision_function(X_test)
    sharp = t.accuracy(X_test, y_test, 1e8)
    assert infl.value(sharp) == pytest.approx(fitted.score(X_test, y_test), abs=1e-6)
    area = t.auc(X_test, y_test, width=0.3)
    pairs = f[y_test == 1][:, None] - f[y_test == 0]
    assert infl.value(area) == pytest.approx((1 / (1 + np.exp(-pairs / 0.3))).mean(), abs=1e-6)
    raw = infl.on_prediction(X_test)
    by_f = 1 / (1 + np.exp(-pairs / 0.3))
    by_f *= (1 - by_f) / 0.3 / by_f.size
    slope = np.empty(60)
    slope[y_test == 1], slope[y_test == 0] = by_f.sum(axis=1), -by_f.sum(axis=0)
    np.testing.assert_allclose(infl.on_function(area)[0], slope @ raw, rtol=1e-5, atol=1e-9)


def test_memory_is_bounded(rng):
    """Neither the gradients (48 MB) nor the pairs (72 MB) are ever written out."""
    X, y = rng.normal(size=(500, 1000)), np.arange(500) % 2
    X_test, y_test = rng.normal(size=(6000, 1000)), np.arange(6000) % 2
    infl = fi.Influence.fit(fi.GLM("squared", l2=1.0), X, y)
    infl.value(t.auc(X_test[:10], y_test[:10]))  # compiled
    engine = infl._engine
    quantity = t.auc(X_test, y_test).bind(engine)
    tracemalloc.start()
    try:
        quantity.linearize(engine)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6
