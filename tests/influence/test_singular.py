"""Curvature that is singular or bends downwards: said in words, answered in minimum norm."""

from dataclasses import replace

import numpy as np
import pytest
from cases import FURTHER, assert_close, build

import fastinfluence as fi


def collinear(scale=1.0, n=40):
    """Return X of rank 3 with 4 columns, a target, and a least-squares theta with intercept."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 3))
    X = np.column_stack([X, scale * (X[:, 0] - 2 * X[:, 1])])
    y = X[:, :3] @ np.ones(3) + rng.normal(size=n)
    theta, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(n)]), y, rcond=None)
    return X, y, theta


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_minimum_norm_where_columns_are_collinear(scale):
    X, y, theta = collinear(scale)
    infl = fi.Influence(fi.GLM("squared"), X, y, theta)
    D = np.column_stack([X, np.ones(len(X))])
    inverse = np.linalg.pinv(D.T @ D / len(X), rcond=1e-11)
    V = np.random.default_rng(0).normal(size=(5, 3))
    with pytest.warns(fi.FastInfluenceWarning, match=r"(?i)collinear|singular|rank"):
        solution = infl.ihvp(V)
    assert_close(solution.x, inverse @ V, rtol=1e-6)
    g = (D @ theta - y)[:, None] * D
    assert_close(infl.on_params([0, 7]), g[[0, 7]] @ inverse / len(X), rtol=1e-6)


def test_the_warning_names_the_columns():
    pandas = pytest.importorskip("pandas")
    X, y, theta = collinear()
    frame = pandas.DataFrame(X, columns=["age", "height", "weight", "sum"])
    with pytest.warns(fi.FastInfluenceWarning) as caught:
        fi.Influence(fi.GLM("squared"), frame, y, theta).on_params([0])
    text = str(caught[0].message)
    assert all(name in text for name in ("age", "height", "sum"))
    assert "weight" not in text.replace("sample_weight", "")


def test_one_warning_for_many_questions():
    X, y, theta = collinear()
    infl = fi.Influence(fi.GLM("squared"), X, y, theta)
    with pytest.warns(fi.FastInfluenceWarning):
        infl.on_params([0])
    infl.on_prediction(X[:2])  # a second warning would be an error here
    infl.self_influence()


def test_exact_removal_of_collinear_rows_moves_predictions_rightly():
    """theta is not unique, but what it predicts is."""
    X, y, theta = collinear()
    infl = fi.Influence(fi.GLM("squared"), X, y, theta)
    plain = fi.Influence.fit(fi.GLM("squared"), X[:, :3], y)
    for method in ("newton", "exact"):
        with pytest.warns(fi.FastInfluenceWarning, match="collinear"):
            change = infl.leave_one_out(rows=[0, 9], method=method).on_prediction(X[:5])
        expected = plain.leave_one_out(rows=[0, 9], method=method).on_prediction(X[:5, :3])
        assert_close(change, expected, rtol=1e-6, atol=1e-9)


def bent():
    """Return a case whose Hessian has a negative eigenvalue, and that eigenvalue."""
    b = build(next(c for c in FURTHER if c.loss == "inverse_gaussian"))
    theta = b.theta.copy()
    theta[-1] += 3.0
    problem = replace(b.problem, theta=theta)
    return b, theta, float(np.linalg.eigvalsh(problem.hessian())[0])


def test_negative_curvature_is_reported():
    b, theta, smallest = bent()
    assert smallest < 0
    with pytest.warns(fi.FastInfluenceWarning, match="far from the optimum"):
        infl = fi.Influence(b.spec(), b.X, b.y, theta, **b.data())
    with pytest.warns(fi.FastInfluenceWarning, match=r"(?i)negative.*damping"):
        scores = infl.on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    assert np.isfinite(scores).all()
    assert "negative" in str(infl.report())


def test_damping_makes_it_positive():
    b, theta, smallest = bent()
    damping = -2 * smallest
    with pytest.warns(fi.FastInfluenceWarning, match="far from the optimum"):
        infl = fi.Influence(b.spec(), b.X, b.y, theta, damping=damping, **b.data())
    H = replace(b.problem, theta=theta).hessian() + damping * np.eye(len(theta))
    V = np.eye(len(theta))
    assert_close(infl.ihvp(V).x, np.linalg.inv(H), rtol=1e-9)


def test_polish_leaves_negative_curvature():
    b, theta, _ = bent()
    with pytest.warns(fi.FastInfluenceWarning, match="far from the optimum"):
        infl = fi.Influence(b.spec(), b.X, b.y, theta, **b.data())
    assert_close(infl.polish().theta, b.theta, rtol=1e-6)
