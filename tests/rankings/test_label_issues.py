"""`fi.find_label_issues`: planted wrong labels, names, tables, and what is refused."""

import numpy as np
import pytest
from refusal import check
from scipy.sparse import csr_array
from scipy.special import log_expit

import fastinfluence as fi
from fastinfluence.rankings.mislabelled import Judge, Judged

WORDS = np.array(["ape", "bee", "cat"])
WRONG = np.array([3, 17, 40, 66])


def planted(rng, K=3, n=120, d=4):
    """Return rows, labels of which four are wrong, and the true ones."""
    true = np.arange(n) % K
    X = 2.5 * rng.normal(size=(K, d))[true] + rng.normal(size=(n, d))
    y = true.copy()
    y[WRONG] = (y[WRONG] + 1) % K
    return X, WORDS[y], WORDS[true]


@pytest.fixture
def data(rng):
    return planted(rng)


@pytest.mark.parametrize("K", [2, 3])
def test_planted_labels_come_first_with_the_right_suggestion(rng, K):
    X, y, true = planted(rng, K)
    found = fi.find_label_issues(X, y)
    assert set(found.rows[:4]) == set(WRONG)
    assert set(WRONG) <= set(found.issues)
    np.testing.assert_array_equal(found.suggested[WRONG], true[WRONG])
    np.testing.assert_array_equal(found.given, y)
    np.testing.assert_allclose(found.probability, np.exp(-found.score))
    assert sorted(found.rows) == list(range(len(y)))
    assert (np.diff(found.score[found.rows]) <= 0).all()


def test_a_fitted_model_gives_what_its_data_do(data):
    X, y, _ = data
    whole = fi.find_label_issues(X, y, l2=0.05)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    infl = fi.Influence.fit(fi.GLM("multinomial", l2=0.05), Z, y)
    np.testing.assert_allclose(fi.find_label_issues(infl).score, whole.score, atol=1e-6)


def test_sparse_rows_are_dense_ones_scaled(data):
    X, y, _ = data
    X = np.where(np.abs(X) > 1, X, 0.0)
    scaled = X / X.std(axis=0)
    infl = fi.Influence.fit(fi.GLM("multinomial", l2=0.05), scaled, y)
    found = fi.find_label_issues(csr_array(X), y, l2=0.05)
    np.testing.assert_allclose(found.score, fi.find_label_issues(infl).score, atol=1e-6)


def test_the_penalty_is_the_best_of_its_neighbours(data):
    X, y, _ = data
    found = fi.find_label_issues(X, y)
    chosen = found.model.spec.l2

    def held_out(l2):
        infl = fi.find_label_issues(X, y, l2=l2).model
        return Judge()(infl._engine).loss.mean()

    assert held_out(chosen) <= min(held_out(chosen / 10), held_out(chosen * 10))


def test_one_refit_by_hand(rng):
    """Weights are the probabilities that labels are right; then the refit judges."""
    X, y, _ = planted(rng, K=2)
    positive = (y == "bee").astype(float)
    spec = fi.GLM("logistic", l2=0.05)
    infl = fi.Influence.fit(spec, X, y)

    def judged(model):
        f = model.diagnostics().loo_prediction
        return Judged(np.stack([log_expit(-f), log_expit(f)], axis=1), positive.astype(int))

    first = judged(infl).truth(np.ones(len(y)))
    weights = np.exp(np.take_along_axis(first, positive.astype(int)[:, None], 1)[:, 0])
    again = judged(fi.Influence.fit(spec, X, y, sample_weight=weights))
    expected = -np.take_along_axis(again.truth(np.ones(len(y))), positive.astype(int)[:, None], 1)[
        :, 0
    ]
    np.testing.assert_allclose(fi.find_label_issues(infl, refits=1).score, expected, atol=1e-7)


def test_weights_count_as_copies(rng):
    """A row of weight 2 is not two rows, one of which vouches for the other, but weighs as much."""
    X, y, _ = planted(rng, K=2)
    w = np.where(np.arange(len(y)) % 5 == 0, 0.0, 1.0)
    kept = w > 0
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.05), X, y, sample_weight=w)
    alone = fi.Influence.fit(fi.GLM("logistic", l2=0.05), X[kept], y[kept])
    found, expected = fi.find_label_issues(infl), fi.find_label_issues(alone)
    np.testing.assert_allclose(found.score[kept], expected.score, atol=1e-7)
    assert np.isfinite(found.score).all()


