"""LiSSA: its expectation, its errors, its stability, its random numbers."""

import warnings

import numpy as np
import pytest
from cases import CASES, Case, build
from scipy.linalg import eigh

import fastinfluence as fi
from fastinfluence.curvature import Curvature
from fastinfluence.solvers import recursion
from fastinfluence.solvers.draws import Draws
from fastinfluence.solvers.stability import assess

LiSSA = fi.solvers.LiSSA
SHORT = Case("logistic short", "logistic", weights="real", offset=True, damping=0.02, n=50, d=3)
SUM = Case("poisson sum short", "poisson", "sum", l2=3.0, weights="some zero", n=50, d=3)
UNBIASED = {
    "weights": {},
    "curvature": {"sampling": "curvature"},
    "batch": {"batch": 4},
}


def expectation(H, V, scale, depth):
    """E cur/s = H⁻¹ (I − (I − H/s)^(depth+1)) V, from the recursion itself."""
    cur = V.copy()
    for _ in range(depth):
        cur = V + cur - H @ cur / scale
    return cur / scale


@pytest.mark.parametrize("case", [SHORT, SUM], ids=["mean", "sum"])
@pytest.mark.parametrize("options", UNBIASED.values(), ids=UNBIASED)
def test_mean_over_seeds_is_the_truncated_series(case, options, rng):
    b = build(case)
    V, depth, seeds = rng.normal(size=(len(b.theta), 2)), 40, 60
    infl = b.influence(solver=LiSSA(depth=depth, repeats=50, **options))
    scale = infl._prepared.scale
    runs = []
    for seed in range(seeds):
        config = LiSSA(depth=depth, repeats=50, seed=seed, scale=scale, **options)
        runs.append(config.prepare(infl.hessian).solve(V).x)
    mean, error = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1) / np.sqrt(seeds)
    expected = expectation(b.problem.hessian(), V, scale, depth)
    assert np.all(np.abs(mean - expected) <= 4 * error)
    assert np.linalg.norm(error) <= 0.05 * np.linalg.norm(expected)  # else nothing was tested


def test_standard_error_is_that_of_the_mean(rng):
    b = build(SHORT)
    operator, V = b.influence().hessian, rng.normal(size=(len(b.theta), 1))
    runs = [LiSSA(depth=300, repeats=20, seed=s).prepare(operator).solve(V) for s in range(60)]
    seen = np.std([r.x for r in runs], axis=0, ddof=1)
    told = np.sqrt(np.mean([r.std_error**2 for r in runs], axis=0))
    np.testing.assert_allclose(told, seen, rtol=0.4)


def test_one_repeat_has_no_standard_error():
    b = build(SHORT)
    solution = b.influence(solver=LiSSA(depth=200, repeats=1)).ihvp(np.ones((len(b.theta), 1)))
    assert solution.std_error is None
    assert np.isfinite(solution.bias_bound).all()


@pytest.mark.parametrize("options", [{}, {"replacement": False}, {"sampling": "curvature"}])
def test_same_bits_at_any_number_of_threads(options, rng):
    b = build(SHORT)
    V = rng.normal(size=(len(b.theta), 3))
    config = LiSSA(depth=5000, repeats=5, seed=3, **options)
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - it must stay as it is
    one, two = (b.influence(solver=config, n_threads=k).ihvp(V) for k in (1, 2))
    np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(one.std_error, two.std_error)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    other = b.influence(solver=LiSSA(depth=5000, repeats=5, seed=4, **options)).ihvp(V)
    assert not np.array_equal(one.x, other.x)


def test_columns_do_not_depend_on_their_neighbours(rng):
    b = build(SHORT)
    V, infl = rng.normal(size=(len(b.theta), 3)), b.influence(solver=LiSSA(depth=500))
    together = infl.ihvp(V).x
    np.testing.assert_array_equal(together[:, [1]], infl.ihvp(V[:, [1]]).x)


def test_without_the_compiled_loop_the_same_numbers_come_out(rng, monkeypatch):
    b = build(SHORT)
    V, infl = rng.normal(size=(len(b.theta), 2)), b.influence(solver=LiSSA(depth=300, batch=2))
    compiled = infl.ihvp(V).x
    plain = type("Plain", (), {})()
    own = infl._engine.row_curvature
    plain.product, plain.norms, plain.squares = own.product, own.norms, own.squares
    monkeypatch.setitem(infl._engine.__dict__, "row_curvature", plain)
    assert not hasattr(infl.hessian.engine.row_curvature, "recurse")
    np.testing.assert_allclose(infl.ihvp(V).x, compiled, rtol=1e-9)


