"""Each scikit-learn estimator's own objective: stationary at its optimum, right about refits."""

import functools

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from estimator_cases import ESTIMATORS, NAMES, SPARSE, N, agreements, fit, frame
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastinfluence as fi
from fastinfluence.adapters.scikit_learn_readers import OBJECTIVES, READERS

FORMS = ("bare", "scaled", "columns")
BY_NAME = {row.name: row for row in ESTIMATORS}
LOGISTIC, RIDGE = BY_NAME["LogisticRegression"], BY_NAME["Ridge"]
every_row = pytest.mark.parametrize("row", ESTIMATORS, ids=lambda row: row.name.replace(" ", "-"))
every_form = pytest.mark.parametrize("form", FORMS)
read_once = functools.cache(lambda row, form: fit(row, form).influence())
compare_once = functools.cache(lambda row, form: agreements(read_once(row, form)))


def test_every_reader_has_a_row():
    rows = {type(row.make()).__name__ for row in (*ESTIMATORS, *SPARSE)}
    assert rows == set(READERS) == set(OBJECTIVES)


@every_row
def test_the_objective_in_words_is_the_spec(row):
    loss, reduction, l2, _ = OBJECTIVES[type(row.make()).__name__]
    spec = read_once(row, "bare").spec
    assert spec.reduction == reduction
    assert loss == "tweedie" or spec.loss.name in loss.split(", ")
    assert bool(np.any(spec.l2)) <= bool(l2)


@every_form
@every_row
def test_gradient_vanishes_at_the_optimum(row, form):
    infl = read_once(row, form)
    assert infl.relative_gradient < 1e-6
    assert infl.gradient_norm < 1e-5
    polished = infl.polish()
    assert np.abs(polished.theta - infl.theta).max() < 1e-6


@every_form
@every_row
def test_exact_removal_is_a_refit(row, form):
    exact = compare_once(row, form)["exact"]
    assert abs(exact.slope - 1) < 1e-3
    assert exact.distance < 1e-3


@every_form
@every_row
def test_newton_is_nearer_than_first_order(row, form):
    first, newton = (compare_once(row, form)[method] for method in ("influence", "newton"))
    assert abs(newton.slope - 1) < abs(first.slope - 1)
    assert newton.distance < first.distance


