"""Estimators and Pipelines of scikit-learn whose tables are sparse."""

import numpy as np
import pytest
from scipy import sparse

import fastinfluence as fi
from fastinfluence.rows.csr import CSRRows

pytest.importorskip("sklearn")
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

RNG = np.random.default_rng(4)
X = sparse.random_array((80, 6), density=0.4, rng=RNG, format="csr")
Y = (X.sum(axis=1) + 0.3 * RNG.normal(size=80) > 1.0).astype(int)

ESTIMATORS = {
    "logistic": LogisticRegression(C=1.0, tol=1e-10, max_iter=2000),
    "liblinear": LogisticRegression(solver="liblinear", tol=1e-10),
    "ridge": Ridge(alpha=0.5, tol=1e-12, solver="sparse_cg"),
    "poisson": PoissonRegressor(alpha=0.1, tol=1e-10, max_iter=2000),
}


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name, form):
    fitted = ESTIMATORS[name].fit(form(X), Y)
    infl = fi.Influence.from_estimator(fitted, form(X), Y)
    assert isinstance(infl._problem.rows, CSRRows)
    dense = fi.Influence.from_estimator(fitted, X.toarray(), Y)
    expected = dense.on_loss(X.toarray(), Y)
    np.testing.assert_allclose(infl.on_loss(form(X), Y), expected, atol=1e-9)
    refitted = infl.leave_one_out([0, 3], method="refit").theta
    exact = infl.leave_one_out([0, 3], method="exact").theta
    np.testing.assert_allclose(refitted, exact, atol=2e-4)


def test_text_stays_sparse():
    words = np.array([f"word{k}" for k in range(40)])
    texts = [" ".join(RNG.choice(words, size=12)) for _ in range(60)]
    y = np.array([("word1 " in f"{text} ") for text in texts])
    fitted = make_pipeline(CountVectorizer(), LogisticRegression(tol=1e-10, max_iter=2000))
    fitted.fit(texts, y)
    infl = fi.Influence.from_estimator(fitted, texts, y)
    assert isinstance(infl._problem.rows, CSRRows)
    assert "word1" in infl._problem.feature_names
    assert infl.on_loss(texts[:3], y[:3]).shape == (3, 60)


def test_one_hot_columns_stay_sparse():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": RNG.integers(0, 50, size=200), "b": RNG.normal(size=200)})
    y = RNG.integers(0, 2, size=200)
    encode = ColumnTransformer(
        [("one-hot", OneHotEncoder(handle_unknown="ignore"), ["a"])], remainder="passthrough"
    )
    fitted = make_pipeline(encode, LogisticRegression(tol=1e-10, max_iter=2000)).fit(frame, y)
    infl = fi.Influence.from_estimator(fitted, frame, y)
    assert isinstance(infl._problem.rows, CSRRows)
    assert infl.self_influence().shape == (200,)