@pytest.mark.parametrize("layout", ["fortran", "float32", "strided", "swapped", "sparse"])
def test_any_storage(layout, rng):
    sparse = pytest.importorskip("scipy.sparse")
    X = rng.normal(size=(60, 4)).astype(np.float32).astype(np.float64)
    y, theta = (X[:, 0] > 0).astype(float), np.zeros(5)
    make = {
        "fortran": np.asfortranarray,
        "float32": lambda X: X.astype(np.float32),
        "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        "swapped": lambda X: X.astype(X.dtype.newbyteorder()),
        "sparse": sparse.csr_array,
    }[layout]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        both = [
            fi.Influence(fi.GLM("logistic", l2=0.1), A, y, theta, solver=LiSSA(depth=800))
            for A in (X, make(X))
        ]
    expected, actual = (infl.ihvp(np.ones((5, 2))).x for infl in both)
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


# -- the sample Hessian --------------------------------------------------------------------------


@pytest.mark.parametrize("case", [SHORT, SUM], ids=["mean", "sum"])
def test_all_rows_once_are_the_hessian(case, rng):
    b = build(case)
    operator, V = b.influence().hessian, rng.normal(size=(len(b.theta), 2))
    every = np.arange(case.n)
    np.testing.assert_allclose(operator.matmat(V, every), operator @ V, rtol=1e-10)


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("sampling", ["weight", "curvature"])
def test_factors_make_the_draws_unbiased(sampling, replacement):
    if sampling == "curvature" and not replacement:
        pytest.skip("refused")
    b = build(SUM)
    draws = Draws.of(b.influence().hessian, sampling, replacement)
    drawn = np.concatenate([r.ravel() for r in draws.blocks(40_000, 1, np.random.default_rng(0))])
    share = np.bincount(drawn, minlength=SUM.n) / len(drawn)
    w = b.sample_weight
    assert not share[w == 0].any()
    np.testing.assert_allclose(share * draws.factors, w / w.sum(), rtol=0.2, atol=1e-12)
    if not replacement:
        assert np.ptp(share[w > 0]) <= 1 / len(drawn) + 1e-15


# -- scale ---------------------------------------------------------------------------------------


def exact_scale(b, draws, batch):
    """The top eigenvalue of the pencil (E[H_b²], H), from dense matrices."""
    p, H = b.problem, b.problem.hessian()
    D, d2 = p.design(b.X), p.pointwise.d2(p.y, p.raw(p.theta))
    l2 = p.l2 if p.reduction == "mean" else p.l2 / p.total
    P = np.diag(l2 + p.damping)
    q = np.divide(p.weights / p.total, draws.factors, where=draws.factors > 0,
                  out=np.zeros(len(d2)))  # fmt: skip
    single = [f * k * np.outer(x, x) + P for f, k, x in zip(draws.factors, d2, D, strict=True)]
    square = sum(share * S @ S for share, S in zip(q, single, strict=True))
    square = H @ H + (square - H @ H) / batch
    norms = [np.linalg.norm(S, 2) for S, share in zip(single, q, strict=True) if share > 0]
    return eigh(square, H, eigvals_only=True)[-1], max(norms), np.linalg.eigvalsh(H)[-1]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("sampling", ["weight", "curvature"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name.replace(" ", "-"))
def test_scale_is_the_top_of_the_pencil(case, sampling, batch):
    b = build(case)
    operator = b.influence().hessian
    draws = Draws.of(operator, sampling, replacement=True)
    found = assess(operator, draws.factors, batch)
    best, longest, spectral = exact_scale(b, draws, batch)
    assert not found.indefinite
    assert longest <= found.ceiling * (1 + 1e-12)
    assert found.scale <= found.ceiling * (1 + 1e-12)
    assert 0.97 * best <= found.scale <= 1.11 * best
    assert spectral <= best * (1 + 1e-9)


def test_auto_never_passes_the_largest_row():
    for case in CASES:
        b = build(case)
        prepared = LiSSA().prepare(b.influence().hessian)
        low, high = prepared.stability.scale, prepared.stability.ceiling
        assert low * (1 - 1e-12) <= prepared.scale <= high * (1 + 1e-12)


@pytest.mark.parametrize("fraction", [0.02, 0.1])
def test_a_scale_too_small_is_seen_and_explained(fraction, rng):
    b = build(CASES[9])
    V = rng.normal(size=(len(b.theta), 2))
    scale = fraction * LiSSA().prepare(b.influence().hessian).stability.scale
    infl = b.influence(solver=LiSSA(scale=scale))
    solution = infl.ihvp(V)
    assert not solution.converged.any()
    assert np.isnan(solution.x).all()
    assert np.isinf(solution.residual_norms).all()
    assert all("diverged" in s and "auto" in s for s in solution.status)
    with pytest.raises(fi.SolverError, match="diverged"):
        infl.self_influence()
    with pytest.warns(fi.FastInfluenceWarning, match="diverged"):
        scores = infl.on_loss(b.X_test, b.y_test)
    assert np.isnan(scores).all()


def test_the_spectral_bound_alone_diverges(rng):
    """λ_max(H) is a stable scale for full gradients, not for single rows."""
    X = rng.standard_t(3, size=(400, 30))
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.1), X, X[:, 0] + rng.normal(size=400))
    V = np.ones((31, 1))
    top = float(np.linalg.eigvalsh(infl.hessian.dense())[-1])
    assert "diverged" in LiSSA(scale=top).prepare(infl.hessian).solve(V).status[0]
    auto = LiSSA().prepare(infl.hessian).solve(V)
    assert np.isfinite(auto.x).all()


