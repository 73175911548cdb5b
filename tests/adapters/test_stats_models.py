"""statsmodels results: stationary, right about refits, and read whole (names, weights, offsets)."""

import functools
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from estimator_cases import agreements
from statsmodels_cases import (
    COUNTS,
    EXPOSURE,
    LINKS_OF,
    MODELS,
    NEWTON,
    OFFSET,
    ROWS,
    TIGHT,
    TRIALS,
    WEIGHTS,
    F,
    N,
    X,
    counts,
    draw,
    labels,
    linear,
    means,
)

import fastinfluence as fi
from fastinfluence.adapters import stats_models

BY_NAME = {row.name: row for row in MODELS}
every_row = pytest.mark.parametrize("row", MODELS, ids=lambda row: row.name.replace(" ", "-"))


def read(results, *rows):
    """Read results; the warning about alpha has a test of its own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="NegativeBinomial estimated alpha")
        return fi.Influence.from_estimator(results, *rows)


@functools.cache
def read_once(row):
    results = row.fit()
    return results, read(results)


@functools.cache
def compare_once(row):
    return agreements(read_once(row)[1], ROWS)


def test_every_model_family_and_link_has_a_row():
    rows = {type(row.fit().model).__name__ for row in MODELS}
    assert rows == set(stats_models.READERS) == set(stats_models.OBJECTIVES)
    binomial = {"trials", "labels"}
    assert set(LINKS_OF) - binomial | {"Binomial"} == set(stats_models.FAMILIES)
    links = {name for names in LINKS_OF.values() for name in names}
    assert links == {*stats_models.LINKS, "Power"}


# -- the objective -------------------------------------------------------------------------


@every_row
def test_gradient_vanishes_at_the_optimum(row):
    results, infl = read_once(row)
    loose = row.name == "NegativeBinomial"  # its own optimiser stops there
    assert infl.gradient_norm < (1e-2 if loose else 1e-8)
    np.testing.assert_array_equal(infl.theta, np.asarray(results.params)[: X.shape[1]])
    assert infl._problem.param_names == ["const", "x1", "x2"]
    assert not infl.spec.fit_intercept


@every_row
def test_exact_removal_is_a_refit(row):
    exact = compare_once(row)["exact"]
    assert abs(exact.slope - 1) < 1e-3
    assert exact.distance < 1e-6


@every_row
def test_newton_is_nearer_than_first_order(row):
    assert abs(compare_once(row)["newton"].slope - 1) < abs(
        compare_once(row)["influence"].slope - 1
    )


@every_row
def test_predictions_are_the_models(row):
    results, infl = read_once(row)
    test = infl._problem.test_rows(X, offset_test=infl._problem.offset)
    mean = infl._engine.predictions(test, infl.theta[:, None], "mean")[:, 0]
    np.testing.assert_allclose(mean, np.asarray(results.predict()), rtol=1e-8)


@pytest.mark.parametrize("name", ["OLS", "GLM Poisson exposure", "GLM Gamma Log freq_weights"])
def test_wrong_weights_are_seen(name):
    """The gradient's check can fail: half of the rows counted twice are another objective."""
    infl = read_once(BY_NAME[name])[1]
    problem = infl._problem
    w = np.where(np.arange(N) < N // 2, 2.0, 1.0) * problem.w
    wrong = fi.Influence.fit(infl.spec, X, problem.y, sample_weight=w, offset=problem.offset)
    assert np.abs(wrong.theta - infl.theta).max() > 1e-3


def test_stopping_early_is_measured_and_polished():
    results = sm.Logit(labels(), X).fit(disp=0, method="bfgs", gtol=1e-3)
    infl = read(results)
    assert infl.gradient_norm > 1e-6
    assert infl.polish().gradient_norm < 1e-9


# -- agreement with statsmodels' own diagnostics ---------------------------------------------


def test_linear_diagnostics():
    results, infl = read_once(BY_NAME["OLS"])
    theirs, ours = results.get_influence(), infl.diagnostics()
    np.testing.assert_allclose(ours.leverage, theirs.hat_matrix_diag, rtol=1e-9)
    np.testing.assert_allclose(ours.cooks_distance, theirs.cooks_distance[0], rtol=1e-9)
    np.testing.assert_allclose(ours.dfbetas, theirs.dfbetas, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", ["Logit", "Poisson"])
def test_discrete_diagnostics(name):
    results, infl = read_once(BY_NAME[name])
    theirs, ours = results.get_influence(), infl.diagnostics()
    np.testing.assert_allclose(ours.leverage, theirs.hat_matrix_diag, rtol=1e-9)
    np.testing.assert_allclose(ours.studentized_internal, theirs.resid_studentized, rtol=1e-9)


WEIGHTED = [name for name in BY_NAME if "GLM" in name and "Binomial" not in name]


@pytest.mark.parametrize("name", WEIGHTED)
def test_dispersion_counts_the_rows_as_statsmodels_does(name):
    results, infl = read_once(BY_NAME[name])
    assert infl._problem.frequency_weights == ("freq_weights" in name)
    if infl.spec.loss.name in ("poisson", "negative_binomial"):
        assert results.scale == 1.0
    else:
        assert infl.diagnostics().dispersion == pytest.approx(results.scale, rel=1e-6)


# -- what the model holds --------------------------------------------------------------------


def test_weights_and_offsets_are_the_models():
    trials = draw("trials", means(sm.families.links.Logit()))
    model = sm.GLM(trials, X, family=F.Binomial(), var_weights=WEIGHTS, offset=OFFSET)
    problem = read(model.fit(**TIGHT))._problem
    np.testing.assert_allclose(problem.w, WEIGHTS * TRIALS)
    np.testing.assert_allclose(problem.offset, OFFSET)
    exposed = read(BY_NAME["GLM Poisson exposure"].fit())._problem
    np.testing.assert_allclose(exposed.offset, OFFSET + np.log(EXPOSURE))
    discrete = read(BY_NAME["Poisson offset exposure"].fit())._problem
    np.testing.assert_allclose(discrete.offset, OFFSET + np.log(EXPOSURE))
    assert read(BY_NAME["OLS"].fit())._problem.offset is None


def test_frequency_weights_are_repeated_rows():
    times = COUNTS.astype(int)
    y = counts()
    weighted = sm.GLM(y, X, family=F.Poisson(), freq_weights=COUNTS).fit(**TIGHT)
    repeated = sm.GLM(np.repeat(y, times), np.repeat(X, times, axis=0), family=F.Poisson())
    a, b = read(weighted), read(repeated.fit(**TIGHT))
    np.testing.assert_allclose(a.theta, b.theta, rtol=1e-9)
    groups = np.repeat(np.arange(N), times)
    np.testing.assert_allclose(
        a.leave_one_out(method="exact").theta,
        b.leave_group_out(groups, method="exact").theta,
        rtol=1e-7,
    )


def test_mixed_weights_warn():
    model = sm.GLM(linear(), X, freq_weights=COUNTS, var_weights=WEIGHTS)
    with pytest.warns(fi.FastInfluenceWarning, match="freq_weights and var_weights"):
        infl = fi.Influence.from_estimator(model.fit())
    assert not infl._problem.frequency_weights
    assert infl.gradient_norm < 1e-10


def test_the_callers_family_is_left_alone():
    trials = draw("trials", means(sm.families.links.Logit()))
    family = F.Binomial()
    results = sm.GLM(trials, X, family=family).fit(**TIGHT)
    before = results.deviance, list(family.safe_links)
    read(results).leave_one_out([0, 1], method="refit")
    np.testing.assert_array_equal(family.n, TRIALS)
    assert before == (sm.GLM(trials, X, family=family).fit(**TIGHT).deviance, family.safe_links)


def test_estimated_alpha_is_held_and_said():
    results = BY_NAME["NegativeBinomial"].fit()
    with pytest.warns(fi.FastInfluenceWarning, match=r"alpha = 0\.\d+: it is held there"):
        infl = fi.Influence.from_estimator(results)
    assert infl.spec.loss.params["alpha"] == results.params[-1]
    assert len(infl.theta) == len(results.params) - 1


# -- tables ----------------------------------------------------------------------------------


def table():
    rng = np.random.default_rng(3)
    data = pd.DataFrame(X[:, 1:], columns=["dose", "age"], index=[f"r{i}" for i in range(N)])
    return data.assign(ward=rng.choice(["A", "B"], size=N), y=counts(), label=labels())


@pytest.fixture(params=["patsy", "formulaic"])
def engine(request):
    options = getattr(__import__("statsmodels.formula").formula, "options", None)
    if options is None:
        pytest.skip("this release of statsmodels knows patsy only")
    pytest.importorskip(request.param)
    before = options.formula_engine
    options.formula_engine = request.param
    yield request.param
    options.formula_engine = before


def test_formula(engine):
    data = table()
    results = smf.glm("y ~ np.exp(dose) + ward", data, family=F.Poisson()).fit(**TIGHT)
    infl = read(results)
    names = list(results.params.index)
    assert infl._problem.param_names == names
    assert "np.exp(dose)" in names
    assert list(infl._problem.labels) == list(data.index)
    assert infl.gradient_norm < 1e-9
    design = pd.DataFrame(results.model.exog, columns=names)
    raw = infl.on_prediction(data[:7])
    np.testing.assert_allclose(raw, infl.on_prediction(design[:7]), rtol=1e-12)
    same = read(results, data, data["y"])
    np.testing.assert_array_equal(same.on_prediction(data[:7]), raw)
    with pytest.raises(fi.InputError, match=r"formula 'y ~ np.*refused the rows"):
        infl.on_prediction(data[["dose", "age"]])


def test_missing_rows_are_dropped_with_their_labels():
    data = table()
    data.loc["r4", "dose"] = np.nan
    results = smf.ols("y ~ dose + age", data).fit()
    infl = read(results)
    assert infl.n_rows == N - 1
    assert "r4" not in list(infl._problem.labels)


def test_a_frame_keeps_its_names():
    exog = sm.add_constant(table()[["dose", "age"]])
    results = sm.Logit(labels(), exog).fit(**NEWTON)
    infl = read(results, exog[["age", "dose", "const"]], labels())
    assert infl._problem.param_names == ["const", "dose", "age"]
    assert list(infl.diagnostics().to_frame().index) == list(exog.index)
    shuffled = exog[["age", "const", "dose"]]
    np.testing.assert_array_equal(infl.on_prediction(shuffled[:3]), infl.on_prediction(exog[:3]))
    polars = read(results, pl.from_pandas(exog), pl.Series(labels()))
    np.testing.assert_array_equal(polars.theta, infl.theta)


def test_given_rows_must_agree():
    results = sm.OLS(linear(), X).fit()
    np.testing.assert_array_equal(read(results, X, linear()).theta, results.params)
    with pytest.raises(fi.InputError, match=r"shape \(72, 2\).*fitted on \(72, 3\).*const"):
        read(results, X[:, 1:])
    with pytest.raises(fi.InputError, match=r"X differs .* row 5, column 'x1'.*leave X out"):
        read(results, X + 0.1 * ((np.arange(N) == 5)[:, None] & (np.arange(3) == 1)))
    for y in (linear() + 1.0, linear()[:-1], np.where(labels() > 0, "yes", "no")):
        with pytest.raises(fi.InputError, match=r"y differs .*leave y out"):
            read(results, None, y)
    trials = draw("trials", means(sm.families.links.Logit()))
    binomial = sm.GLM(trials, X, family=F.Binomial()).fit(**TIGHT)
    assert read(binomial, X, trials).n_rows == N
    assert read(binomial, X, binomial.model.endog).n_rows == N
