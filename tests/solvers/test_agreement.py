"""Every solver on many cases, against the dense reference, to its own tolerance."""

import numpy as np
import pytest
from cases import CASES, FURTHER, assert_close, build, named

import fastinfluence as fi

CG, Nystrom = fi.solvers.CG, fi.solvers.Nystrom
EXACT = {
    "direct": (fi.solvers.Direct(), 1e-9),
    "primal": (fi.solvers.Direct(form="primal"), 1e-9),
    "cg": (CG(tol=1e-12), 1e-8),
    "cg plain": (CG(tol=1e-12, preconditioner=None), 1e-8),
    "cg nystrom": (CG(tol=1e-12, preconditioner=Nystrom(rank=3)), 1e-8),
    "cg nystrom adaptive": (CG(tol=1e-12, preconditioner=Nystrom()), 1e-8),
    "auto": ("auto", 1e-9),
}
LISSA = {
    "lissa": fi.solvers.LiSSA(depth=2000),
    "lissa by curvature": fi.solvers.LiSSA(depth=2000, sampling="curvature"),
    "lissa in epochs": fi.solvers.LiSSA(depth=2000, replacement=False),
    "lissa batch": fi.solvers.LiSSA(depth=2000, batch=3),
}


@pytest.mark.parametrize("case", **named(CASES + FURTHER))
@pytest.mark.parametrize("solver", EXACT)
def test_deterministic_solvers_agree_with_the_reference(case, solver, rng):
    b = build(case)
    config, rtol = EXACT[solver]
    V = rng.normal(size=(len(b.theta), 3))
    solution = b.influence(solver=config).ihvp(V)
    assert solution.converged.all()
    expected = np.linalg.solve(b.problem.hessian(), V)
    assert_close(solution.x.T, expected.T, rtol=rtol)


@pytest.mark.parametrize("case", **named(CASES))
@pytest.mark.parametrize("solver", LISSA)
def test_lissa_is_within_its_own_error(case, solver, rng):
    b = build(case)
    V, H = rng.normal(size=(len(b.theta), 2)), b.problem.hessian()
    solution = b.influence(solver=LISSA[solver]).ihvp(V)
    error = np.linalg.norm(solution.x - np.linalg.solve(H, V), axis=0)
    assert solution.x.shape == solution.std_error.shape == V.shape
    assert np.all(error <= solution.bias_bound + 4 * np.linalg.norm(solution.std_error, axis=0))
    assert np.all(error <= np.linalg.norm(np.linalg.solve(H, V), axis=0))  # better than nothing
    residual = np.linalg.norm(V - H @ solution.x, axis=0)
    np.testing.assert_allclose(solution.residual_norms, residual, rtol=1e-9)
    if solution.bound_is_certain:
        assert np.all(error <= solution.error_bound * (1 + 1e-9))


@pytest.mark.parametrize("solver", ["cg nystrom", "direct"])
@pytest.mark.parametrize("case", **named(CASES[:3]))
def test_solvers_do_not_change_scores(case, solver):
    b = build(case)
    options = {"offset_test": b.offset_test}
    expected = b.influence().on_loss(b.X_test, b.y_test, **options)
    actual = b.influence(solver=EXACT[solver][0]).on_loss(b.X_test, b.y_test, **options)
    assert_close(actual, expected, rtol=1e-8)


@pytest.mark.parametrize("make", [
    lambda: fi.solvers.LiSSA(depth=0),
    lambda: fi.solvers.LiSSA(repeats=0),
    lambda: fi.solvers.LiSSA(batch=1.5),
    lambda: fi.solvers.LiSSA(scale="large"),
    lambda: fi.solvers.LiSSA(scale=-1.0),
    lambda: fi.solvers.LiSSA(seed=-1),
    lambda: fi.solvers.LiSSA(seed=None),
    lambda: fi.solvers.LiSSA(sampling="uniform"),
    lambda: fi.solvers.LiSSA(sampling="curvature", replacement=False),
    lambda: fi.solvers.LiSSA(tol=0.0),
    lambda: Nystrom(rank=0),
    lambda: Nystrom(rank="all"),
    lambda: Nystrom(seed="now"),
    lambda: fi.solvers.Direct(form="triangular"),
])  # fmt: skip
def test_impossible_configurations_are_refused(make):
    with pytest.raises(fi.InputError):
        make()
