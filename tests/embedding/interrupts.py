"""A program of its own: Ctrl-C at random moments of a long call, again and again.

The first argument names the call, the second how often it is interrupted. After each interrupt the
process must be as before: no thread goes on, no file is partly there under its own name, and the
same call then gives the same bits.
"""

import random
import signal
import sys
import threading
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import fastinfluence as fi

N, D = 36_000, 30  # enough for passes on several threads
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D))
LINE = X[:, 0] + RNG.normal(size=N)
COUNTS = RNG.poisson(np.exp(X[:, 0] / 2)).astype(float)
WIDE = RNG.normal(size=(1500, 700))
A = np.c_[WIDE, np.ones(1500)]
WIDE_THETA = np.linalg.solve(A.T @ A / 1500 + np.diag([0.1] * 700 + [0.0]), A.T @ A[:, 0] / 1500)
FOLDER = Path(mkdtemp())
MEAN = fi.GLM("squared", l2=0.1)
LOSSES = [*fi.families.registry(), *fi.losses.registry()]
CG = fi.solvers.CG(tol=1e-12, preconditioner=None)
LISSA = fi.solvers.LiSSA(depth=2000, repeats=4, batch=16)


def line(**options):
    return fi.Influence(MEAN, X, LINE, THETA, n_threads=2, **options)


THETA = fi.Influence.fit(MEAN, X, LINE, n_threads=2).theta


def direct():
    wide = fi.Influence(MEAN, WIDE, WIDE[:, 0], WIDE_THETA, n_threads=2)
    return wide.ihvp(np.eye(701)[:, :50]).x


def scored():
    """Score to files; what an interrupt left is gone on with, and must end as if there was none."""
    folder = FOLDER / "scores"
    sink = fi.ParquetSink(folder, resume=True, rows_per_part=1000)
    scores = line().on_loss(X[:20], LINE[:20], out=sink).read()
    folder.rename(FOLDER / f"done {time.perf_counter_ns()}")
    return scores


def streamed():
    table = fi.rows.parquet(FOLDER / "t.parquet", "y", max_memory="200MB")
    return fi.Influence(MEAN, table, theta=THETA).self_influence()


def compiled():
    """Compile a loss that this process has not met yet; its derivative does not matter."""
    loss = LOSSES[compiled.next % len(LOSSES)].loss
    loss.evaluate(np.full(2, -0.5), np.ones(2), "d1")
    compiled.next += 1  # after an interrupt the same loss again
    return True


compiled.next = 0
CALLS = {
    "fit": lambda: fi.Influence.fit(fi.GLM("poisson", l2=0.1), X, COUNTS, n_threads=2).theta,
    "network": lambda: fi.Influence.fit(
        fi.MLP((4,), loss="squared", l2=0.1), X[:2000], LINE[:2000], n_threads=2, tol=1e-6
    ).theta,
    "direct": direct,
    "cg": lambda: line(solver=CG).ihvp(np.eye(D + 1)).x,
    "lissa": lambda: line(solver=LISSA).ihvp(np.ones(D + 1)).x,
    "scored": scored,
    "streamed": streamed,
    "removal": lambda: fi.Influence(
        fi.GLM("poisson", l2=0.1), X[:5000], COUNTS[:5000], POISSON, n_threads=2
    ).leave_one_out(range(300), "exact").theta,
    "compiled": compiled,
}  # fmt: skip
POISSON = fi.Influence.fit(fi.GLM("poisson", l2=0.1), X[:5000], COUNTS[:5000]).theta


def interrupted(call, delay):
    """Return the result of a call, or None where Ctrl-C came before it ended."""
    signal.setitimer(signal.ITIMER_REAL, delay)
    try:
        try:
            return call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return None


def check_threads(before):
    """Wait for threads that are about to end; fail where one does not."""
    limit = time.monotonic() + 60
    while others := set(threading.enumerate()) - before:
        if time.monotonic() > limit:
            sys.exit(f"threads go on: {others}")
        time.sleep(0.01)


def check_files():
    """Fail where a part of an interrupted dataset is not whole."""
    for path in (FOLDER / "scores").glob("*.parquet"):
        if pq.read_metadata(path).num_rows != 1000:
            sys.exit(f"{path.name} is not whole")


def main(name, times):
    pq.write_table(pa.table({**{f"x{j}": X[:, j] for j in range(D)}, "y": LINE}),
                   FOLDER / "t.parquet", row_group_size=2000)  # fmt: skip
    call = CALLS[name]
    expected = call()
    started = time.perf_counter()
    call()
    alone = time.perf_counter() - started
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    before, hits, longest = set(threading.enumerate()), 0, 0.0
    for _ in range(times):
        delay = random.uniform(0.02, 0.9) * alone
        started = time.perf_counter()
        result = interrupted(call, delay)
        if result is None:
            hits += 1
            longest = max(longest, time.perf_counter() - started - delay)
            check_files()
            check_threads(before)
            result = call()
        if not np.array_equal(result, expected):
            sys.exit("other bits than before")
    print(
        f"{name}: {hits} of {times} calls interrupted, the last in {longest:.2f} s of {alone:.2f}"
    )
    if not hits:
        sys.exit("no call was interrupted")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
