"""Models with an l1 penalty, on the columns that it left in."""

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
from estimator_cases import SPARSE, N, agreements, fit_sparse
from scipy.sparse import csr_array
from sklearn import linear_model as lm
from sklearn.base import clone

import fastinfluence as fi
from fastinfluence.removal import RemovalSets
from fastinfluence.removal.active import changed_sets

BY_NAME = {row.name: row for row in SPARSE}
LASSO = BY_NAME["Lasso"]
every_row = pytest.mark.parametrize("row", SPARSE, ids=lambda row: row.name.replace(" ", "-"))
every_form = pytest.mark.parametrize("form", ["bare", "scaled"])
WARNING = "the l1 penalty would choose other columns"
quiet = pytest.mark.filterwarnings(f"ignore:.*{WARNING}")


@functools.cache
def read_once(row, form):
    model = fit_sparse(row, form)
    return model, model.influence()


@functools.cache
def exact_once(row, form):
    """Return the optima without each row on the active set, and where that set breaks."""
    infl = read_once(row, form)[1]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f".*{WARNING}")
        removal = infl.leave_one_out(method="exact")
    return removal, changed_sets(infl._problem, removal.theta, removal.sets)


@every_form
@every_row
def test_theta_is_what_the_penalty_left(row, form):
    model, infl = read_once(row, form)
    last = model.fitted[-1] if form == "scaled" else model.fitted
    coef = np.ravel(last.coef_)
    intercept = np.ravel(last.intercept_) if last.fit_intercept else []
    np.testing.assert_array_equal(infl.theta, [*coef[coef != 0], *intercept])
    assert np.count_nonzero(coef) >= 3
    assert infl.gradient_norm < 1e-7
    assert infl.relative_gradient < 1e-8


@quiet
@every_form
@every_row
def test_removal_is_a_refit_while_the_set_stays(row, form):
    _, infl = read_once(row, form)
    same = np.flatnonzero(~exact_once(row, form)[1])[:8]
    assert len(same) >= 4
    found = agreements(infl, same)
    assert abs(found["exact"].slope - 1) < 1e-6
    assert found["exact"].distance < 1e-6
    if infl.spec.loss.name == "squared":
        assert abs(found["newton"].slope - 1) < 1e-6
    assert abs(found["newton"].slope - 1) < abs(found["influence"].slope - 1)


@every_row
def test_a_change_of_the_set_is_seen(row):
    """Where the check says so, and nowhere else, the estimator itself chooses other columns."""
    model, _ = read_once(row, "bare")
    changed = exact_once(row, "bare")[1]
    signs = np.sign(model.fitted.coef_)
    rows = np.union1d(np.flatnonzero(changed)[:6], np.flatnonzero(~changed)[:6])
    frozen = clone(model.fitted)
    if hasattr(frozen, "cv"):
        pytest.skip("a cross-validated estimator would choose another penalty")
    if getattr(frozen, "class_weight", None) == "balanced":
        pytest.skip("balanced weights would change")
    for i in rows:
        kept = np.delete(np.arange(N), i)
        w = None if model.weights is None else model.weights[kept]
        again = clone(frozen).fit(model.X[kept], model.y[kept], sample_weight=w)
        assert bool((np.sign(again.coef_) != signs).any()) == changed[i], i


def test_some_removals_change_the_set():
    assert sum(exact_once(row, "bare")[1].any() for row in SPARSE) >= 5


@quiet
@pytest.mark.parametrize("name", ["Lasso weights", "ElasticNet", "LogisticRegression l1 saga"])
def test_groups(name):
    infl = read_once(BY_NAME[name], "scaled")[1]
    drawn = [np.arange(a, a + 3) for a in range(0, 42, 3)]
    every = infl.leave_group_out(drawn, method="exact")
    groups = [g for g, bad in zip(drawn, changed_groups(infl, every), strict=True) if not bad]
    assert len(groups) >= 2
    exact = infl.leave_group_out(groups, method="exact")
    refit = infl.leave_group_out(groups, method="refit")
    np.testing.assert_allclose(exact.theta, refit.theta, rtol=1e-6, atol=1e-8)


def changed_groups(infl, removal):
    return changed_sets(infl._problem, removal.theta, removal.sets)


@pytest.mark.parametrize("method", ["influence", "newton", "exact", "refit"])
def test_every_method_warns(method):
    row = BY_NAME["LogisticRegression l1 saga"]
    infl = read_once(row, "bare")[1]
    broken = np.flatnonzero(exact_once(row, "bare")[1])
    with pytest.warns(fi.FastInfluenceWarning, match=f"without row .*{WARNING}"):
        infl.leave_one_out(broken, method=method)


