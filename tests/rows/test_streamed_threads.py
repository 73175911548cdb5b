"""Streamed passes: the same bits by any number of threads, no thread or file left behind."""

import gc
import threading
import time

import numpy as np
import pytest
from stream_cases import columns_of, pa, parquet, small_blocks, worst

import fastinfluence as fi
from fastinfluence.rows.ahead import Counter, ahead
from fastinfluence.rows.base import Block
from fastinfluence.rows.dense import DenseFeatures

N = 90
pytestmark = pytest.mark.usefixtures(small_blocks.__name__)


@pytest.fixture(autouse=True)
def no_thread_left():
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert set(threading.enumerate()) == before


def data(rng):
    X = rng.normal(size=(N, 3))
    y = (rng.random(N) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    return columns_of(X, y, rng.uniform(0.3, 2.0, N), 0.1 * rng.normal(size=N))


def table(folder, rng, **options):
    columns = data(rng)
    columns["town"] = rng.choice(["Ayr", "Bath", "Cork"], N)
    return parquet(folder, columns, **options)


def answers(table, **options):
    """Bytes of a fit and of what follows from it."""
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), table, **options)
    test = {
        "X_test": pa.table({"x0": [0.1], "x1": [0.2], "x2": [0.3], "town": ["Cork"]}),
        "y_test": [1.0],
        "offset_test": [0.0],
    }
    top = infl.on_loss(**test, out=fi.TopK(5))
    out = [infl.theta, infl.on_loss(**test), np.stack([top.helpful.values, top.harmful.values])]
    if "solver" in options:  # of products alone, one for each row
        return out
    removal = infl.leave_one_out([3, 80], "exact")
    inverse = infl.ihvp(np.eye(len(infl.theta))).x
    return [*out, inverse, infl.self_influence(), infl.diagnostics().leverage, removal.theta]


@pytest.mark.parametrize("solver", ["direct", "cg", "lissa"])
def test_bits_do_not_depend_on_threads(tmp_path, rng, solver):
    solvers = {
        "cg": fi.solvers.CG(),
        "lissa": fi.solvers.LiSSA(depth=50, repeats=2, batch=4),
    }
    rows = table(tmp_path, rng)
    chosen = {"solver": solvers[solver]} if solver in solvers else {}
    if solver == "lissa":
        theta = fi.Influence.fit(fi.GLM("logistic", l2=0.1), rows).theta
        found = [
            fi.Influence(
                fi.GLM("logistic", l2=0.1), rows, theta=theta, solver=solvers[solver], n_threads=k
            ).ihvp(np.eye(len(theta))[:, :2]).x
            for k in (1, 2, 4)
        ]  # fmt: skip
        assert (found[0] == found[1]).all()
        assert (found[0] == found[2]).all()
        return
    one, two, four = (answers(rows, n_threads=k, **chosen) for k in (1, 2, 4))
    for k, expected in enumerate(one):
        assert (two[k] == expected).all(), k
        assert (four[k] == expected).all(), k


def test_memory_is_a_matter_of_rounding(tmp_path, rng, monkeypatch):
    """Blocks of other sizes give sums in another order."""
    from fastinfluence.rows import memory

    rows = table(tmp_path, rng)
    small = answers(rows)
    monkeypatch.setattr(memory, "BLOCK_BYTES", 1 << 21)
    whole = answers(rows)
    for a, b in zip(small, whole, strict=True):
        assert worst(a, b) <= 1e-12


def test_rows_are_counted_once_a_pass(tmp_path, rng):
    told = []
    infl = fi.Influence.fit(
        fi.GLM("logistic", l2=0.1), table(tmp_path, rng), progress=lambda *at: told.append(at)
    )
    told.clear()
    infl.self_influence()
    done = [at[1] for at in told if at[0] == "self-influence"]
    assert done == sorted(set(done))
    assert done[-1] == N
    assert {at[2] for at in told} == {N}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_an_error_in_a_listener_ends_the_pass(tmp_path, rng, error, n_threads):
    stop = threading.Event()

    def listen(phase, done, total):
        if stop.is_set() and done > N // 3:
            raise error("stop")

    infl = fi.Influence.fit(
        fi.GLM("logistic", l2=0.1), table(tmp_path, rng), progress=listen, n_threads=n_threads
    )
    expected = infl.self_influence()
    stop.set()
    with pytest.raises(error, match="stop"):
        infl.self_influence()
    stop.clear()
    assert (infl.self_influence() == expected).all()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_in_a_worker_reaches_the_caller(tmp_path, rng, n_threads):
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), table(tmp_path, rng), n_threads=n_threads)
    rows = infl._problem.rows

    def task(block):
        if block.start > N // 2:
            raise ZeroDivisionError(block.start)
        return 1

    with pytest.raises(ZeroDivisionError):
        rows.map_reduce(task, lambda a, b: a + b, n_threads)


def blocks(count, closed):
    try:
        for k in range(count):
            yield Block(k, k + 1, DenseFeatures(np.zeros((1, 1))))
    finally:
        closed.append(True)


def test_blocks_read_ahead_come_in_order():
    closed = []
    assert [block.start for block in ahead(blocks(30, closed))] == list(range(30))
    assert closed


def test_a_pass_that_is_left_early_closes_what_it_read():
    """Also where the reader waits for room, and where nothing was read yet."""
    for wait in (0.0, 0.05):
        closed = []
        reading = ahead(blocks(30, closed))
        assert next(reading).start == 0
        time.sleep(wait)
        reading.close()
        gc.collect()
        assert closed


def test_an_error_while_reading_ahead_is_the_caller_s():
    def broken():
        yield Block(0, 1, DenseFeatures(np.zeros((1, 1))))
        raise OSError("the disk is gone")

    reading = ahead(broken())
    assert next(reading).start == 0
    with pytest.raises(OSError, match="the disk is gone"):
        next(reading)


def test_counted_blocks_are_closed_with_their_counter():
    closed = []
    counted = Counter(lambda *_: None, "reading", 30).counted(blocks(30, closed))
    next(counted)
    counted.close()
    gc.collect()
    assert closed


def test_gathering_stops_where_the_last_row_was_found(tmp_path, rng, monkeypatch):
    """Row groups without a row asked for are not opened."""
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), table(tmp_path, rng))
    source = infl._problem.rows.source
    opened, read = [], type(source).read

    def noted(self, unit, block_rows):
        opened.append(unit.start)
        return read(self, unit, block_rows)

    infl._prepared  # noqa: B018 - what the whole table is read for
    monkeypatch.setattr(type(source), "read", noted)
    infl.on_params([31, 70])
    assert len(opened) == 2
    opened.clear()
    infl.on_params([70])
    assert not opened
