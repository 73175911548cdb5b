"""Diagnostics against what deletion really does, in every reduction, with weights and penalty."""

import numpy as np
import pytest
from cases import CASES, build

import fastinfluence as fi

AT_OPTIMUM = [c for c in CASES if "away" not in c.name]
SQUARED = [c for c in AT_OPTIMUM if c.loss == "squared" and not c.damping]


@pytest.mark.parametrize("case", SQUARED, ids=lambda c: c.name)
def test_squared_loss_is_exact(case):
    b = build(case)
    infl = b.influence()
    found, exact = infl.diagnostics(), infl.leave_one_out(method="exact")
    delta = exact.theta_old - exact.theta
    np.testing.assert_allclose(found.dfbeta, delta, atol=1e-9 * np.abs(delta).max())
    f = infl._engine.f
    design = infl._engine.design(infl._problem.rows.take(slice(None)))
    np.testing.assert_allclose(
        found.loo_prediction, f - np.einsum("ij,ij->i", design, delta), rtol=0, atol=1e-9
    )
    A = infl._problem.W * infl.hessian.dense()
    cook = np.einsum("ij,jk,ik->i", delta, A, delta) / (found.p_eff * found.dispersion)
    np.testing.assert_allclose(found.cooks_distance, cook, rtol=0, atol=1e-9 * cook.max())


@pytest.mark.parametrize("case", AT_OPTIMUM, ids=lambda c: c.name)
def test_leverage_is_the_hat_matrix_diagonal(case):
    b = build(case)
    infl = b.influence()
    design, engine = infl._engine.design(infl._problem.rows.take(slice(None))), infl._engine
    A = infl._problem.W * b.influence(damping=0.0).hessian.dense()
    c = infl._problem.w * engine.d2
    expected = c * np.einsum("ij,ji->i", design, np.linalg.solve(A, design.T))
    found = infl.diagnostics()
    np.testing.assert_allclose(found.leverage, expected, rtol=1e-8, atol=1e-12)
    assert found.p_eff == pytest.approx(expected.sum())


@pytest.mark.parametrize("loss", ["logistic", "poisson", "squared"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_newton_is_near_true_deletion(loss, reduction, rng):
    X = rng.normal(size=(120, 3))
    eta = 0.5 * X.sum(axis=1)
    draw = {
        "logistic": lambda: (eta + rng.logistic(size=120) > 0).astype(float),
        "poisson": lambda: rng.poisson(np.exp(eta)).astype(float),
        "squared": lambda: eta + rng.normal(size=120),
    }
    spec = fi.GLM(loss, l2=0.01, reduction=reduction)
    infl = fi.Influence.fit(spec, X, draw[loss](), sample_weight=rng.uniform(0.5, 2, 120))
    exact = infl.leave_one_out(method="exact")
    truth = (exact.theta_old - exact.theta).ravel()
    ours = infl.diagnostics().dfbeta.ravel()
    assert truth @ ours / (ours @ ours) == pytest.approx(1.0, abs=0.02)


def test_a_row_of_weight_zero_has_no_influence(rng):
    X, w = rng.normal(size=(30, 2)), np.ones(30)
    w[4] = 0.0
    y = X[:, 0] + rng.normal(size=30)
    found = fi.Influence.fit(fi.GLM("squared"), X, y, sample_weight=w).diagnostics()
    assert found.leverage[4] == 0
    assert found.cooks_distance[4] == 0
    assert not found.dfbeta[4].any()
    kept = np.flatnonzero(w)
    alone = fi.Influence.fit(fi.GLM("squared"), X[kept], y[kept]).diagnostics()
    np.testing.assert_allclose(found.cooks_distance[kept], alone.cooks_distance, rtol=1e-9)


def test_a_loss_without_a_mean_has_leverage_but_no_pearson_residual(rng):
    X = rng.normal(size=(60, 2))
    y = X[:, 0] + rng.standard_t(2, size=60)
    found = fi.Influence.fit(fi.GLM(fi.losses.huber()), X, y).diagnostics()
    assert np.isfinite(found.cooks_distance).all()
    with pytest.raises(fi.UnsupportedError, match="huber"):
        _ = found.pearson
    with pytest.raises(fi.UnsupportedError, match="least squares"):
        _ = found.covratio


def test_leverage_one_is_named_not_hidden(rng):
    X = np.zeros((12, 2))
    X[:, 0] = rng.normal(size=12)
    X[0, 1] = 1.0  # a column that only row 0 fills: nothing else determines it
    infl = fi.Influence.fit(fi.GLM("squared"), X, rng.normal(size=12))
    found = infl.diagnostics()
    assert found.leverage[0] == pytest.approx(1.0)
    assert np.isnan(found.cooks_distance[0])
    assert np.isfinite(found.cooks_distance[1:]).all()


def test_flags_and_frame_keep_the_callers_names(rng):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"], index=list(range(100, 140)))
    y = X["a"].to_numpy() + rng.normal(size=40)
    y[7] += 30
    found = fi.Influence.fit(fi.GLM("squared"), X, y).diagnostics()
    frame = found.to_frame()
    assert list(frame.index) == list(X.index)
    assert {"dfbetas_a", "dfbetas_b", "dfbetas_intercept", "covratio"} <= set(frame.columns)
    assert frame["cooks_distance"].idxmax() == 107
    assert found.flagged("cooks_distance")[7]
    assert found.flagged("dfbetas").shape == (40,)
    with pytest.raises(fi.InputError, match="threshold"):
        found.flagged("nothing")


def test_frame_of_polars(rng):
    polars = pytest.importorskip("polars")
    X = polars.DataFrame({"a": rng.normal(size=20), "b": rng.normal(size=20)})
    frame = fi.Influence.fit(fi.GLM("squared"), X, rng.normal(size=20)).diagnostics().to_frame()
    assert isinstance(frame, polars.DataFrame)
    assert len(frame) == 20