def test_zero_is_solved_by_zero():
    b = build(CASES[9])
    solution = b.influence(solver=LiSSA(depth=50)).ihvp(np.zeros((len(b.theta), 1)))
    assert not solution.x.any()
    assert solution.converged.all()


# -- what it says about itself -------------------------------------------------------------------


def test_a_short_recursion_says_that_it_was_cut():
    b = build(CASES[9])
    infl = b.influence(solver=LiSSA(depth=5))
    solution = infl.ihvp(np.ones((len(b.theta), 1)))
    assert solution.status[0].startswith("truncated")
    assert not solution.converged.any()
    with pytest.warns(fi.FastInfluenceWarning, match="truncated"):
        infl.on_loss(b.X_test, b.y_test)
    with pytest.warns(fi.FastInfluenceWarning, match="truncated"):
        infl.leave_one_out(rows=[0])


def test_negative_curvature_is_reported_not_solved(rng):
    """Huber-like losses that bend downwards: no scale makes I − H/s a contraction."""
    X = rng.normal(size=(80, 3))
    y = X @ np.ones(3) + 3 * rng.standard_t(1.5, size=80)
    loss = fi.Loss("log(1 + (f - y)**2)", y_domain="real", name="cauchy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        infl = fi.Influence(fi.GLM(loss, l2=1e-3), X, y, 3 * np.ones(4), solver=LiSSA(depth=100))
    H = infl.hessian.dense()
    assert np.linalg.eigvalsh(H)[0] < 0
    with pytest.warns(fi.FastInfluenceWarning, match="negative eigenvalue"):
        solution = infl.ihvp(np.ones((4, 1)))
    assert np.isnan(solution.x).all()
    assert "negative curvature" in solution.status[0]
    with pytest.raises(fi.SolverError, match="negative curvature"):
        infl._prepared.apply(np.ones((4, 1)))


def test_fitting_does_not_use_it():
    b = build(CASES[9])
    infl = fi.Influence.fit(b.spec(), b.X, b.y, solver=LiSSA(depth=10))
    assert infl.fit_status.message == "converged"
    assert infl.gradient_norm <= 1e-9


def test_report_names_the_scale():
    b = build(CASES[9])
    infl = b.influence(solver=LiSSA())
    report = infl.report()
    assert f"scale {infl._prepared.scale:.4g}" in report.solver
    assert report.proof is not None
    assert not report.warnings


def test_report_of_a_solver_that_diverges_says_so():
    b = build(CASES[9])
    report = b.influence(solver=LiSSA(scale=1e-3)).report()
    assert report.proof is None
    assert any("diverged" in text for text in report.warnings)


def test_limits_hold_in_the_uncompiled_loop():
    b = build(SHORT)
    operator = Curvature(b.influence()._engine)
    V = np.ones((1, len(b.theta)))
    cur = V.copy()
    rows = np.zeros((50, 1), dtype=np.intp)
    limits = np.array([10.0])

    class Bare:
        product = operator.engine.row_curvature.product

    operator.engine.__dict__["row_curvature"] = Bare()
    recursion.advance(operator, cur, V, rows, np.ones((50, 1)), 1e-3, limits)
    assert np.isnan(cur).any()
