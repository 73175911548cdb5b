"""The curvature as a matrix against its own products, and passes over parts of any size."""

import tracemalloc

import numpy as np
import pytest
from mlp_cases import VARIANTS, Case, build

import fastinfluence as fi
from fastinfluence.curvature import Curvature
from fastinfluence.engines import mlp, mlp_dense
from fastinfluence.problem import Problem
from fastinfluence.rows.base import Block
from fastinfluence.solvers import cost
from fastinfluence.solvers.choose import choose

RNG = np.random.default_rng(11)
CASES = [
    *VARIANTS,
    Case("deep, classes", hidden=(4, 3, 5, 2), loss="multinomial", n=40),
    Case("deep, vectors", hidden=(2, 6, 3), loss="squared vectors", n=40),
    Case("one unit", hidden=(1,), activation="silu", n=9),
    Case("not canonical", loss="probit", hidden=(5, 4), activation="gelu", n=30),
]
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def engine_of(case: Case, curvature: str = "hessian") -> mlp.MLPEngine:
    built = build(case)
    data = built.data()
    problem = Problem.build(
        built.spec(), built.X, built.problem.y, data["sample_weight"], data["offset"]
    )
    return mlp.MLPEngine(problem, built.problem.theta, curvature)


def close(found, wanted, rtol=1e-12):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rtol * np.abs(wanted).max())


@EACH
@pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
def test_the_matrix_has_the_products_columns(case, curvature, monkeypatch):
    """In parts of a few rows and of a few pairs of units, too."""
    engine = engine_of(case, curvature)
    every = np.eye(engine.n_params)
    whole = engine.hessian()
    close(whole, engine.hvp(every))
    np.testing.assert_array_equal(whole, whole.T)
    monkeypatch.setattr(mlp_dense, "PART_BYTES", 1 << 9)
    monkeypatch.setattr(mlp_dense, "FEWEST", 1)
    assert mlp_dense.DenseCurvature(engine.network, True).rows_at_once() <= 128
    close(engine.hessian(), whole)


def test_the_moving_inputs_are_seen(monkeypatch):
    """The check above fails where ∂h/∂z is left out."""
    engine = engine_of(CASES[0])
    monkeypatch.setattr(mlp_dense, "_moves", lambda slopes: np.zeros((*slopes.shape[:2], 4)))
    with pytest.raises(AssertionError):
        close(engine.hessian(), engine.hvp(np.eye(engine.n_params)))


@EACH
def test_single_rows(case):
    """Rows may be named twice."""
    engine = engine_of(case)
    rows, scale = np.array([4, 0, 4, 7]), np.array([1.0, 0.5, 2.0, -0.3])
    found = engine.row_curvature.matrix(rows, scale)
    wanted = engine.row_curvature.product(np.eye(engine.n_params), rows, scale)
    close(found, wanted)


@EACH
def test_parts_of_any_size_give_the_same_product(case, monkeypatch):
    """The last part is smaller than the others, and finds the arrays that they left."""
    engine, other = engine_of(case), engine_of(case)
    V = RNG.normal(size=(engine.n_params, 3))
    whole = engine.hvp(V)
    other.__dict__["_activations"] = None
    close(other.hvp(V), whole)
    monkeypatch.setattr(mlp, "PART_BYTES", 1)
    monkeypatch.setattr(mlp, "ROWS", 5)
    close(other.hvp(V), whole)
    close(engine.hvp(V), whole)


def test_float32_rows_are_cast_part_by_part():
    n, d = 60_000, 60
    X = RNG.normal(size=(n, d)).astype(np.float32)
    problem = Problem.build(fi.MLP((4,), l2=0.1), X, np.arange(n) % 2)
    engine = mlp.MLPEngine(problem, 0.1 * RNG.normal(size=problem.n_params))
    V = RNG.normal(size=(engine.n_params, 1))
    engine.hvp(V)
    tracemalloc.start()
    engine.hvp(V)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes / 2


@EACH
def test_scores_of_many_sides_are_those_of_each(case):
    """Many go by gradients written out, few by a pass along them."""
    engine = engine_of(case)
    block = Block(2, case.n, engine.problem.rows.take(slice(2, case.n)))
    S = RNG.normal(size=(engine.n_params, 2 * mlp.SIDES))
    each = [engine.row_dot(block, s[:, None])[0] for s in S.T]
    close(engine.row_dot(block, S), np.array(each))


def test_the_costs_of_products_and_of_the_matrix_are_told_apart():
    """The matrix takes fewer passes than a product for each of its columns would let expect."""
    engine = engine_of(CASES[0])
    H = Curvature(engine, 0.0)
    size = cost.Size(12, engine.n_params, 5, engine.matrix_passes, H.engine.problem.rows.block_rows)
    assert choose(H, 5).seconds["direct"] == pytest.approx(cost.primal(size), rel=1e-12)
