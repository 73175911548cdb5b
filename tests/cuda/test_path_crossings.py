"""What crosses between host and device: inputs once, results once, and single numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda.host_module import compiler
from cuda.path_cases import SPECS, built
from cuda.standin import ON_HARDWARE, installed

import fastinfluence as fi

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="g++ runs the CUDA sources"),
    pytest.mark.skipif(ON_HARDWARE, reason="a device keeps no account"),
]

SOLVERS = {
    "direct": fi.solvers.Direct("primal"),
    "CG": fi.solvers.CG(),
    "Nyström": fi.solvers.CG(preconditioner=fi.solvers.Nystrom(rank=4)),
}
"""Of a fixed seed where they draw: what they draw is uploaded when they are prepared."""

QUESTIONS: dict[str, Callable[[fi.Influence, Any], tuple[Any, list[Any]]]] = {
    "on_loss": lambda i, b: (i.on_loss(b.X_test, b.y_test), [b.X_test, b.y_test]),
    "on_loss total": lambda i, b: (
        i.on_loss(b.X_test, b.y_test, out=fi.Total()),
        [b.X_test, b.y_test],
    ),
    "on_loss top": lambda i, b: (
        i.on_loss(b.X_test, b.y_test, out=fi.TopK(3)),
        [b.X_test, b.y_test],
    ),
    "on_prediction": lambda i, b: (i.on_prediction(b.X_test), [b.X_test]),
    "on_weights": lambda i, b: (i.on_weights(b.X_test, b.y_test), [b.X_test, b.y_test]),
    "on_function": lambda i, b: (i.on_function(i.theta), [i.theta]),
    "ihvp": lambda i, b: (i.ihvp(i.theta), [i.theta]),
    "on_params": lambda i, b: (i.on_params([1, 2]), [np.array([1, 2])]),
    "self_influence": lambda i, b: (i.self_influence(), []),
}


@pytest.mark.parametrize("model", SPECS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_nothing_crosses_between_entry_and_exit(solver: str, model: str) -> None:
    """Up: what was asked with, to the byte. Down: the result, to the byte, at the end."""
    case = built(model)
    with installed() as (_, ledger):
        infl = case.on("cuda", solver=SOLVERS[solver])
        infl.on_prediction(case.X_test)  # everything is prepared
        assert ledger.launches > 0
        for name, ask in QUESTIONS.items():
            with ledger.of() as seen:
                result, given = ask(infl, case)
            assert sorted(seen.up) == sorted(_bytes(a) for a in given), name
            assert sorted(seen.down) == sorted(_arrays(result)), name


@pytest.mark.parametrize("model", SPECS)
def test_first_question_uploads_the_problem_once(model: str) -> None:
    """Building, linearising, choosing and preparing: rows, labels, weights, theta; nothing back."""
    case = built(model)
    with installed() as (_, ledger):
        infl = case.on("cuda", solver=fi.solvers.Direct("primal"))
        infl.on_prediction(case.X_test)
        n, once = len(case.y), {case.X.nbytes: 1, 8 * len(case.y): 2}
        for n_bytes, times in once.items():
            assert ledger.up.count(n_bytes) == times
        assert max(ledger.down) == infl.on_prediction(case.X_test).nbytes
        assert sum(size >= 8 * n for size in ledger.down) == 2  # these two results


def test_first_question_with_a_solver_that_is_chosen() -> None:
    """The trials of ``solver="auto"`` read single numbers and send draws; nothing comes back."""
    case = built("logistic")
    with installed() as (_, ledger):
        infl = case.on("cuda")
        with ledger.of() as seen:
            top = infl.on_loss(case.X_test, case.y_test, out=fi.TopK(1))
        assert sum(seen.down) == sum(_arrays(top)) + _conditioning_bytes(infl)


def _conditioning_bytes(infl: fi.Influence) -> int:
    return int(infl._prepared.conditioning.null_space.nbytes)


@pytest.mark.parametrize("sampling", ["weight", "curvature"])
def test_lissa_sends_its_draws_and_nothing_else(sampling: str) -> None:
    """One upload for each stretch of draws of all repeats; the solution and its account return."""
    case = built("logistic")
    solver = fi.solvers.LiSSA(depth=30, repeats=4, sampling=sampling, tol=1e3)
    with installed() as (_, ledger):
        infl = case.on("cuda", solver=solver)
        infl.ihvp(infl.theta)
        with ledger.of() as seen:
            found = infl.ihvp(infl.theta)
        assert sorted(seen.up) == sorted([4 * 8 * 30, infl.theta.nbytes])
        assert sorted(seen.down) == sorted(_arrays(found))


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("model", ["logistic", "multinomial", "MLP"])
def test_inputs_on_the_device_leave_results_there(model: str, storage: str) -> None:
    """X, y, weights and theta of CuPy: scores, self-influence and theta stay with them."""
    case = built(model, storage)
    here = case.on("cpu")
    with installed() as (cp, ledger):
        X, X_test = (_on_device(cp, part) for part in (case.X, case.X_test))
        y, w, theta = (cp.asarray(a) for a in (case.y, case.weights, case.theta))
        infl = fi.Influence(
            case.spec, X, y, theta, sample_weight=w, damping=case.damping, device="cuda"
        )
        infl.on_prediction(X_test)
        with ledger.of() as seen:
            scores = infl.on_loss(X_test, cp.asarray(case.y_test))
            own, moved = infl.self_influence(), infl.theta
            top = infl.on_prediction(X_test, out=fi.TopK(2))
            solved = infl.ihvp(theta)
        assert all(isinstance(a, cp.ndarray) for a in (scores, own, moved, solved.x))
        assert all(isinstance(a, cp.ndarray) for a in (top.helpful.rows, top.harmful.values))
        assert not [size for size in seen.down if size > case.y_test.nbytes]  # labels are checked
        np.testing.assert_allclose(cp.asnumpy(scores), here.on_loss(case.X_test, case.y_test), 1e-8)
        np.testing.assert_allclose(cp.asnumpy(own), here.self_influence(), 1e-8)
        # questions whose answers are made on the host come back, whatever X is
        removal = infl.leave_one_out([1, 2], method="exact")
        np.testing.assert_allclose(
            removal.theta, here.leave_one_out([1, 2], method="exact").theta, 1e-6
        )


def test_arguments_on_the_device_alone_leave_the_answer_there() -> None:
    """X of NumPy, test rows of CuPy: the answer is where the question came from."""
    case = built("logistic")
    with installed() as (cp, _):
        infl = case.on("cuda")
        assert isinstance(infl.on_prediction(cp.asarray(case.X_test)), cp.ndarray)
        assert isinstance(infl.ihvp(cp.asarray(case.theta)).x, cp.ndarray)
        assert isinstance(infl.on_prediction(case.X_test), np.ndarray)
        assert isinstance(infl.hessian.matmat(cp.asarray(case.theta[:, None])), cp.ndarray)
        assert isinstance(infl.hessian.matvec(cp.asarray(case.theta)), cp.ndarray)


class _Foreign:
    """An array of another library on the device: known by its protocol alone."""

    def __init__(self, held: Any, protocol: str) -> None:
        self.held = held
        if protocol == "interface":
            self.__cuda_array_interface__ = held.__cuda_array_interface__

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


@pytest.mark.parametrize("protocol", ["interface", "dlpack"])
def test_arrays_of_other_libraries(protocol: str) -> None:
    """What offers ``__cuda_array_interface__`` or DLPack is read where it lies."""
    case = built("logistic")
    with installed() as (cp, ledger):
        held = cp.asarray(case.X) if protocol == "interface" else case.X
        X = _Foreign(held, protocol)
        with ledger.of() as seen:
            infl = fi.Influence(case.spec, X, case.y, case.theta, case.weights, device="cuda")
            found = infl.self_influence()
        assert isinstance(found, cp.ndarray)
        assert case.X.nbytes not in seen.up
        np.testing.assert_allclose(found.get(), case.on("cpu").self_influence(), 1e-9)


def test_a_device_array_needs_the_device() -> None:
    """Without ``device="cuda"`` nothing is copied in silence."""
    case = built("logistic")
    with installed() as (cp, _), pytest.raises(fi.InputError, match='device="cuda"'):
        fi.Influence(case.spec, cp.asarray(case.X), case.y, case.theta)


def test_nan_on_the_device_is_named() -> None:
    """Column and row, as on the host."""
    case = built("logistic")
    for storage in ("dense", "sparse"):
        X = built("logistic", storage).X.copy()
        if storage == "dense":
            X[4, 2] = np.nan
            place = "row 4, column 'x2'"
        else:
            X.data[5] = np.inf
            row = int(np.searchsorted(X.indptr, 5, side="right")) - 1
            place = f"row {row}, column 'x{X.indices[5]}'"
        with installed() as (cp, _), pytest.raises(fi.InputError, match=place):
            fi.Influence(case.spec, _on_device(cp, X), case.y, case.theta, device="cuda")


def test_a_sink_of_the_caller_gets_arrays_of_the_host() -> None:
    """A collector that knows nothing of devices."""

    class Largest:
        """Largest score."""

        def open(self, n_tests: int, n_rows: int, sign: float) -> "Largest":
            self.found = -np.inf
            return self

        def add(self, start: int, raw: Any, shift: Any, scale: Any) -> None:
            assert all(isinstance(a, np.ndarray) for a in (raw, shift, scale))
            self.found = max(self.found, float((scale * (raw + shift[:, None])).max()))

        def result(self) -> float:
            return self.found

    case = built("logistic")
    with installed():
        found = case.on("cuda").on_loss(case.X_test, case.y_test, out=Largest())
    assert found == pytest.approx(case.on("cpu").on_loss(case.X_test, case.y_test).max(), 1e-10)


def _on_device(cp: Any, X: Any) -> Any:
    if isinstance(X, np.ndarray):
        return cp.asarray(X)
    from cupyx.scipy.sparse import csr_matrix

    return csr_matrix([cp.asarray(a) for a in (X.data, X.indices, X.indptr)], X.shape)


def _bytes(a: Any) -> int:
    """Bytes of float64 or int64 numbers."""
    return 8 * int(np.asarray(a).size)


def _arrays(result: Any) -> list[int]:
    """Bytes of every array of a result that holds any."""
    if isinstance(result, np.ndarray):
        return [result.nbytes] if result.nbytes else []
    parts = vars(result).values() if hasattr(result, "__dict__") else ()
    return [size for part in parts for size in _arrays(part)]
