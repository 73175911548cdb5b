"""Every public answer is the same whether X is stored densely or in compressed sparse rows."""

import functools
import warnings
from dataclasses import replace

import numpy as np
import pytest
from cases import CASES, FURTHER, Built, build
from scipy import sparse

import fastinfluence as fi

CLOSE = 1e-10
SOME = [c for c in CASES if c.at_optimum] + [
    c
    for c in FURTHER
    if c.loss in ("poisson", "gamma", "probit", "negative_binomial", "smooth_hinge", "huber")
]
EVERY = pytest.mark.parametrize("case", SOME, ids=[c.name.replace(" ", "-") for c in SOME])
STORAGES = {
    "csr_matrix": sparse.csr_matrix,
    "csr_array": sparse.csr_array,
    "csc_matrix": sparse.csc_matrix,
    "coo_array": sparse.coo_array,
    "float32": lambda X: sparse.csr_array(X.astype(np.float32)),
}


def thinned(b: Built) -> Built:
    """Return the same problem with two thirds of X at zero, some rows empty."""
    keep = np.random.default_rng(1).random(b.X.shape) < 0.4
    keep[3] = keep[11] = False
    X = np.where(keep, b.X, 0.0).astype(np.float32).astype(np.float64)
    X_test = np.where(np.abs(b.X_test) > 0.7, b.X_test, 0.0)
    return replace(b, X=X, X_test=X_test)


@functools.cache
def pair(case) -> tuple[Built, fi.Influence, fi.Influence]:
    """Return a thinned problem at its optimum, dense and in CSR form."""
    b = thinned(build(case))
    options = {"damping": case.damping, "solver": fi.solvers.Direct(), **b.data()}
    dense = fi.Influence.fit(b.spec(), b.X, b.y, **options, tol=1e-10)
    return b, dense, fi.Influence(b.spec(), sparse.csr_array(b.X), b.y, dense.theta, **options)


def test_data(b: Built) -> dict[str, object]:
    return {"offset_test": b.offset_test}


test_data.__test__ = False


def assert_same(actual, expected, rtol=CLOSE):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    scale = np.nan_to_num(np.abs(expected)).max(initial=0.0)  # an empty row has no DFFITS
    np.testing.assert_allclose(actual, expected, rtol=0, atol=rtol * scale)


@EVERY
@pytest.mark.parametrize("storage", STORAGES)
def test_state_and_curvature(case, storage):
    b, dense, _ = pair(case)
    options = {"damping": case.damping, **b.data()}
    infl = fi.Influence(b.spec(), STORAGES[storage](b.X), b.y, dense.theta, **options)
    assert_same(infl._engine.f, dense._engine.f)
    assert abs(infl.gradient_norm - dense.gradient_norm) <= 1e-12
    assert_same(infl.hessian.dense(), dense.hessian.dense())
    assert_same(infl.hessian.diagonal(), dense.hessian.diagonal())
    V = np.random.default_rng(2).normal(size=(len(dense.theta), 3))
    assert_same(infl.hessian @ V, dense.hessian @ V)
    assert_same(infl.hessian @ V[:, 0], dense.hessian @ V[:, 0])
    assert_same(infl.ihvp(V).x, dense.ihvp(V).x)
    assert_same(infl._engine.gradient_scale, dense._engine.gradient_scale)