def test_folds(data):
    X, y, true = data
    found = fi.find_label_issues(X, y, folds=4)
    assert set(found.rows[:4]) == set(WRONG)
    assert "4 folds" in found.method
    np.testing.assert_array_equal(found.suggested[WRONG], true[WRONG])


def test_folds_are_taken_where_single_rows_are_dear(data, monkeypatch):
    from fastinfluence.rankings import held_out

    X, y, _ = data
    monkeypatch.setattr(held_out, "MOST_OPERATIONS", 1e3)
    assert "5 folds" in fi.find_label_issues(X, y, l2=0.1).method


def test_scikit_learn_models_and_their_names(data):
    pd, linear = pytest.importorskip("pandas"), pytest.importorskip("sklearn.linear_model")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y, _ = data
    frame = pd.DataFrame(X, index=[f"id{i}" for i in range(len(y))])
    frame.columns = list("abcd")
    model = make_pipeline(StandardScaler(), linear.LogisticRegression(tol=1e-10, max_iter=1000))
    infl = fi.Influence.from_estimator(model.fit(frame, y), frame, y)
    table = fi.find_label_issues(infl).to_frame(4)
    assert set(table.index) == {f"id{i}" for i in WRONG}
    assert set(table["row"]) == set(WRONG)


LIBRARIES = ("pandas", "polars", "pyarrow")


def as_table(library, X):
    module = pytest.importorskip(library)
    columns = {f"c{j}": X[:, j] for j in range(X.shape[1])}
    return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)


@pytest.mark.parametrize("library", LIBRARIES)
def test_tables_come_out_as_they_came_in(data, library):
    X, y, _ = data
    out = fi.find_label_issues(as_table(library, X), y, l2=0.05)
    table = out.to_frame(7)
    assert type(table).__module__.partition(".")[0] == library
    names = table.column_names if library == "pyarrow" else list(table.columns)
    assert names == ["row", "given", "suggested", "probability", "score"]
    assert len(table) == 7
    np.testing.assert_allclose(out.score, fi.find_label_issues(X, y, l2=0.05).score, atol=1e-9)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_pipelines_tables_too(data, library):
    linear = pytest.importorskip("sklearn.linear_model")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y, _ = data
    table = as_table(library, X)
    model = make_pipeline(StandardScaler(), linear.LogisticRegression(tol=1e-10)).fit(table, y)
    out = fi.find_label_issues(fi.Influence.from_estimator(model, table, y)).to_frame()
    assert type(out).__module__.partition(".")[0] == library


def test_text_and_gaps_in_a_frame(rng):
    pd = pytest.importorskip("pandas")
    X, y, _ = planted(rng, n=240)
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["kind"] = np.where(np.arange(240) % 2 == 0, "even", "odd")
    frame.loc[5:9, "a"] = np.nan
    found = fi.find_label_issues(frame, pd.Series(y))
    assert set(found.rows[:4]) == set(WRONG)
    assert "kind = odd" in found.model._problem.feature_names
    assert list(found.to_frame(3).index) == list(found.rows[:3])


def test_a_streamed_table_gives_what_arrays_do(data):
    X, y, _ = data
    spec = fi.GLM("multinomial", l2=0.05)
    streamed = fi.Influence.fit(spec, fi.rows.arrays(X, y))
    held = fi.find_label_issues(fi.Influence.fit(spec, X, y), refits=0)
    found = fi.find_label_issues(streamed)
    np.testing.assert_allclose(found.score, held.score, atol=1e-6)
    check(lambda: fi.find_label_issues(streamed, refits=1), ["refits=0"])
    check(lambda: fi.find_label_issues(streamed, folds=5), ["folds"])


