"""Mistakes in the CUDA sources, made on purpose, and that the tests see each of them.

Each test edits the text of a real kernel and runs the comparison that the unedited text passes, in
three orders of threads. Seen are

* a missing barrier: each `__syncthreads()` and `__syncwarp()` of every source in turn is taken out.
  Threads run one at a time up to the next meeting, so one that should have waited reads what is
  not there yet, in one of the orders at least, and the numbers differ. Three are beyond this: they
  stand beside a shuffle or a ballot, which keeps the lanes in step already, and order memory only;
* an off-by-one past the last row: it reads NaN from the red zone behind the array, or writes into
  that zone, which fails the launch;
* an output that is not written: memory is handed out full of NaN, and stays so.
"""

import re

import numpy as np
import pytest
from cuda import host_module
from cuda.host_module import ORDERS, HostFault, close
from scipy import sparse

from fastinfluence.kernels.cpu import lissa as cpu_lissa
from fastinfluence.kernels.cpu import multinomial_lissa as cpu_classes
from fastinfluence.kernels.cuda import (
    csr,
    glm,
    launcher,
    lissa,
    mlp,
    multinomial,
    multinomial_lissa,
    scores,
)

RNG = np.random.default_rng(1)
N, D = 70, 150
X = np.where(RNG.random((N, D)) < 0.4, RNG.normal(size=(N, D)), 0.0)
X1 = np.column_stack([X, np.ones(N)])
SCALE, V, OWNER = RNG.normal(size=N), RNG.normal(size=D + 1), RNG.integers(0, 2, size=N)
PACKED = sparse.csr_array(X)
PARTS = PACKED.data, PACKED.indices, PACKED.indptr
ROWS, STEP = RNG.integers(0, N, size=(1, 6, 3)), RNG.uniform(0.0, 0.01, size=(1, 6, 3))
P = RNG.dirichlet(np.ones(11), size=N)


def hessian():
    """Warps that share a row, and single warps."""
    glm.hvp_block(X, SCALE, V, out := np.zeros(D + 1))
    close(out, X1.T @ (SCALE * (X1 @ V)))
    wide = np.resize(X, (5, 1100))
    glm.hvp_block(wide, SCALE[:5], np.ones(1100), out := np.zeros(1100))
    close(out, wide.T @ (SCALE[:5] * wide.sum(axis=1)))


def long_rows():
    rows = np.resize(X, (9, 8200))
    glm.hvp_block(rows, SCALE[:9], np.ones(8200), out := np.zeros(8200))
    close(out, rows.T @ (SCALE[:9] * rows.sum(axis=1)))


def dense():
    glm.linear_block(X, V, out := np.full(N, np.nan))
    close(out, X1 @ V)
    sums, sizes = np.zeros((2, D + 1))
    glm.gradient_block(X, SCALE, sums, sizes)
    close(sums, X1.T @ SCALE)
    close(sizes, np.abs(X1).T @ np.abs(SCALE))


def sparse_products():
    for t, room in ((1, launcher.SHARED_BYTES), (3, 0)):
        csr.SHARED_BYTES = room
        C = RNG.normal(size=(D + 1, t))
        csr.hvp_columns(*PARTS, SCALE, C, out := np.zeros((D + 1, t)), D)
        close(out, X1.T @ (SCALE[:, None] * (X1 @ C)))
        csr.linear_block(*PARTS, C, out := np.full((N, t), np.nan))
        close(out, X @ C[:D])
        csr.gradient_block(*PARTS, SCALE, sums := np.zeros(D), sizes := np.zeros(D))
        close(sums, X.T @ SCALE)
        close(sizes, np.abs(X).T @ np.abs(SCALE))
    csr.gram_block(*PARTS, SCALE, out := np.zeros((D, D)))
    close(out, X.T @ (SCALE[:, None] * X))


# A row that makes a recursion diverge, and one that meets its first number in a late lane.
LATE = (
    np.concatenate([[1e9], np.ones(40)]),
    np.concatenate([[1], np.arange(40)[::-1]]).astype(np.int32),
    np.array([0, 1, 41], dtype=np.int32),
)
LATE_ROWS, LATE_STEP = np.array([[[0], [1]]]), np.full((1, 2, 1), 1e-3)


