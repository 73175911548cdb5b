"""`fi.InfluenceScorer` by scikit-learn's own checks and against the parts it is made of."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from refusal import check
from scipy.sparse import csr_array

import fastinfluence as fi

sklearn = pytest.importorskip("sklearn", reason="InfluenceScorer is a scikit-learn estimator")
from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402


@parametrize_with_checks([fi.InfluenceScorer(), fi.InfluenceScorer(LogisticRegression())])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture
def data(rng):
    Z = rng.normal(size=(90, 3))
    X, y = Z + np.array([5.0, 0.0, -2.0]), np.where(Z @ [2.0, -1.0, 0.5] > 0, "yes", "no")
    y[[4, 50]] = np.where(y[[4, 50]] == "no", "yes", "no")
    return X, y


TIGHT = LogisticRegression(tol=1e-10, max_iter=1000)


def test_it_is_made_of_its_parts(data):
    X, y = data
    scorer = fi.InfluenceScorer(TIGHT, refits=1).fit(X, y)
    inner = clone(TIGHT).fit(X, y)
    infl = fi.Influence.from_estimator(inner, X, y)
    np.testing.assert_array_equal(scorer.predict(X), inner.predict(X))
    np.testing.assert_array_equal(scorer.decision_function(X), inner.decision_function(X))
    np.testing.assert_allclose(scorer.self_influence_, infl.self_influence(), rtol=1e-9)
    expected = fi.find_label_issues(infl, refits=1)
    np.testing.assert_allclose(scorer.label_issues_.score, expected.score, rtol=1e-9)
    assert scorer.classes_.tolist() == ["no", "yes"]
    assert set(scorer.label_issues_.rows[:2]) == {4, 50}


def test_the_default_scales(data):
    X, y = data
    scorer = fi.InfluenceScorer().fit(X, y)
    far = fi.InfluenceScorer().fit(X * [1e3, 1.0, 1e-3], y)
    np.testing.assert_allclose(scorer.self_influence_, far.self_influence_, rtol=1e-2)


def test_weights_reach_every_part(data, rng):
    X, y = data
    w = rng.uniform(0.2, 3.0, size=len(y))
    scorer = fi.InfluenceScorer(make_pipeline(StandardScaler(), TIGHT)).fit(X, y, w)
    last = clone(TIGHT).fit(StandardScaler().fit_transform(X), y, w)
    np.testing.assert_allclose(scorer.estimator_[-1].coef_, last.coef_, rtol=1e-6)
    np.testing.assert_allclose(scorer.influence_._problem.w, w)


def test_scores_of_new_rows(data):
    X, y = data
    scorer = fi.InfluenceScorer(TIGHT).fit(X[:60], y[:60])
    p = scorer.predict_proba(X[60:])
    own = p[np.arange(30), (y[60:] == "yes").astype(int)]
    np.testing.assert_allclose(scorer.score_samples(X[60:], y[60:]), np.log(own), rtol=1e-9)
    np.testing.assert_allclose(scorer.score_samples(X[60:]), np.log(p.max(axis=1)), rtol=1e-9)
    check(lambda: scorer.score_samples(X[60:], y[61:]), ["y has shape"])
    check(lambda: scorer.score_samples(X[60:62], ["no", "perhaps"]), ["perhaps", "row 1"])


def test_it_lives_where_classifiers_live(data):
    X, y = data
    scorer = fi.InfluenceScorer(TIGHT)
    piped = make_pipeline(StandardScaler(), scorer).fit(X, y)
    assert len(piped[-1].self_influence_) == len(y)
    search = GridSearchCV(scorer, {"estimator__C": [0.1, 10.0]}, cv=3).fit(X, y)
    assert search.best_params_["estimator__C"] in (0.1, 10.0)
    assert cross_val_score(scorer, X, y, cv=3).mean() > 0.8
    twin = clone(fi.InfluenceScorer(TIGHT, refits=1, folds=3, seed=2))
    assert (twin.refits, twin.folds, twin.seed) == (1, 3, 2)
    assert twin.get_params()["estimator__tol"] == 1e-10


def test_it_is_pickled_with_its_scores(data):
    X, y = data
    scorer = fi.InfluenceScorer(TIGHT).fit(X, y)
    again = pickle.loads(pickle.dumps(scorer))
    np.testing.assert_array_equal(again.predict(X), scorer.predict(X))
    np.testing.assert_array_equal(again.label_issues_.rows, scorer.label_issues_.rows)
    np.testing.assert_allclose(again.influence_.self_influence(), scorer.self_influence_)


def test_sparse_rows(data):
    X, y = data
    X = np.where(np.abs(X) > 1, X, 0.0)
    dense, sparse = (fi.InfluenceScorer().fit(rows, y) for rows in (X, csr_array(X)))
    np.testing.assert_allclose(sparse.self_influence_, dense.self_influence_, rtol=1e-3, atol=1e-6)


def test_names_survive(data):
    pd = pytest.importorskip("pandas")
    X, y = data
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=[f"id{i}" for i in range(len(y))])
    scorer = fi.InfluenceScorer().fit(frame, pd.Series(y, index=frame.index))
    assert scorer.feature_names_in_.tolist() == ["a", "b", "c"]
    assert set(scorer.label_issues_.to_frame(2).index) == {"id4", "id50"}


def test_mistakes(data):
    X, y = data
    check(lambda: fi.InfluenceScorer(Ridge()).fit(X, X[:, 0]), ["no classifier", "Ridge"])
    from sklearn.naive_bayes import GaussianNB

    with pytest.raises(fi.UnsupportedError, match="GaussianNB is not supported"):
        fi.InfluenceScorer(GaussianNB()).fit(X, y)
    check(lambda: fi.InfluenceScorer(refits=-1).fit(X, y), ["refits"])


def test_without_scikit_learn_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import fastinfluence as fi\n"
        "try: fi.InfluenceScorer\n"
        "except fi.UnsupportedError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "pip install 'fastinfluence[sklearn]'" in done.stdout, done.stderr