@every_row
def test_wrong_weights_are_seen(row):
    """The checks above can fail: half of the rows counted twice are another objective."""
    infl = read_once(row, "bare")
    w = infl._problem.w.copy()
    w[: N // 2] *= 2
    spec = infl.spec
    X = infl._problem.rows.take(np.arange(N)).native()
    with pytest.warns(fi.FastInfluenceWarning, match="far from the optimum"):
        wrong = fi.Influence(spec, X, infl._problem.y, infl.theta, sample_weight=w)
    assert wrong.gradient_norm > 1e-3


# -- parameters, names, labels -------------------------------------------------------------


@every_row
def test_theta_is_coef_then_intercept(row):
    model = fit(row)
    theta = read_once(row, "bare").theta
    assert_parts(theta, model.fitted)


def assert_parts(theta, estimator):
    coef = np.ravel(estimator.coef_)
    np.testing.assert_array_equal(theta[: len(coef)], coef)
    if estimator.fit_intercept:
        np.testing.assert_array_equal(theta[len(coef) :], np.ravel(estimator.intercept_))
    else:
        assert len(theta) == len(coef)


@every_form
def test_predictions_are_the_estimators(form):
    for row in (LOGISTIC, RIDGE, BY_NAME["PoissonRegressor"]):
        model = fit(row, form)
        infl = model.influence()
        test = infl._problem.test_rows(model.X)
        mean = infl._engine.predictions(test, infl.theta[:, None], "mean")[:, 0]
        predict = getattr(model.fitted, "predict_proba", None)
        expected = model.fitted.predict(model.X) if predict is None else predict(model.X)[:, 1]
        np.testing.assert_allclose(mean, expected, rtol=1e-12)


def test_labels_and_names_of_a_frame_arrive():
    infl = fit(LOGISTIC, "columns").influence()
    names = ["num__age", "num__dose", "num__mass", "cat__ward_B", "cat__ward_C"]
    assert list(infl._problem.feature_names) == names
    assert infl._problem.param_names == [*names, "intercept"]
    assert list(infl._problem.labels) == list(frame().index)
    assert list(infl._problem.codec.classes) == ["no", "yes"]


def test_labels_and_names_of_a_bare_estimator_arrive():
    X = frame()[NAMES]
    model = fit(LOGISTIC)
    fitted = LOGISTIC.make().fit(X, model.y)
    infl = fi.Influence.from_estimator(fitted, X, pd.Series(model.y))
    assert list(infl._problem.feature_names) == NAMES
    assert list(infl._problem.labels) == list(X.index)
    shuffled = X[NAMES[::-1]]
    np.testing.assert_array_equal(
        infl.on_loss(shuffled[:4], model.y[:4]), infl.on_loss(X[:4], model.y[:4])
    )


TABLES = {
    "pandas": lambda X: X,
    "polars": lambda X: pl.DataFrame(dict(X)),
    "arrow": lambda X: pa.table(dict(X)),
    "list": lambda X: X.to_numpy().tolist(),
}


@pytest.mark.parametrize("library", TABLES)
@pytest.mark.parametrize("named", [False, True], ids=["bare", "scaled"])
def test_tables_of_other_libraries(library, named):
    table, y = frame()[NAMES], fit(LOGISTIC).y
    X = TABLES[library](table)
    seen = X if library in ("pandas", "polars") else table.to_numpy()
    fitted = LOGISTIC.make().fit(seen, y)
    if named:
        fitted = make_pipeline(StandardScaler(), LOGISTIC.make()).fit(seen, y)
        X = X if library != "arrow" else table.to_numpy()  # transformers refuse Arrow
    infl = fi.Influence.from_estimator(fitted, X, y)
    expected = fi.Influence.from_estimator(fitted, seen, y)
    np.testing.assert_allclose(infl.on_loss(X, y), expected.on_loss(seen, y), rtol=1e-10)
    if not named and library != "list":
        assert list(infl._problem.feature_names) == NAMES


@pytest.mark.parametrize("of", [pd.Series, pl.Series, list], ids=["pandas", "polars", "list"])
def test_targets_of_other_libraries(of):
    model = fit(LOGISTIC)
    infl = model.influence(y=of(model.y))
    np.testing.assert_array_equal(infl.self_influence(), model.influence().self_influence())


def test_a_pipeline_takes_test_rows_before_its_steps():
    model = fit(RIDGE, "scaled")
    infl = model.influence()
    X = model.fitted[:-1].transform(model.X)
    bare = fi.Influence.from_estimator(model.fitted[-1], X, model.y)
    np.testing.assert_allclose(
        infl.on_prediction(model.X[:5]), bare.on_prediction(X[:5]), rtol=1e-10
    )


def test_a_pipeline_of_one_step():
    model = fit(RIDGE)
    single = make_pipeline(model.fitted)
    infl = fi.Influence.from_estimator(single, model.X, model.y)
    np.testing.assert_array_equal(infl.theta, model.influence().theta)


def test_refit_leaves_the_callers_estimator_alone():
    model = fit(LOGISTIC, "scaled")
    before = model.fitted[-1].coef_.copy()
    model.influence().leave_one_out([0], method="refit")
    np.testing.assert_array_equal(model.fitted[-1].coef_, before)


def test_groups_agree_with_refits():
    for row in (LOGISTIC, RIDGE, BY_NAME["PoissonRegressor weights"]):
        infl = read_once(row, "scaled")
        groups = [np.arange(0, 6), np.arange(10, 25)]
        exact = infl.leave_group_out(groups, method="exact")
        refit = infl.leave_group_out(groups, method="refit")
        np.testing.assert_allclose(exact.theta, refit.theta, rtol=1e-4, atol=1e-6)


def test_a_scaler_is_not_refitted():
    """Removal is that of the last step: the scaler keeps the moments of all rows."""
    model = fit(RIDGE, "scaled")
    theta = model.influence().leave_one_out([3], method="refit").theta[0]
    kept = np.delete(np.arange(N), 3)
    Z = StandardScaler().fit(model.X).transform(model.X)
    again = RIDGE.make().fit(Z[kept], model.y[kept])
    np.testing.assert_allclose(theta, np.append(again.coef_, again.intercept_), rtol=1e-10)
