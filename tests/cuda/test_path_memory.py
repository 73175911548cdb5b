"""Tables larger than the device: streamed in blocks, and one error where nothing fits."""

from typing import Any

import numpy as np
import pytest
from cuda.host_module import compiler
from cuda.path_cases import built
from cuda.standin import ON_HARDWARE, installed
from cuda.standin.modules import Stream

import fastinfluence as fi
from fastinfluence.rows.device import DeviceRows
from fastinfluence.rows.streamed import StreamedRows

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="g++ runs the CUDA sources"),
    pytest.mark.skipif(ON_HARDWARE, reason="a device keeps no account"),
]

QUESTIONS = {
    "on_loss": lambda i, c: i.on_loss(c.X_test, c.y_test),
    "top": lambda i, c: i.on_loss(c.X_test, c.y_test, out=fi.TopK(3)).helpful.values,
    "self_influence": lambda i, c: i.self_influence(),
    "dense": lambda i, c: i.hessian.dense(),
    "on_params": lambda i, c: i.on_params([3, 0, 59]),
    "leave out": lambda i, c: i.leave_one_out([3], method="newton").theta,
    "without": lambda i, c: i.without([3, 9]).on_prediction(c.X_test),
}


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows, so that a small table has many."""
    monkeypatch.setattr("fastinfluence.rows.streamed.LEAST_ROWS", 4)
    monkeypatch.setattr("fastinfluence.rows.streamed.BLOCK_BYTES", 16)
    monkeypatch.setattr("fastinfluence.rows.paired.RESIDENT", 0.0)
    monkeypatch.setattr("fastinfluence.backend.LEAST_BYTES", 1)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("model", ["logistic", "multinomial", "MLP"])
def test_streamed_rows_give_the_same(model: str, storage: str) -> None:
    """Every block is the right one, also where copies are late: they run when waited for."""
    case = built(model, storage)
    here = case.on("cpu")
    with installed() as (_, ledger):
        there = case.on("cuda")
        rows = there._passes.problem.rows
        assert isinstance(rows, StreamedRows)
        assert rows.block_rows < len(case.y) / 3
        for name, ask in QUESTIONS.items():
            wanted, found = ask(here, case), ask(there, case)
            np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-12, err_msg=name)
        before = len(ledger.up)
        there.hessian.matmat(np.ones((len(case.theta), 1)))
        assert len(ledger.up) - before > len(case.y) / rows.block_rows  # in every pass again


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("sampling", ["weight", "curvature"])
def test_lissa_gathers_what_it_draws(sampling: str) -> None:
    """Rows that are not on the device are fetched for each stretch of draws."""
    case = built("logistic")
    solver = fi.solvers.LiSSA(depth=30, repeats=2, sampling=sampling, tol=1e3)
    wanted = case.on("cpu", solver=solver).ihvp(case.theta)
    with installed():
        found = case.on("cuda", solver=solver).ihvp(case.theta)
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-8)


@pytest.mark.usefixtures("small_blocks")
def test_a_forgotten_wait_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail once: a pass that does not wait for the copies reads what is not there yet."""
    case = built("logistic")
    wanted = case.on("cpu")._engine.f
    with installed():
        monkeypatch.setattr(Stream, "wait_event", lambda self, event: None)
        with pytest.raises((fi.FastInfluenceError, AssertionError)):
            np.testing.assert_allclose(case.on("cuda")._engine.f, wanted, rtol=1e-7)


def test_what_fits_stays_and_what_does_not_is_streamed() -> None:
    """By what is free when the table is first needed."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 6))
    y = (X[:, 0] > 0).astype(int)
    spec = fi.GLM("logistic", l2=1.0)
    theta = fi.Influence.fit(spec, X, y).theta
    wanted = fi.Influence(spec, X, y, theta).self_influence()
    for limit, kind in ((1 << 30, DeviceRows), (3 * X.nbytes // 2, StreamedRows)):
        with installed() as (_, ledger):
            ledger.limit = ledger.held + limit
            infl = fi.Influence(spec, X, y, theta, device="cuda")
            assert isinstance(infl._passes.problem.rows, kind)
            np.testing.assert_allclose(infl.self_influence(), wanted, rtol=1e-8)


def test_fragmented_memory_means_streaming(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free in all, but refused in one piece: blocks instead, halved until they fit."""
    case = built("logistic")
    with installed() as (cp, _):
        refused = []

        def _picky(shape: Any, dtype: Any = np.float64, **words: Any) -> Any:
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            if dtype == np.uint8 and size > 1000:
                refused.append(size)
                raise cp.cuda.memory.OutOfMemoryError(size, 0)
            return plain(shape, dtype, **words)

        monkeypatch.setattr("fastinfluence.rows.paired.RESIDENT", 0.0)
        monkeypatch.setattr("fastinfluence.rows.streamed.LEAST_ROWS", 4)
        plain, cp.empty = cp.empty, _picky
        infl = case.on("cuda")
        assert refused == [2400, 1200]
        np.testing.assert_allclose(infl.self_influence(), case.on("cpu").self_influence(), 1e-9)


def test_no_block_fits() -> None:
    """One error: what was needed, what is free, what to do."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 50))
    y = (X[:, 0] > 0).astype(int)
    spec = fi.GLM("logistic", l2=1.0)
    with installed() as (_, ledger):
        ledger.limit = ledger.held + 120_000  # y, w and f fit; 64 rows twice do not
        with pytest.raises(fi.DeviceError, match=r"does not fit.*MiB are free.*device=\"cpu\""):
            fi.Influence(spec, X, y, np.zeros(51), device="cuda")


def test_a_question_too_large_is_one_error() -> None:
    """Memory that ends inside a question: the same error, and the model still answers others."""
    case = built("logistic")
    with installed() as (_, ledger):
        infl = case.on("cuda", solver=fi.solvers.CG())
        small = infl.on_prediction(case.X_test)
        ledger.limit = ledger.held + 200_000
        many = np.tile(case.X_test, (600, 1))
        with pytest.raises(fi.DeviceError, match=r"does not fit on the device: Out of memory"):
            infl.on_prediction(many)
        np.testing.assert_array_equal(infl.on_prediction(case.X_test), small)


def test_same_bits_twice() -> None:
    """No sum depends on who came first."""
    case = built("multinomial", "sparse")
    with installed():
        first, second = (case.on("cuda").on_loss(case.X_test, case.y_test) for _ in range(2))
    np.testing.assert_array_equal(first, second)