QUESTIONS = {
    "on_params": lambda i, b, X: i.on_params(range(12)),
    "on_loss": lambda i, b, X: i.on_loss(X, b.y_test, **test_data(b)),
    "on_loss upweight": lambda i, b, X: i.on_loss(X, b.y_test, effect="upweight", **test_data(b)),
    "total": lambda i, b, X: i.on_loss(X, b.y_test, out=fi.Total(), **test_data(b)),
    "helpful": lambda i, b, X: helpful(i.on_loss(X, b.y_test, out=fi.TopK(5), **test_data(b))),
    "on_prediction": lambda i, b, X: i.on_prediction(X, **test_data(b)),
    "on_function": lambda i, b, X: i.on_function(np.ones(len(i.theta))),
    "self_influence": lambda i, b, X: i.self_influence(),
    "influence": lambda i, b, X: i.leave_one_out(method="influence").theta,
    "newton": lambda i, b, X: i.leave_one_out(method="newton").theta,
    "exact": lambda i, b, X: i.leave_one_out(method="exact", rows=range(20)).theta,
    "groups": lambda i, b, X: i.leave_group_out(groups(b), method="newton").theta,
    "exact groups": lambda i, b, X: i.leave_group_out(groups(b), method="exact").theta,
    "first-order groups": lambda i, b, X: i.leave_group_out(groups(b)).theta,
    "removal on_loss": lambda i, b, X: i.leave_one_out(range(5), method="newton").on_loss(
        X, b.y_test, **test_data(b)
    ),
    "removal on_prediction": lambda i, b, X: i.leave_one_out([1, 2], method="newton").on_prediction(
        X, **test_data(b)
    ),
    "validate": lambda i, b, X: i.validate(X, b.y_test, rows=10, **test_data(b)).actual,
    "covariance": lambda i, b, X: i.covariance(),
    "clustered": lambda i, b, X: i.covariance(groups=np.arange(len(b.y)) % 9),
    "on_l2": lambda i, b, X: i.on_l2(X, b.y_test, True, **test_data(b)),
    "without": lambda i, b, X: i.without([0, 5, 17]).theta,
    "subset": lambda i, b, X: i.most_influential_subset(np.ones(len(i.theta)), 4).actual,
    "score": lambda i, b, X: i.cross_validation("newton").loss,
    "exact score": lambda i, b, X: i.cross_validation("exact").loss,
}


def helpful(result):
    return result.helpful.values


def groups(b):
    """Return groups of one row, of a few and, last, of more rows than parameters."""
    return [np.array([0]), np.array([1, 2, 3]), np.arange(20, 40)]


@EVERY
@pytest.mark.parametrize("question", QUESTIONS)
def test_answers(case, question):
    b, dense, csr = pair(case)
    if case.loss in ("huber", "smooth_hinge") and question in ("exact", "exact groups"):
        pytest.skip("small curvature: the two fits stop at different roundings")
    ask = QUESTIONS[question]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        expected = np.asarray(ask(dense, b, b.X_test))
        rtol = CLOSE if "xact" not in question else 1e-8
        for X in (b.X_test, sparse.csr_array(b.X_test), sparse.coo_matrix(b.X_test)):
            assert_same(ask(csr, b, X), expected, rtol)
        assert_same(ask(dense, b, sparse.csc_array(b.X_test)), expected, rtol)


DIAGNOSTICS = ("leverage", "cooks_distance", "dffits", "studentized_external", "dfbetas")


@EVERY
@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_diagnostics(case, name):
    _, dense, csr = pair(case)
    if name == "studentized_external" and "fisher" not in dense._engine._program.outputs:
        pytest.skip("no mean function")
    assert_same(getattr(csr.diagnostics(), name), getattr(dense.diagnostics(), name))


@EVERY
def test_fit(case):
    b, dense, _ = pair(case)
    options = {"tol": 1e-10, **b.data()}
    fitted = fi.Influence.fit(b.spec(), sparse.csr_matrix(b.X), b.y, **options)
    assert_same(fitted.theta, dense.theta, 1e-7)
    by_cg = fi.Influence.fit(
        b.spec(), sparse.csr_matrix(b.X), b.y, solver=fi.solvers.CG(tol=1e-10), **options
    )
    assert_same(by_cg.theta, dense.theta, 1e-7)


def test_intervals():
    case = next(c for c in SOME if c.name == "squared mean")
    b, dense, csr = pair(case)
    for X in (b.X_test, sparse.csr_array(b.X_test)):
        assert_same(csr.prediction_interval(X), dense.prediction_interval(b.X_test))


def test_sparse_products_stay_sparse(monkeypatch):
    """No pass over the rows writes out a block, however the rows are asked."""
    from fastinfluence.rows.csr import CSRFeatures

    case = next(c for c in SOME if c.name == "logistic mean")
    b = thinned(build(case))
    X, options = sparse.csr_array(b.X), {"solver": fi.solvers.CG(tol=1e-10)}

    def refuse(self):
        raise AssertionError("rows were written out")

    monkeypatch.setattr(CSRFeatures, "toarray", refuse)
    infl = fi.Influence.fit(b.spec(), X, b.y, **options)
    infl.hessian.diagonal()
    infl.on_function(np.ones(len(infl.theta)))
    infl.leave_group_out([np.arange(20)])
