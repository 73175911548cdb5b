"""scikit-learn's multinomial LogisticRegression: its objective, its refits, its labels."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn import linear_model as lm
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastinfluence as fi
from fastinfluence.adapters.scikit_learn_readers import OBJECTIVES

TIGHT = {"tol": 1e-10, "max_iter": 10_000}
N, D = 120, 4


def data(seed=0):
    rng = np.random.default_rng(seed)
    X = 1.0 + rng.normal(size=(N, D)) * [1.0, 2.0, 0.5, 1.0]
    scores = X @ rng.normal(size=(D, 3)) + rng.gumbel(size=(N, 3))
    return X, np.array(["bird", "ant", "cow"])[scores.argmax(axis=1)], rng.uniform(0.5, 2.0, N)


def newton(**options):
    return lm.LogisticRegression(**{"solver": "newton-cholesky", **TIGHT, **options})


def cross_validated(**options):
    return lm.LogisticRegressionCV(
        Cs=[0.1, 1.0], cv=3, solver="newton-cholesky", scoring="neg_log_loss",
        l1_ratios=(0.0,), use_legacy_attributes=False, **TIGHT, **options,
    )  # fmt: skip


ESTIMATORS = {
    "newton-cholesky": newton,
    "C": lambda: newton(C=0.2),
    "no intercept": lambda: newton(fit_intercept=False),
    "no penalty": lambda: newton(C=np.inf),
    "lbfgs": lambda: lm.LogisticRegression(solver="lbfgs", tol=1e-9, max_iter=10_000),
    "balanced": lambda: newton(class_weight="balanced"),
    "class weights": lambda: newton(class_weight={"bird": 1.0, "ant": 3.0, "cow": 0.5}),
    "cv": cross_validated,
}
every = pytest.mark.parametrize("name", ESTIMATORS)
weighted = pytest.mark.parametrize("with_weights", [False, True], ids=["plain", "weighted"])


def fitted(name, with_weights=False):
    X, y, w = data()
    w = w if with_weights else None
    return ESTIMATORS[name]().fit(X, y, sample_weight=w), X, y, w


@every
@weighted
def test_the_gradient_vanishes(name, with_weights):
    model, X, y, w = fitted(name, with_weights)
    infl = fi.Influence.from_estimator(model, X, y, sample_weight=w)
    assert infl.relative_gradient < (1e-5 if name == "lbfgs" else 1e-8)
    assert infl.spec.reduction == "sum"
    polished = infl.polish(tol=1e-8)
    tolerance = 1e-3 if name == "lbfgs" else 1e-6
    np.testing.assert_allclose(polished.theta, infl.theta, rtol=0, atol=tolerance)


@every
@weighted
def test_exact_is_a_refit_of_the_estimator(name, with_weights):
    model, X, y, w = fitted(name, with_weights)
    infl = fi.Influence.from_estimator(model, X, y, sample_weight=w)
    rows = np.arange(0, N, 12)
    exact = infl.leave_one_out(rows, method="exact").on_loss(X[:9], y[:9])
    refit = infl.leave_one_out(rows, method="refit").on_loss(X[:9], y[:9])
    slope = float((exact * refit).sum() / (exact**2).sum())
    assert slope == pytest.approx(1.0, abs=2e-3 if name == "lbfgs" else 1e-6)
    assert np.corrcoef(exact.ravel(), refit.ravel())[0, 1] > 0.99999
    first = infl.on_loss(X[:9], y[:9])[:, rows]
    assert np.corrcoef(first.ravel(), exact.ravel())[0, 1] > 0.99


def test_theta_labels_and_probabilities():
    model, X, y, _ = fitted("newton-cholesky")
    infl = fi.Influence.from_estimator(model, X, y)
    table = infl.theta.reshape(D + 1, 3)
    np.testing.assert_array_equal(table[:D], model.coef_.T)
    np.testing.assert_array_equal(table[D], model.intercept_)
    assert list(infl._problem.codec.classes) == ["ant", "bird", "cow"]
    assert infl._problem.param_names[:3] == ["x0[ant]", "x0[bird]", "x0[cow]"]
    test = infl._problem.test_rows(X)
    found = infl._engine.predictions(test, infl.theta[:, None], "mean")[:, 0]
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=1e-10)


def test_two_classes_stay_binary():
    X, y, _ = data()
    two = np.where(y == "cow", "ant", y)
    infl = fi.Influence.from_estimator(newton().fit(X, two), X, two)
    assert infl.spec.loss.name == "logistic"
    assert infl.theta.shape == (D + 1,)
    assert infl.on_prediction(X[:2]).shape == (2, N)


def test_pipelines_frames_and_sparse_rows():
    X, y, _ = data()
    frame = pd.DataFrame(X, columns=list("abcd"))
    pipeline = make_pipeline(StandardScaler(), newton()).fit(frame, y)
    infl = fi.Influence.from_estimator(pipeline, frame, y)
    Z = StandardScaler().fit_transform(X)
    bare = fi.Influence.from_estimator(newton().fit(Z, y), Z, y)
    scores = bare.on_loss(Z[:5], y[:5])
    np.testing.assert_allclose(infl.on_loss(frame[:5], y[:5]), scores, rtol=1e-7, atol=1e-12)
    sparse = fi.Influence.from_estimator(newton().fit(Z, y), csr_array(Z), y)
    np.testing.assert_allclose(sparse.on_loss(Z[:5], y[:5]), scores, rtol=1e-9, atol=1e-13)


def test_a_class_that_leaves_has_no_refit():
    X, y, _ = data()
    y[y == "cow"] = "ant"
    y[5] = "cow"
    infl = fi.Influence.from_estimator(newton().fit(X, y), X, y)
    with pytest.raises(fi.UnsupportedError, match=r'class.*no row left.*method="exact"'):
        infl.leave_one_out([5], method="refit")


def test_what_is_not_one_softmax_is_refused():
    X, y, _ = data()
    l1 = lm.LogisticRegression(C=0.5, solver="saga", l1_ratio=1.0, max_iter=5000, random_state=0)
    with pytest.raises(fi.UnsupportedError, match=r"l1_ratio.*l2 penalty"):
        fi.Influence.from_estimator(l1.fit(X, y), X, y)
    model = newton().fit(X, y)
    model.multi_class = "ovr"  # what releases before 1.8 offered
    with pytest.raises(fi.UnsupportedError, match=r"multi_class='ovr'.*one model for each class"):
        fi.Influence.from_estimator(model, X, y)


def test_the_docs_say_so():
    for name in ("LogisticRegression", "LogisticRegressionCV"):
        assert "multinomial" in OBJECTIVES[name][0]
