"""Real sparse tables: CG agrees with direct solution, and CSR with dense."""

import numpy as np
import pytest
from scipy import sparse

import fastinfluence as fi


def part(z, name):
    """Return one of the two tables of a file, in which all numbers may be ones."""
    indices, indptr = (z[f"{name}_{what}"].astype(np.int32) for what in ("indices", "indptr"))
    data = z[f"{name}_data"] if f"{name}_data" in z.files else np.ones(len(indices))
    shape = (len(indptr) - 1, int(z["n_features"]))
    return sparse.csr_array((data.astype(np.float64), indices, indptr), shape=shape)


@pytest.fixture(scope="module", params=["a9a.npz", "enron1_bow_approx.npz"])
def table(request, data_folder):
    path = data_folder / request.param
    if not path.is_file():
        pytest.skip(f"{path} is not there: see the README of that folder")
    with np.load(path) as z:
        return part(z, "train"), z["y_train"], part(z, "test"), z["y_test"]


def test_cg_agrees_with_direct(table):
    X, y, X_test, y_test = table
    spec = fi.GLM("logistic", l2=1e-3)
    X, X_test = X[:, :2000], X_test[:, :2000]
    direct = fi.Influence.fit(spec, X, y, solver=fi.solvers.Direct("primal"))
    assert direct.gradient_norm <= 1e-9
    options = {"solver": fi.solvers.CG(tol=1e-10)}
    by_cg = fi.Influence(spec, X, y, direct.theta, **options)
    some = X_test[:20], y_test[:20]
    expected = direct.on_loss(*some)
    scale = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(by_cg.on_loss(*some) / scale, expected / scale, atol=1e-6)
    fitted = fi.Influence.fit(spec, X, y, **options)
    np.testing.assert_allclose(fitted.theta, direct.theta, atol=1e-7)


def test_csr_agrees_with_dense(table):
    X, y, X_test, y_test = table
    X, y, X_test = X[:3000, :500], y[:3000], X_test[:10, :500]
    spec = fi.GLM("logistic", l2=1e-2)
    csr = fi.Influence.fit(spec, X, y, solver=fi.solvers.Direct())
    dense = fi.Influence(spec, X.toarray(), y, csr.theta, solver=fi.solvers.Direct())
    for ask in (
        lambda i: i.on_loss(X_test, y_test[:10]),
        lambda i: i.self_influence(),
        lambda i: i.leave_one_out(range(30), method="exact").theta,
        lambda i: i.diagnostics().cooks_distance,
    ):
        expected = ask(dense)
        np.testing.assert_allclose(ask(csr), expected, atol=1e-9 * np.abs(expected).max())
