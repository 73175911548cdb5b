"""Softmax models and networks on streamed tables, and solvers that take products only."""

from types import SimpleNamespace

import mlp_cases
import pytest
import softmax_cases
from cases import CASES, FURTHER, named
from stream_cases import (
    CHANGES,
    REMOVALS,
    ROOM,
    SCORES,
    assert_same,
    both,
    small_blocks,
    worst,
)

import fastinfluence as fi

RTOL = 1e-10
NYSTROM = fi.solvers.Nystrom(rank=3)
SOFTMAX = [case for case in softmax_cases.CASES if not case.offset]
NETWORKS = [
    case
    for case in mlp_cases.VARIANTS
    if case.loss != mlp_cases.VECTOR and not (case.offset and case.loss == "multinomial")
]
pytestmark = [
    pytest.mark.usefixtures(small_blocks.__name__),
    pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning"),
    pytest.mark.filterwarnings("ignore:H has:fastinfluence.FastInfluenceWarning"),
]


@pytest.mark.parametrize("case", SOFTMAX, ids=lambda case: case.name)
def test_softmax(case):
    b = softmax_cases.build(case)
    y, w = b.names[b.problem.y], b.data()["sample_weight"]
    rows = fi.rows.arrays(b.X, y, weight=w, max_memory=ROOM)
    options = {"damping": case.damping, "solver": fi.solvers.Direct()}
    streamed = fi.Influence(b.spec(), rows, theta=b.problem.theta, **options)
    test = SimpleNamespace(X_test=b.X_test, y_test=b.names[b.y_test], offset_test=None)
    asks = {**SCORES, **(REMOVALS if case.at_optimum and case.n >= 40 else {})}
    assert_same(streamed, b.influence(**options), test, asks, RTOL)
    fitted = fi.Influence.fit(b.spec(), rows).theta
    assert worst(fitted, fi.Influence.fit(b.spec(), b.X, y, w).theta) <= RTOL


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.name)
def test_network(case):
    b = mlp_cases.build(case)
    data, theta = b.data(), b.problem.theta
    rows = fi.rows.arrays(
        b.X, b.problem.y, weight=data["sample_weight"], offset=data["offset"], max_memory=ROOM
    )
    options = {"damping": 0.5, "solver": fi.solvers.Direct()}
    streamed = fi.Influence(b.spec(), rows, theta=theta, **options)
    held = fi.Influence(b.spec(), b.X, b.problem.y, theta, **data, **options)
    offset = None if b.offset_test is None else b.offset_test.ravel()
    test = SimpleNamespace(X_test=b.X_test, y_test=b.y_test, offset_test=offset)
    asks = {name: ask for name, ask in SCORES.items() if name != "polish"}
    names = ("leave_one_out influence", "leave_one_out newton")
    asks |= {name: REMOVALS[name] for name in names}
    asks |= {name: CHANGES[name] for name in ("perturbation", "replacement")}
    assert_same(streamed, held, test, asks, RTOL)


def test_network_fit(rng):
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    spec = fi.MLP((3,), loss="squared", l2=0.1)
    held = fi.Influence.fit(spec, X, y, seed=1)
    streamed = fi.Influence.fit(spec, fi.rows.arrays(X, y, max_memory=ROOM), seed=1)
    assert worst(streamed.theta, held.theta) <= 1e-8  # two descents, each to its tolerance
    again = held.polish(1e-12).theta
    assert worst(streamed.polish(1e-12).theta, again) <= RTOL


@pytest.mark.parametrize("case", **named((CASES[3], CASES[13], FURTHER[4])))
def test_conjugate_gradients(tmp_path, case):
    """To the solver's own accuracy, whatever the preconditioner."""
    for solver in (fi.solvers.CG(tol=1e-12), fi.solvers.CG(tol=1e-12, preconditioner=NYSTROM)):
        b, streamed, held = both(tmp_path, case, solver=solver)
        assert_same(streamed, held, b, {"loss": SCORES["loss"], "ihvp": SCORES["ihvp"]}, 1e-8)


def test_what_a_streamed_table_has_no_answer_for(tmp_path):
    _, streamed, _ = both(tmp_path, CASES[9])
    with pytest.raises(fi.UnsupportedError, match="streamed table"):
        streamed.self_influence(sketch=10)
