"""A bag of words with 100,000 columns: nothing of size p×p, no row block written out."""

import numpy as np
import pytest
from scipy import sparse

import fastinfluence as fi
from fastinfluence.curvature import Curvature
from fastinfluence.engines.glm import GLMEngine

N, D = 300, 100_000
SPEC = fi.GLM("logistic", l2=1e-3)


def bag_of_words() -> tuple[sparse.csr_array, np.ndarray]:
    """Return word counts whose first words say the label, and the labels."""
    rng = np.random.default_rng(0)
    words = (D * rng.random((N, 60)) ** 4).astype(np.int32)
    rows = np.repeat(np.arange(N), 60)
    X = sparse.coo_array((np.ones(N * 60), (rows, words.ravel())), shape=(N, D)).tocsr()
    y = (X @ np.where(np.arange(D) < 50, rng.normal(size=D), 0.0) > 0).astype(int)
    return X, y


@pytest.fixture(scope="module")
def bag():
    return bag_of_words()


@pytest.fixture
def no_matrix(monkeypatch):
    """Make every attempt at a p×p matrix fail."""

    def refuse(*_):
        raise AssertionError("a p×p matrix was asked for")

    monkeypatch.setattr(Curvature, "dense", refuse)
    monkeypatch.setattr(GLMEngine, "weighted_gram", refuse)
    monkeypatch.setattr(GLMEngine, "hessian", refuse)


def by_cg(bag, tol=1e-10):
    return fi.Influence.fit(SPEC, *bag, solver=fi.solvers.CG(tol=tol))


def change(infl, rows):
    """Return the optimum without some rows, by a fit of the rows that stay."""
    X, y = bag_of_words()
    keep = np.setdiff1d(np.arange(N), rows)
    spec = fi.GLM("logistic", l2=1e-3)
    return fi.Influence.fit(spec, X[keep], y[keep], solver=fi.solvers.CG(tol=1e-10)).theta


@pytest.mark.usefixtures("no_matrix")
def test_auto_needs_no_matrix(bag):
    infl = fi.Influence.fit(SPEC, *bag)
    assert infl.gradient_norm <= 1e-9
    scores = infl.on_loss(bag[0][:3], bag[1][:3])
    own = infl.self_influence()
    np.testing.assert_allclose(own[:3], np.diagonal(scores), rtol=1e-6)


@pytest.mark.usefixtures("no_matrix")
def test_scores(bag):
    X, y = bag
    infl = by_cg(bag)
    assert infl.gradient_norm <= 1e-9
    scores = infl.on_loss(X[:5], y[:5])
    top = infl.on_loss(X[:5], y[:5], out=fi.TopK(3))
    np.testing.assert_array_equal(top.helpful.rows[:, 0], scores.argmax(axis=1))
    moved = infl.on_params([0, 1])
    assert moved.shape == (2, D + 1)
    validation = infl.validate(X[:20], y[:20], rows=6, method="newton")
    assert validation.pearson > 0.99


@pytest.mark.usefixtures("no_matrix")
@pytest.mark.parametrize("rows", [[7], [3, 4, 5, 6]])
def test_removal(bag, rows):
    infl = by_cg(bag)
    truth = change(infl, rows)
    exact = infl.leave_group_out([rows], method="exact")
    assert exact.gradient_norms[0] <= 1e-10
    np.testing.assert_allclose(exact.theta[0], truth, atol=1e-8)
    newton = infl.leave_group_out([rows], method="newton")
    first = infl.leave_group_out([rows])
    size = np.abs(truth - infl.theta).max()
    assert np.abs(newton.theta[0] - truth).max() < 0.2 * size
    assert np.abs(newton.theta[0] - truth).max() < np.abs(first.theta[0] - truth).max()


def test_what_needs_a_factor_says_so(bag):
    infl = by_cg(bag)
    for ask in (infl.diagnostics, infl.cross_validation, infl.covariance):
        with pytest.raises(fi.UnsupportedError, match="GiB"):
            ask()


@pytest.mark.parametrize("method", ["newton", "exact"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_removal_by_products_is_removal_by_factor(monkeypatch, method, reduction):
    """The same answers where both fit; away from the optimum too."""
    rng = np.random.default_rng(1)
    X, w = rng.normal(size=(40, 3)), rng.uniform(0.5, 2.0, size=40)
    y = (X[:, 0] + rng.normal(size=40) > 0).astype(int)
    spec = fi.GLM("logistic", l2=0.1, reduction=reduction)
    theta = fi.Influence.fit(spec, X, y, w).theta + (0.01 if method == "newton" else 0.0)
    groups = [[0], [1, 2], [3, 4, 5, 6, 7, 8]]
    infl = fi.Influence(spec, X, y, theta, w)
    expected = infl.leave_group_out(groups, method=method).theta
    monkeypatch.setattr("fastinfluence.removal.system.MAX_DIRECT_BYTES", 8)
    found = infl.leave_group_out(groups, method=method).theta
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_dear_self_influence_is_refused(monkeypatch):
    """Only where the choice was left open, and saying what to do."""
    from fastinfluence import scoring
    from fastinfluence.solvers.choose import Choice

    rng = np.random.default_rng(2)
    X = sparse.random_array((50, 4), density=0.5, rng=rng, format="csr")
    y = rng.integers(0, 2, size=50)
    monkeypatch.setattr(scoring, "MAX_CG_OPERATIONS", 10.0)
    infl = fi.Influence.fit(SPEC, X, y)
    cg = Choice(fi.solvers.CG(), "CG: for the test")
    infl.__dict__.update(_choice=cg, _choice_for_rows=cg)
    with pytest.raises(fi.UnsupportedError, match=r"50 rows.*fi\.solvers\.CG"):
        infl.self_influence()
    asked = fi.Influence.fit(SPEC, X, y, solver=fi.solvers.CG(tol=1e-12))
    direct = fi.Influence.fit(SPEC, X, y, solver=fi.solvers.Direct())
    np.testing.assert_allclose(asked.self_influence(), direct.self_influence(), rtol=1e-8)
