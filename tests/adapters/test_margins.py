"""Support vector machines as scikit-learn fits them: the objective, refits, temperature."""

import numpy as np
import pytest
from cases import assert_close
from margin_cases import (
    MODELS,
    REAL,
    SIGNS,
    SMOOTH,
    TEST,
    TEST_REAL,
    N,
    X,
    decision,
    fitted,
    hinge_svc,
    read,
)
from sklearn.linear_model import SGDClassifier, SGDRegressor

import fastinfluence as fi
from fastinfluence.adapters.margin_readers import MARGIN_OBJECTIVES, MARGIN_READERS

every = pytest.mark.parametrize("name", MODELS)
SGD = {"SGDClassifier": SGDClassifier, "SGDRegressor": SGDRegressor}


def sharp(name, f, y):
    """Return what the estimator minimises, a row: the hinge, or the distance from the tube."""
    if isinstance(y[0], str):
        return np.maximum(0, 1 - np.where(y == "yes", 1, -1) * f)
    return np.maximum(0, np.abs(f - y) - MODELS[name][0]().epsilon)


def test_every_reader_is_tested():
    read_here = {type(make()).__name__ for make, *_ in (*MODELS.values(), *SMOOTH.values())}
    assert read_here | set(SGD) == set(MARGIN_READERS) == set(MARGIN_OBJECTIVES)


@every
def test_decision_values_are_the_estimator_s(name):
    model, *_ = fitted(name)
    infl = read(name)
    test = infl._problem.test_rows(TEST[0])
    f = infl._engine.predictions(test, infl.theta[:, None], "raw")[:, 0]
    assert_close(f, decision(model, TEST[0]), rtol=1e-8)
    assert infl.spec.reduction == "sum"


@every
def test_the_smoothed_optimum_tends_to_the_fit(name):
    """Loss, penalty, weights and intercept are those minimised: the optima come together."""
    apart = []
    for t in (0.5, 1e-4):
        infl = read(name, temperature=t)
        test = infl._problem.test_rows(TEST[0])
        both = np.stack([infl.theta, infl.polish().theta], axis=1)
        f = infl._engine.predictions(test, both, "raw")
        apart.append(np.abs(f[:, 0] - f[:, 1]).max() / np.abs(f).max())
    assert apart[1] < 0.1 * apart[0]
    assert apart[1] < 1e-3


@every
def test_refits_are_told_in_the_sharp_loss(name):
    """leave_one_out(method="refit") retrains the estimator; the change is that of the hinge."""
    model, y, w = fitted(name)
    infl = read(name)
    test = TEST if isinstance(y[0], str) else TEST_REAL
    rows = [0, 3, 11]
    actual = infl.leave_one_out(rows, method="refit").on_loss(*test)
    before = sharp(name, decision(model, test[0]), test[1])
    gamma = getattr(model, "gamma", None)
    if gamma == "scale":
        model.set_params(gamma=1 / (3 * X.var()))
    if getattr(model, "class_weight", None) is not None:
        w, model = infl._problem.w, model.set_params(class_weight=None)
    for k, i in enumerate(rows):
        keep = np.arange(N) != i
        given = {} if w is None else {"sample_weight": w[keep]}
        after = sharp(name, decision(model.fit(X[keep], y[keep], **given), test[0]), test[1])
        np.testing.assert_allclose(actual[:, k], after - before, atol=1e-6)


@every
def test_newton_and_exact_are_told_in_the_smoothed_loss(name):
    infl = read(name, temperature=0.5).polish(tol=1e-11)
    test = TEST if isinstance(MODELS[name][1][0], str) else TEST_REAL
    rows = np.arange(0, N, 15)
    first, newton, exact = (
        infl.leave_one_out(rows, method=method).on_loss(*test)
        for method in ("influence", "newton", "exact")
    )
    scale = np.abs(exact).max()
    assert np.abs(newton - exact).max() < 0.15 * scale
    assert np.abs(first - exact).max() < 0.4 * scale
    theta = infl.leave_one_out(rows[:1], method="exact").theta[0]
    problem = infl._problem.test_rows(*test)
    both = np.stack([theta, infl.theta], axis=1)
    (values,) = infl._engine.test_pointwise(problem, both, ("value",))
    assert_close(exact[:, 0], values[:, 0] - values[:, 1], rtol=1e-9)


def test_no_warning_that_a_hinge_is_not_stationary():
    """The smoothed gradient is not zero at the hinge's weights, and need not be."""
    infl = read("LinearSVC")
    assert infl.gradient_norm > 0.01
    told = infl.report()
    assert "smoothed over 0.003" in told.model
    assert not any("stationary" in text for text in told.warnings)


def test_the_report_names_the_kernel_and_its_rank():
    infl = read("SVC rbf")
    assert f"rbf kernel, exact features of rank {len(infl.theta) - 1}" in infl.report().model
    part = read("SVC rbf", max_rank=140)
    assert "Nyström (basis frozen)" in part.report().model


def test_temperature_is_a_choice():
    one, other = read("LinearSVC", temperature=0.003), read("LinearSVC", temperature=0.2)
    assert_close(one.on_loss(*TEST), read("LinearSVC").on_loss(*TEST), rtol=1e-12)
    assert not np.allclose(one.on_loss(*TEST), other.on_loss(*TEST), rtol=1e-2)
    spread = read("SVR rbf").spec.loss.params["t"]
    assert spread == pytest.approx(0.003 * REAL.std())


def test_validation_correlates_with_refits_of_the_hinge():
    made = np.random.default_rng(2)
    Z = made.normal(size=(500, 40))
    labels = np.where(Z[:, 0] + 0.7 * made.normal(size=500) > 0, 1, -1)
    model = hinge_svc(C=0.02).fit(Z, labels)
    infl = fi.Influence.from_estimator(model, Z, labels)
    Z_test = made.normal(size=(30, 40))
    found = infl.validate(Z_test, np.sign(Z_test[:, 0]), rows=40, method="refit")
    assert found.pearson > 0.9


def test_rows_far_from_the_margin_have_no_influence():
    infl = read("SVC rbf")
    test = infl._problem.test_rows(X)
    f = infl._engine.predictions(test, infl.theta[:, None], "raw")[:, 0]
    scores = np.abs(infl.on_loss(*TEST)).max(axis=0)
    far = SIGNS * f > 1.3
    assert far.sum() > 10
    assert scores[far].max() < 1e-6 * scores.max()
    refit = infl.leave_one_out(np.flatnonzero(far)[:3], method="refit").on_loss(*TEST)
    assert np.abs(refit).max() < 1e-6