def recursion():
    shrink, sides, limits = RNG.uniform(0.5, 1.0, D + 1), V[None], np.array([1e6])
    cpu_lissa.recurse(X, ROWS[0], STEP[0], shrink, sides, limits, expected := sides.copy())
    args = (ROWS, STEP, shrink, sides, limits)
    lissa.recurse(X, *args, dense := sides[None].copy())
    close(dense[0], expected)
    lissa.recurse_csr(*PARTS, *args, found := sides[None].copy(), D)
    close(found[0], expected)
    args = (LATE_ROWS, LATE_STEP, np.ones(40), np.ones((1, 40)), limits)
    lissa.recurse_csr(*LATE, *args, found := np.ones((1, 1, 40)), 40)
    assert np.isnan(found[0, 0, 0])
    assert (found[0, 0, 1:] == 1.0).all()


def recursion_of_classes():
    shape = (1, 11, D + 1)
    shrink, sides = RNG.uniform(0.5, 1.0, shape[1:]), RNG.normal(size=shape)
    limits, top = np.array([1e6]), P.argmax(axis=1)
    args = (P, top, shrink, sides, limits)
    cpu_classes.recurse(X, ROWS[0], ROWS[0], STEP[0], *args, expected := sides.copy())
    multinomial_lissa.recurse(X, ROWS, ROWS, STEP, *args, dense := sides[None].copy())
    close(dense[0], expected)
    multinomial_lissa.recurse_csr(*PARTS, ROWS, STEP, *args, found := sides[None].copy(), D)
    close(found[0], expected)
    args = (P, top, np.ones((11, 40)), np.ones((1, 11, 40)), limits)
    found = np.ones((1, 1, 11, 40))
    multinomial_lissa.recurse_csr(*LATE, LATE_ROWS, LATE_STEP, *args, found, 40)
    assert np.isnan(found[0, 0, 0, 0])
    assert (found.ravel()[1:] == 1.0).all()


def ranking():
    raw = RNG.normal(size=(1, 9000))
    values, rows = np.full((2, 1, 5), -np.inf), np.full((2, 1, 5), -1)
    for first in (0, 4500):
        part = np.ascontiguousarray(raw[:, first : first + 4500])
        scores.merge_extremes(part, np.zeros(1), np.ones(4500), first, values, rows)
    order = np.argsort(-raw[0], kind="stable")
    np.testing.assert_array_equal(rows[0, 0], order[:5])
    np.testing.assert_array_equal(rows[1, 0], order[::-1][:5])
    values, rows = np.full((2, 1, 5), -np.inf), np.full((2, 1, 5), -1)
    scores.merge_extremes(raw[:, :3].copy(), np.zeros(1), np.ones(3), 0, values, rows)
    assert (rows[:, 0, 3:] == -1).all()
    scores.finish(final := raw.copy(), np.ones(1), np.ones(9000))
    close(final, raw + 1.0)


def classes():
    F = RNG.normal(size=(N, 11, 1))
    multinomial.softmax_block(F, np.zeros(N, int), out := np.full((N, 1), np.nan), np.empty_like(F))
    close(out, np.log(np.exp(F - F[:, :1]).sum(axis=1)))


def layers():
    moved, slopes = RNG.normal(size=(N, 2, 3)), RNG.normal(size=(N, 3))
    mlp.scale_block(moved, slopes, out := np.full_like(moved, np.nan))
    close(out, moved * slopes[:, None])


CHECKS = {
    "common.cuh": [long_rows, recursion],
    "partials.cu": [dense],
    "hvp.cu": [hessian],
    "glm.cu": [dense],
    "csr.cu": [sparse_products],
    "lissa.cu": [recursion],
    "multinomial_lissa.cu": [recursion_of_classes],
    "scores.cu": [ranking],
    "multinomial.cu": [classes],
    "mlp.cu": [layers],
}


@pytest.fixture(autouse=True)
def on_host(monkeypatch):
    if host_module.compiler() is None:
        pytest.skip("g++ is not installed: it runs the CUDA kernels on the CPU")
    host_module.on_arrays_of_numpy(monkeypatch)
    monkeypatch.setattr(csr, "SHARED_BYTES", csr.SHARED_BYTES)
    monkeypatch.setattr(launcher, "MAX_BLOCKS", 2)  # blocks take several strides
    monkeypatch.setattr(scores, "empty", lambda *shape: np.full(shape, np.inf))  # outranks all


