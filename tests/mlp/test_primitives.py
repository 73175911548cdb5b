"""Every primitive of the MLP engine against jets: activation × loss × depth, and data variants."""

import numpy as np
import pytest
from mlp_cases import FISHER, GRID, VARIANTS, Built, Case, build

from fastinfluence.engines.linearize import linearize
from fastinfluence.engines.mlp import MLPEngine
from fastinfluence.problem import Problem
from fastinfluence.rows.base import Block

RNG = np.random.default_rng(7)
CASES = pytest.mark.parametrize("case", [*GRID, *VARIANTS], ids=lambda case: case.name)


def engine_of(built: Built, curvature: str = "hessian") -> MLPEngine:
    data = built.data()
    problem = Problem.build(
        built.spec(), built.X, built.problem.y, data["sample_weight"], data["offset"]
    )
    engine = linearize(problem, built.problem.theta, curvature)
    assert isinstance(engine, MLPEngine)
    return engine


def close(found: np.ndarray, wanted: np.ndarray, rtol: float = 1e-10) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rtol * max(1e-3, np.abs(wanted).max()))


@CASES
def test_products_and_gradients(case: Case):
    """Value, gradient, H V, row·s, ∇x∇θ and single gradients of one case."""
    built = build(case)
    problem, engine = built.problem, engine_of(built)
    p, n = engine.n_params, case.n
    assert p == len(problem.theta)
    rows = problem.rows()
    assert engine.objective == pytest.approx(problem.objective(), rel=1e-12)
    close(engine.gradient, problem.gradient())
    V = RNG.normal(size=(p, 3))
    close(engine.hvp(V), problem.hessian() @ V)
    whole = Block(0, n, engine.problem.rows.take(slice(None)))
    close(engine.row_dot(whole, V), (rows.g[:, :p] @ V).T)
    chosen = np.array([5, 1, 1, n - 1])
    close(engine.row_gradients(chosen), rows.g[chosen, :p])
    close(engine.mixed_vjp(chosen, V[:, 0]), rows.h[chosen, :p, p:].transpose(0, 2, 1) @ V[:, 0])
    scale = np.abs(problem.weights @ np.abs(rows.g[:, :p])) / problem.total
    assert (engine.gradient_scale >= np.abs(engine.gradient) * (1 - 1e-12)).all()
    l2 = problem.l2 / (1.0 if case.reduction == "mean" else problem.total)
    close(engine.gradient_scale, scale + np.abs(l2 * problem.theta))
    close(engine.row_sizes, np.linalg.norm(rows.g[:, :p], axis=1))


OTHERS = [(case, "gauss-newton") for case in [*GRID, *VARIANTS]]
OTHERS += [(case, "fisher") for case in [*GRID, *VARIANTS] if case.loss in FISHER]


@pytest.mark.parametrize(
    ("case", "curvature"), OTHERS, ids=lambda part: getattr(part, "name", part)
)
def test_other_curvatures(case: Case, curvature: str):
    built = build(case)
    engine, wanted = engine_of(built, curvature), built.problem.hessian(curvature)
    V = RNG.normal(size=(engine.n_params, 2))
    close(engine.hvp(V), wanted @ V)
    s = RNG.normal(size=engine.n_params)
    exact = built.problem.mixed()[[2, 0]].transpose(0, 2, 1) @ s
    close(engine.mixed_vjp(np.array([2, 0]), s), exact)


@pytest.mark.parametrize("case", VARIANTS, ids=lambda case: case.name)
@pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
def test_dense_forms(case: Case, curvature: str):
    built = build(case)
    engine, wanted = engine_of(built, curvature), built.problem.hessian(curvature)
    close(engine.hessian(), wanted)
    close(engine.diagonal(), wanted.diagonal())
    close(engine.data_hessian(), (wanted - np.diag(engine.problem.penalty)) * built.problem.total)
    rows = np.array([3, 4, 4, 0])
    scale = np.array([1.0, 0.5, 2.0, 0.1])
    V = RNG.normal(size=(engine.n_params, 2))
    if curvature == "hessian":
        each = built.problem.row_hessians()[rows]
        found = engine.row_curvature.product(V, rows, scale)
        close(found, np.einsum("n,npq->pq", scale, each) @ V)


@pytest.mark.parametrize("case", VARIANTS, ids=lambda case: case.name)
def test_other_thetas(case: Case):
    """Totals, sets of rows and test rows at several thetas."""
    built = build(case)
    problem, engine = built.problem, engine_of(built)
    p = engine.n_params
    Theta = problem.theta[:, None] + 0.1 * RNG.normal(size=(p, 3))
    at = [problem.at(theta) for theta in Theta.T]
    close(engine.total_gradients(Theta), np.stack([q.weights @ q.row_gradients() for q in at], 1))
    rows, owner, scale = np.array([0, 2, 2, 7]), np.array([0, 1, 2, 2]), np.array([1.0, 2, 3, 4])
    wanted = np.zeros((3, p))
    own = np.zeros((3, p))
    for i, j, c in zip(rows, owner, scale, strict=True):
        wanted[j] += c * at[j].row_gradients()[i]
        own[j] += c * problem.row_gradients()[i]
    close(engine.set_gradients(Theta, rows, owner, scale), wanted)
    close(engine.grouped_gradients(rows, owner, 3, scale), own)


@pytest.mark.parametrize("case", VARIANTS, ids=lambda case: case.name)
def test_test_rows(case: Case):
    built = build(case)
    problem, engine = built.problem, engine_of(built)
    p, K = engine.n_params, problem.K
    test = engine.problem.test_rows(built.X_test, built.y_test, built.offset_test)
    offset = test.offset.reshape(len(built.X_test), K)
    losses = problem.losses(built.X_test, built.y_test, offset)
    close(engine.test_losses(test, problem.theta[:, None])[:, 0], losses.v)
    close(engine.loss_gradients(test), losses.g[:, :p])
    f = problem.raw(built.X_test, offset)
    raw = engine.predictions(test, problem.theta[:, None], "raw")
    close(raw.reshape(-1, K), f.v)
    close(engine.prediction_gradients(test, "raw"), f.g[..., :p].reshape(-1, p))
    step = 1e-6
    means = [
        engine.predictions(test, (problem.theta + s * step * v)[:, None], "mean").reshape(-1)
        for v in np.eye(p)
        for s in (1, -1)
    ]
    slopes = np.stack([(a - b) / (2 * step) for a, b in zip(means[::2], means[1::2], strict=True)])
    close(engine.prediction_gradients(test, "mean"), slopes.T, 1e-7)
