"""The primitives of the multinomial engine against complex steps of an independent reference."""

import mpmath
import numpy as np
import pytest
from reference_multinomial import complex_step, lse
from softmax_cases import Case, build

import fastinfluence as fi
from fastinfluence.kernels.cpu import multinomial as kernels
from fastinfluence.rows.base import Block

RNG = np.random.default_rng(0)


def close(found, wanted, tol=1e-10):
    size = max(float(np.abs(wanted).max(initial=0.0)), 1e-300)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tol * size)


def engine_of(built):
    return built.influence()._engine


def test_the_reference_agrees_with_itself(built):
    """Its gradient is a formula, checked here against complex steps of the objective."""
    problem = built.problem
    steps = complex_step(lambda theta: np.array(problem.objective(theta)), problem.theta)
    np.testing.assert_allclose(problem.gradient(problem.theta), steps, rtol=0, atol=1e-12)


def test_objective_and_gradient(built):
    problem, infl, engine = built.problem, built.influence(), engine_of(built)
    unit = 1.0 if problem.reduction == "mean" else problem.total
    assert engine.objective == pytest.approx(problem.objective(problem.theta), rel=1e-13)
    gradient = problem.gradient(problem.theta) / unit
    np.testing.assert_allclose(engine.gradient, gradient, rtol=0, atol=1e-13)
    assert infl.gradient_norm == pytest.approx(np.linalg.norm(gradient) * unit, abs=1e-11)
    scale = np.abs(problem.row_gradients(problem.theta)).T @ problem.weights / problem.total
    close(engine.gradient_scale, scale + np.abs(problem.l2 * problem.theta) / unit)


def test_hessian_and_its_products(built):
    H, operator = built.problem.hessian(), built.influence().hessian
    V = RNG.normal(size=(len(H), 7))
    close(operator.dense(), H)
    assert (operator.dense() == operator.dense().T).all()
    close(operator.matmat(V), H @ V)
    close(operator.matvec(V[:, 0]), H @ V[:, 0])
    close(operator.diagonal(), np.diag(H))


def test_sampled_products(built):
    problem, operator = built.problem, built.influence().hessian
    V, rows = RNG.normal(size=(operator.shape[0], 3)), np.array([0, 5, 5, 3])
    weights = np.array([0.5, 1.0, 2.0, 0.25])
    total = operator.shift[:, None] * V
    for row, c in zip(rows, weights, strict=True):
        one = problem.without(np.delete(np.arange(problem.n_rows), row))
        gradient = complex_step(lambda t, one=one: one.losses(t)[0], problem.theta)
        p = one.probabilities(problem.theta, one.X, one.offset)[0]
        x = one.design(one.X)[0]
        slope = np.outer(x, p - np.eye(len(p))[one.y[0]]).ravel()
        close(slope, gradient)
        total += c * np.kron(np.outer(x, x), np.diag(p) - np.outer(p, p)) @ V
    close(operator.matmat(V, rows, weights), total)


def test_row_dot_and_row_gradients(built):
    problem, engine = built.problem, engine_of(built)
    S = RNG.normal(size=(engine.n_params, 5))
    gradients = problem.row_gradients(problem.theta)
    whole = Block(0, problem.n_rows, engine.problem.rows.take(slice(None)))
    part = Block(3, 9, engine.problem.rows.take(slice(3, 9)))
    close(engine.row_dot(whole, S), (gradients @ S).T)
    close(engine.row_dot(part, S), (gradients[3:9] @ S).T)
    close(engine.row_gradients(np.array([4, 1])), gradients[[4, 1]])
    close(engine.block_gradients(part), gradients[3:9])


def test_mixed_vjp(built):
    """∇x(∇θ l_i·s), by complex steps in x of the directional derivative in theta."""
    problem, engine = built.problem, engine_of(built)
    s, rows = RNG.normal(size=engine.n_params), np.array([2, 0, 7])
    found = engine.mixed_vjp(rows, s)
    for k, i in enumerate(rows):

        def directional(x, i=i):
            design = np.append(x, 1.0) if problem.fit_intercept else x
            f = design @ problem.theta.reshape(-1, problem.K) + problem.offset[i]
            p = np.exp(f - lse(f[None])[0])
            p[problem.y[i]] -= 1.0
            return p @ (design @ s.reshape(-1, problem.K))

        close(found[k], complex_step(directional, problem.X[i]))