def test_a_row_that_nobody_else_determines_comes_last(rng):
    """Nothing but row 7 bends its own unpenalised column: its leverage is 1."""
    X, y, _ = planted(rng, K=2, d=2)
    theta = fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, y).theta
    X = np.column_stack([X, np.arange(len(y)) == 7])
    spec = fi.GLM("logistic", l2=np.array([0.1, 0.1, 0.0]))
    sign = 1.0 if y[7] == "bee" else -1.0
    infl = fi.Influence(spec, X, y, np.insert(theta, 2, 40.0 * sign))
    found = fi.find_label_issues(infl, refits=0)
    assert found.rows[-1] == 7
    assert np.flatnonzero(np.isnan(found.score)).tolist() == [7]
    assert found.suggested[7] == found.given[7]


def test_no_optimum_in_a_refit_is_a_warning(rng):
    """Without the suspected rows the classes are separable, and there is no penalty."""
    n = 60
    x = np.r_[rng.uniform(-3, -1, n), rng.uniform(1, 3, n)]
    y = (x > 0).astype(int)
    y[[0, n]] = 1 - y[[0, n]]
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.0), x[:, None], y)
    with pytest.warns(fi.FastInfluenceWarning, match="no optimum|without a further refit"):
        found = fi.find_label_issues(infl, refits=30)
    assert set(found.rows[:2]) == {0, n}


def test_probit_and_cloglog_are_judged_too(rng):
    X, y, true = planted(rng, K=2)
    for loss in ("probit", "cloglog"):
        found = fi.find_label_issues(fi.Influence.fit(fi.GLM(loss, l2=0.05), X, y))
        assert set(found.rows[:4]) == set(WRONG)
        np.testing.assert_array_equal(found.suggested[WRONG], true[WRONG])


def test_texts(data):
    X, y, _ = data
    found = fi.find_label_issues(X, y)
    assert "labels contradicted" in repr(found)
    assert f"  {found.rows[0]}: given '" in str(found)
    assert len(str(found).splitlines()) == 11


X, Y, _ = planted(np.random.default_rng(0))
MODEL = fi.Influence.fit(fi.GLM("multinomial", l2=0.1), X, Y)
NUMBERS = fi.Influence.fit(fi.GLM("squared", l2=0.1), X, X[:, 0])
MARGINS = fi.Influence.fit(fi.GLM("squared_hinge", l2=0.1), X, Y == "bee")
BAD = {
    "no y": (lambda: fi.find_label_issues(X), ["y is needed"]),
    "y beside a model": (lambda: fi.find_label_issues(MODEL, Y), ["y", "give the model alone"]),
    "l2 beside a model": (lambda: fi.find_label_issues(MODEL, l2=1.0), ["l2"]),
    "numbers": (lambda: fi.find_label_issues(X, X[:, 0]), ["distinct values", "classes"]),
    "ids": (lambda: fi.find_label_issues(X, np.arange(len(X))), ["distinct values"]),
    "one class": (lambda: fi.find_label_issues(X, np.zeros(len(X))), ["one class"]),
    "mixed labels": (lambda: fi.find_label_issues(X, np.array([1, "a", None] * 40, object)), ["y"]),
    "wrong length": (lambda: fi.find_label_issues(X, Y[:-1]), ["rows"]),
    "NaN in X": (
        lambda: fi.find_label_issues(np.where(X > 2, np.nan, X), Y),
        ["X holds nan in row"],
    ),
    "regression": (lambda: fi.find_label_issues(NUMBERS), ["squared", "probability"]),
    "hinge": (lambda: fi.find_label_issues(MARGINS), ["squared_hinge", "probability"]),
    "folds": (lambda: fi.find_label_issues(X, Y, folds=0), ["folds"]),
    "refits": (lambda: fi.find_label_issues(X, Y, refits=-1), ["refits"]),
    "l2": (lambda: fi.find_label_issues(X, Y, l2=0.0), ["l2"]),
    "weights": (lambda: fi.find_label_issues(X, Y, -np.ones(len(X))), ["sample_weight"]),
    "stream": (lambda: fi.find_label_issues(fi.rows.arrays(X, Y), Y), ["streamed", "fit"]),
    "k": (lambda: fi.find_label_issues(MODEL).to_frame(0), ["k=0"]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_gives_one_clear_error(name):
    check(*BAD[name])