def test_without_warns_and_stays_chained():
    row = BY_NAME["LogisticRegression l1 saga"]
    infl = read_once(row, "bare")[1]
    removal, changed = exact_once(row, "bare")
    good, bad = int(np.flatnonzero(~changed)[0]), int(np.flatnonzero(changed)[0])
    np.testing.assert_allclose(infl.without([good]).theta, removal.theta[good], rtol=1e-7)
    with pytest.warns(fi.FastInfluenceWarning, match=f"at this optimum {WARNING}"):
        infl.without([bad])
    assert infl.polish().gradient_norm < 1e-9


def test_first_order_is_the_derivative():
    """Shrinking a row's weight moves theta by its influence, in the mean form with its penalty."""
    model, infl = read_once(BY_NAME["Lasso weights"], "bare")
    step = 1e-4
    for i in (0, 5):
        w = model.weights.copy()
        w[i] *= 1 - step
        again = clone(model.fitted).fit(model.X, model.y, sample_weight=w)
        slope = (again.coef_[again.coef_ != 0] - infl.theta) / step
        np.testing.assert_allclose(slope, infl.on_params([i])[0], rtol=1e-2, atol=1e-5)


@quiet
def test_names_and_test_rows():
    model = fit_sparse(LASSO)
    names = [f"c{j}" for j in range(8)]
    X = pd.DataFrame(model.X, columns=names, index=np.arange(N) + 100)
    fitted = LASSO.make().fit(X, model.y)
    infl = fi.Influence.from_estimator(fitted, X, model.y)
    assert list(infl._problem.feature_names) == [names[j] for j in np.flatnonzero(fitted.coef_)]
    assert list(infl._problem.labels) == list(X.index)
    mean = infl._engine.predictions(infl._problem.test_rows(X), infl.theta[:, None], "mean")
    np.testing.assert_allclose(mean[:, 0], fitted.predict(X), rtol=1e-12)
    bare = read_once(LASSO, "bare")[1]
    np.testing.assert_allclose(
        infl.on_loss(X[names[::-1]][:5], model.y[:5]), bare.on_loss(model.X[:5], model.y[:5])
    )
    with pytest.raises(fi.InputError, match="7 columns but the model was trained on 8"):
        bare.on_prediction(model.X[:3, :7])
    with pytest.raises(fi.InputError, match="lacks the columns c0"):
        infl.on_prediction(X[names[1:]])


def test_no_l1_keeps_every_column():
    model = fit_sparse(LASSO)
    fitted = lm.ElasticNet(alpha=0.2, l1_ratio=0.0, tol=1e-12, max_iter=100_000)
    fitted.fit(model.X, model.y)
    infl = fi.Influence.from_estimator(fitted, model.X, model.y)
    assert infl._problem.active is None
    assert len(infl.theta) == 9
    assert infl.gradient_norm < 1e-8


def test_nothing_left():
    model = fit_sparse(LASSO)
    empty = lm.Lasso(alpha=1e3).fit(model.X, model.y)
    with pytest.raises(fi.UnsupportedError, match=r"left no coefficient.*weaken"):
        fi.Influence.from_estimator(empty, model.X, model.y)


@pytest.mark.parametrize("kind", [lm.Lasso, lm.ElasticNet])
def test_positive_is_refused(kind):
    model = fit_sparse(LASSO)
    fitted = kind(alpha=0.1, positive=True).fit(model.X, model.y)
    with pytest.raises(fi.UnsupportedError, match=rf"{kind.__name__}\(positive=True\)"):
        fi.Influence.from_estimator(fitted, model.X, model.y)


def test_sets_without_rows():
    """The check of an optimum itself removes nothing."""
    infl = read_once(LASSO, "bare")[1]
    nothing = RemovalSets(np.zeros(0, dtype=np.intp), np.zeros(2, dtype=np.intp))
    assert not changed_sets(infl._problem, infl.theta[None], nothing)[0]
    assert changed_sets(infl._problem, -infl.theta[None], nothing)[0]


@quiet
@pytest.mark.parametrize("name", ["Lasso", "LogisticRegression l1 liblinear"])
def test_sparse_rows(name):
    model, infl = read_once(BY_NAME[name], "bare")
    X = csr_array(model.X)
    sparse = fi.Influence.from_estimator(model.fitted, X, model.y)
    changed = changed_sets(sparse._problem, *of(sparse.leave_one_out(method="exact")))
    np.testing.assert_array_equal(changed, exact_once(BY_NAME[name], "bare")[1])
    np.testing.assert_allclose(
        sparse.on_loss(X[:4], model.y[:4]), infl.on_loss(model.X[:4], model.y[:4]), rtol=1e-9
    )
    good = np.flatnonzero(~changed)[:3]
    assert abs(agreements(sparse, good)["exact"].slope - 1) < 1e-6


def of(removal):
    return removal.theta, removal.sets
