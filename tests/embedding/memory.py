"""A program of its own: the same call under less and less memory, each time in a forked child.

The argument names the call. With a limit on its addresses, set by the operating system, every child
must give the right bits, or end in one MemoryError or error of the library.
"""

import os
import resource
import sys
import traceback
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import fastinfluence as fi

N, D = 36_000, 30  # enough for passes on several threads
LIMITS = 12
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D))
LINE = X[:, 0] + RNG.normal(size=N)
KINDS = RNG.integers(0, 4, size=N)
WIDE = RNG.normal(size=(900, 800))
A = np.c_[WIDE, np.ones(900)]
WIDE_THETA = np.linalg.solve(A.T @ A / 900 + np.diag([0.1] * 800 + [0.0]), A.T @ A[:, 0] / 900)
MEAN = fi.GLM("squared", l2=0.1)
FOLDER = Path(mkdtemp())
pq.write_table(pa.table({**{f"x{j}": X[:, j] for j in range(D)}, "y": LINE}),
               FOLDER / "t.parquet", row_group_size=4000)  # fmt: skip
THETA = fi.Influence.fit(MEAN, X, LINE).theta


def line(**options):
    return fi.Influence(MEAN, X, LINE, THETA, n_threads=2, **options)


def wide():
    return fi.Influence(MEAN, WIDE, WIDE[:, 0], WIDE_THETA, n_threads=2)


def streamed():
    table = fi.rows.parquet(FOLDER / "t.parquet", "y", max_memory="200MB")
    return fi.Influence(MEAN, table, theta=THETA).self_influence()


def written():
    folder = Path(mkdtemp(dir=FOLDER)) / "scores"
    return line().on_loss(X[:40], LINE[:40], out=fi.ParquetSink(folder)).read([5, 1])


CG, LISSA = fi.solvers.CG(), fi.solvers.LiSSA(depth=400, repeats=4, batch=16)
CALLS = {
    "fit": lambda: fi.Influence.fit(fi.GLM("huber", l2=0.1), X, LINE, n_threads=2).theta,
    "classes": lambda: fi.Influence.fit(fi.GLM("multinomial", l2=0.1), X, KINDS).theta,
    "network": lambda: (
        fi.Influence.fit(
            fi.MLP((5,), loss="squared", l2=0.1), X[:9000], LINE[:9000], n_threads=2, tol=1e-4
        ).theta
    ),
    "direct": lambda: wide().ihvp(np.eye(801)[:, :300]).x,
    "cg": lambda: line(solver=CG).ihvp(np.eye(D + 1)).x,
    "lissa": lambda: line(solver=LISSA).ihvp(np.ones(D + 1)).x,
    "matrix": lambda: line().on_loss(X[:200], LINE[:200]),
    "top": lambda: line().on_loss(X[:2000], LINE[:2000], out=fi.TopK(50)).helpful.values,
    "written": written,
    "streamed": streamed,
    "removal": lambda: wide().leave_one_out(range(200), "exact").theta,
    "diagnostics": lambda: line().diagnostics().cooks_distance,
    "perturbation": lambda: line().perturbation(X[:100], LINE[:100], range(2000)),
}
MEANING = {0: "right", 3: "MemoryError", 4: "error of the library", 5: "wrong bits"}


def outcome(call, expected, limit):
    """Return how a child with so many bytes more ended, as in MEANING."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + limit, resource.RLIM_INFINITY))
        code = 0 if np.array_equal(call(), expected) else 5
    except MemoryError:
        code = 3
    except fi.FastInfluenceError as error:
        code = 4
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main(name):
    call = CALLS[name]
    expected = call()
    limits = [0, *(int(1e5 * 2.1**k) for k in range(LIMITS))]  # 0.1 MB to 300 MB
    found = Counter(outcome(call, expected, limit) for limit in limits)
    told = {MEANING.get(code, f"ended with {code}"): count for code, count in found.items()}
    print(f"{name}: {told}")
    if set(found) - {0, 3, 4} or not found[0]:
        sys.exit(f"{name} under {len(limits)} limits: {told}")


if __name__ == "__main__":
    main(sys.argv[1])