def test_test_gradients(built):
    problem, engine = built.problem, engine_of(built)
    test = engine.problem.test_rows(
        built.X_test, built.names[built.y_test], offset_test=built.offset_test
    )
    wanted = problem.loss_gradients(built.X_test, built.y_test, built.offset_test)
    close(engine.loss_gradients(test), wanted)
    for output in ("raw", "mean"):
        wanted = problem.prediction_gradients(built.X_test, output, built.offset_test)
        close(engine.prediction_gradients(test, output), wanted.reshape(-1, engine.n_params))


def test_row_curvature(built):
    problem, engine = built.problem, engine_of(built)
    P = problem.probabilities(problem.theta, problem.X, problem.offset)
    X = problem.design(problem.X)
    blocks = [
        np.kron(np.outer(x, x), np.diag(p) - np.outer(p, p)) for x, p in zip(X, P, strict=True)
    ]
    norms = np.array([np.linalg.norm(A, 2) for A in blocks])
    bounds = engine.row_curvature.norms
    assert (bounds >= norms * (1 - 1e-12)).all()
    assert (bounds <= 2 * norms + 1e-300).all()
    V, scale = RNG.normal(size=(engine.n_params, 2)), RNG.random(len(X))
    squares = sum(c * A @ A for c, A in zip(scale, blocks, strict=True))
    close(engine.row_curvature.squares(V, scale), squares @ V)


def test_root(built):
    engine, H = engine_of(built), built.problem.hessian()
    root, p = engine.curvature_root, engine.n_params
    Z = root.apply(np.eye(p))
    shift = np.diag(engine.problem.penalty + built.case.damping)
    close(Z.T @ Z + shift, H)
    U = RNG.normal(size=(root.n_rows, 2))
    close(root.adjoint(U), Z.T @ U)
    weights = RNG.random(p)
    close(root.gram(weights), Z * weights @ Z.T)


def exact_row(f, y):
    """Loss, p − e_y and diag(p) − ppᵀ in digits enough for exp(-1600)."""
    with mpmath.workdps(1500):
        e = [mpmath.exp(mpmath.mpf(v)) for v in f]
        total = mpmath.fsum(e)
        p = [v / total for v in e]
        value = mpmath.log(total) - mpmath.mpf(f[y])
        d1 = [v - (1 if k == y else 0) for k, v in enumerate(p)]
        d2 = [[(v if k == j else 0) - v * u for j, u in enumerate(p)] for k, v in enumerate(p)]
        return float(value), np.array(d1, dtype=float), np.array(d2, dtype=float)


EXTREMES = [0.0, 1e-12, 0.3, -2.0, 7.0, -36.0, 40.0, 300.0, -700.0, 800.0, -800.0]


@pytest.mark.parametrize("seed", range(12))
def test_extreme_logits_keep_their_digits(seed):
    """Every entry to 1e-12 of itself against mpmath, up to |f| = 800, whatever the class."""
    rng = np.random.default_rng(seed)
    K = 2 + seed % 4
    f = rng.choice(EXTREMES, size=K)
    for y in range(K):
        value, D = np.empty((1, 1)), np.empty((1, K, 1))
        kernels.softmax_block(f.reshape(1, K, 1), np.array([y]), value, D)
        P, top = f.reshape(1, K).copy(), np.empty(1, dtype=np.intp)
        kernels.probabilities_block(P, top)
        F = np.eye(K).reshape(1, K, K).copy()
        kernels.curve_block(P, top, np.ones(1), F)
        exact = exact_row(f.tolist(), y)
        for found, wanted in zip((value[0, 0], D[0, :, 0], F[0]), exact, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-300)


def test_confident_rows_do_not_break_a_fit():
    """Logits of ±800 at given theta: finite scores, and an objective that is right."""
    case = build(Case("mean"))
    theta = 1e3 * np.random.default_rng(1).normal(size=len(case.problem.theta))
    with pytest.warns(fi.FastInfluenceWarning, match="far from the optimum"):
        infl = fi.Influence(case.spec(), case.X, case.names[case.problem.y], theta)
    assert np.abs(infl._engine.f).max() > 800
    assert infl._engine.objective == pytest.approx(case.problem.objective(theta), rel=1e-12)
    assert np.isfinite(infl.on_loss(**case.test())).all()
