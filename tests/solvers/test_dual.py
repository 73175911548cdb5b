"""Direct solution over the rows: the same as over the parameters, without p×p."""

import tracemalloc
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array

import fastinfluence as fi

Direct = fi.solvers.Direct

WIDE = {
    "intercept": {},
    "no intercept": {"fit_intercept": False},
    "penalised intercept": {"penalize_intercept": True},
    "sum": {"reduction": "sum", "l2": 0.5},
    "l2 each": {"l2": np.geomspace(0.01, 1.0, 90)},
    "tiny l2": {"l2": 1e-6},
}


def wide(rng, n=30, d=90, dtype=np.float64, storage=np.asarray, **options):
    X = rng.normal(size=(n, d)).astype(dtype)
    y = (X[:, 0] + rng.normal(size=n) > 0).astype(float)
    w = rng.uniform(0.2, 2.0, size=n)
    w[::7] = 0.0
    spec = fi.GLM("logistic", **{"l2": 0.1, **options})
    theta = 0.1 * rng.normal(size=d + spec.fit_intercept)
    arguments = spec, storage(X), y, theta, w
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        return {
            f: fi.Influence(*arguments, solver=Direct(form=f)) for f in ("primal", "dual", "auto")
        }


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("options", WIDE.values(), ids=WIDE)
def test_dual_equals_primal(options, dtype, rng):
    infl = wide(rng, dtype=dtype, **options)
    V = rng.normal(size=(len(infl["dual"].theta), 4))
    dual, primal = infl["dual"].ihvp(V), infl["primal"].ihvp(V)
    assert dual.converged.all()
    assert dual.status == ("converged",) * 4
    assert dual.bound_is_certain
    np.testing.assert_allclose(dual.x, primal.x, rtol=1e-9, atol=1e-9 * np.abs(primal.x).max())
    np.testing.assert_array_equal(infl["auto"].ihvp(V).x, dual.x)


def test_dual_of_sparse_rows(rng):
    sparse, dense = (
        wide(np.random.default_rng(0), storage=csr_array),
        wide(np.random.default_rng(0)),
    )
    V = rng.normal(size=(91, 2))
    np.testing.assert_allclose(sparse["dual"].ihvp(V).x, dense["primal"].ihvp(V).x, rtol=1e-9)


@pytest.mark.parametrize("options", WIDE.values(), ids=WIDE)
def test_the_smallest_eigenvalue_is_a_lower_bound(options, rng):
    infl = wide(rng, **options)["dual"]
    found = infl._prepared.conditioning
    exact = float(np.linalg.eigvalsh(infl.hessian.dense())[0])
    assert found.certain
    assert 0 < found.lambda_min <= exact * (1 + 1e-9)


def test_it_says_which_form_it_took(rng):
    infl = wide(rng)
    assert "dual form: 30×30" in infl["auto"].report().solver
    assert "primal form: 91×91" in infl["primal"].report().solver


def test_many_rows_stay_primal(rng):
    infl = wide(rng, n=200, d=10)["auto"]
    assert "primal" in infl._prepared.conditioning.note


def test_removal_and_scores_do_not_notice(rng):
    infl = wide(rng)
    for method in ("influence", "newton"):
        both = [infl[f].leave_one_out(rows=[1, 2], method=method).theta for f in ("primal", "dual")]
        np.testing.assert_allclose(*both, rtol=1e-8, atol=1e-12)
    both = [infl[f].self_influence() for f in ("primal", "dual")]
    np.testing.assert_allclose(*both, rtol=1e-8, atol=1e-12)


def test_where_there_is_no_dual_it_is_refused_or_not_taken(rng):
    infl = wide(rng, l2=0.0)
    V = np.ones((91, 1))
    with pytest.raises(fi.UnsupportedError, match="dual"):
        infl["dual"].ihvp(V)
    with pytest.warns(fi.FastInfluenceWarning, match="singular"):
        infl["auto"].ihvp(V)


def test_memory_is_that_of_the_rows(rng):
    n, d = 40, 3000
    infl = wide(rng, n=n, d=d)["dual"]
    V = np.ones((d + 1, 2))
    infl.hessian @ V  # compiled, cached
    tracemalloc.start()
    infl.ihvp(V)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 8 * (n * n + 6 * n * d + 40 * d) + 2**20 < 8 * d * d / 4