def own_text(file):
    """Return the text of one file without the shared part."""
    return launcher.source(file)[len(launcher.source("")) :] if file != "common.cuh" else (
        launcher.source("")
    )  # fmt: skip


def edited(monkeypatch, file, edit):
    """Let the launcher read a file as ``edit`` leaves it."""
    real = launcher.source
    before, after = own_text(file), edit(own_text(file))
    assert before != after, "the edit found nothing to change"
    monkeypatch.setattr(launcher, "source", lambda name: real(name).replace(before, after))


def seen(file):
    """Return in which orders of the threads a comparison of the file fails."""
    return [name for name in ORDERS if any(fails(check, name) for check in CHECKS[file])]


def fails(check, name):
    with host_module.order(name), np.errstate(all="ignore"):
        try:
            check()
        except (AssertionError, HostFault):
            return True
    return False


BARRIER = re.compile(r"__sync(?:threads|warp)\(\);")
IN_STEP = {("csr.cu", 4), ("multinomial_lissa.cu", 0), ("multinomial_lissa.cu", 2)}
BARRIERS = [
    pytest.param(file, k, id=f"{file}-{k}")
    for file in CHECKS
    for k in range(len(BARRIER.findall(own_text(file))))
    if (file, k) not in IN_STEP
]


@pytest.mark.parametrize("file", CHECKS)
def test_nothing_is_seen_in_the_text_as_it_is(file):
    assert seen(file) == []


@pytest.mark.parametrize(("file", "k"), BARRIERS)
def test_a_missing_barrier_is_seen(file, k, monkeypatch):
    def without(text):
        at = list(BARRIER.finditer(text))[k]
        return text[: at.start()] + ";" + text[at.end() :]

    edited(monkeypatch, file, without)
    assert seen(file)


PAST_THE_END = {
    "reads a row too many": ("hvp.cu", "i < n && j < d", "i <= n && j < d"),
    "reads a column too many": ("hvp.cu", "j < d ? V[a * p + j] : 0.0", "V[a * p + j]"),
    "sums a row too many": ("glm.cu", "+ team; i < n; i +=", "+ team; i <= n; i +="),
    "writes a row too many": ("csr.cu", "/ WARP; i < n; i +=", "/ WARP; i <= n; i +="),
    "adds a row too many": ("csr.cu", "here = i < n", "here = i <= n"),
    "adds a block too many": ("partials.cu", "b < blocks", "b <= blocks"),
    "writes a number too many": ("common.cuh", "k < (n)", "k <= (n)"),
    "draws a row too many": ("lissa.cu", "s < (repeat + 1) * steps", "s <= (repeat + 1) * steps"),
    "ranks a row too many": ("scores.cu", "i < stop &&", "i <= stop &&"),
}


@pytest.mark.parametrize("fault", PAST_THE_END)
def test_one_past_the_end_is_seen(fault, monkeypatch):
    file, old, new = PAST_THE_END[fault]
    edited(monkeypatch, file, lambda text: text.replace(old, new))
    checks = "mlp.cu" if file == "common.cuh" else file
    assert seen(checks) == list(ORDERS)


UNWRITTEN = {
    "a row": ("csr.cu", "if (lane < S && a < t)", "if (lane < S && a < t && i + 1 < n)"),
    "a prediction": ("glm.cu", "if (i < n && lane == 0)", "if (i + 1 < n && lane == 0)"),
    "a partial result": ("hvp.cu", "if (team == 0 && j <", "if (team == 0 && j && j <"),
    "a column": ("glm.cu", "if (team == 0 && j < p) {", "if (team == 0 && j + 1 < p) {"),
    "a loss": ("multinomial.cu", "value[at] = gap", "if (at) value[at] = gap"),
    "a number": ("mlp.cu", "out[at] = moved", "if (at % 64) out[at] = moved"),
    "a place in a list": ("scores.cu", "if (to < k) {", "if (to + 1 < k) {"),
}


@pytest.mark.parametrize("fault", UNWRITTEN)
def test_an_unwritten_output_is_seen(fault, monkeypatch):
    file, old, new = UNWRITTEN[fault]
    edited(monkeypatch, file, lambda text: text.replace(old, new))
    assert seen(file) == list(ORDERS)
