"""A program of its own: many threads ask at once, of models of their own and of a shared one.

Its host uses one of Numba's threading layers (NUMBA_THREADING_LAYER). The threads come first, to a
process that has compiled and prepared nothing; then each question is asked alone, of a new model,
and must give the same bits.
"""

import sys
import threading
from pathlib import Path
from tempfile import mkdtemp

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import fastinfluence as fi

N, D, ROUNDS = 36_000, 30, 2  # enough for passes on several threads
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D))
Y = (X[:, 0] + RNG.normal(size=N) > 0).astype(float)
COUNTS = RNG.poisson(1.0, size=N).astype(float)
KINDS = RNG.integers(0, 3, size=N)
FEW, FEW_Y = X[:5], Y[:5]
FOLDER = Path(mkdtemp())
LOGISTIC = fi.GLM("logistic", l2=0.1)
pq.write_table(pa.table({**{f"x{j}": X[:, j] for j in range(D)}, "y": Y}), FOLDER / "t.parquet")
HERE = fi.rows.parquet(FOLDER / "t.parquet", "y", max_memory="200MB")


def optimum():
    """Return theta by Newton's method in NumPy, so that no kernel is compiled yet."""
    A, l2, theta = np.c_[X, np.ones(N)], np.append(np.full(D, 0.1), 0.0), np.zeros(D + 1)
    for _ in range(7):
        mean = 1 / (1 + np.exp(-A @ theta))
        H = A.T @ (A * (mean * (1 - mean))[:, None]) / N + np.diag(l2)
        theta -= np.linalg.solve(H, A.T @ (mean - Y) / N + l2 * theta)
    return theta


THETA = optimum()


@numba.njit(parallel=True)
def host(values):
    """What the process of somebody else runs on the layer."""
    total = 0.0
    for i in numba.prange(len(values)):
        total += values[i]
    return total


def model(solver="auto"):
    """Return a model with threads of its own; theta is as it is."""
    options = {"solver": solver, "n_threads": 2, "curvature": "fisher"}
    return fi.Influence(LOGISTIC, X, Y, THETA, **options)


def fitted(spec, y, **options):
    return fi.Influence.fit(spec, X[:2000], y[:2000], n_threads=2, **options)


def written(infl):
    folder = Path(mkdtemp(dir=FOLDER)) / "scores"
    return infl.on_loss(FEW, FEW_Y, out=fi.ParquetSink(folder)).read()


SHARED = {
    "top": lambda m: m.on_loss(FEW, FEW_Y, out=fi.TopK(5)).helpful.values,
    "matrix": lambda m: m.on_prediction(FEW, output="mean"),
    "files": written,
    "self": lambda m: m.self_influence(),
    "ihvp": lambda m: m.ihvp(np.eye(D + 1)[:, :3]).x,
    "removal": lambda m: m.leave_one_out(range(4), "exact").theta,
    "leverage": lambda m: m.diagnostics().leverage,
    "perturbation": lambda m: m.perturbation(FEW, FEW_Y, [1, 2]),
    "gradient": lambda m: np.array([m.gradient_norm, m.relative_gradient]),
    "covariance": lambda m: m.covariance(),
}
LISSA = fi.solvers.LiSSA(depth=300, repeats=4, batch=8)
OWN = {
    "lissa": lambda: model(LISSA).ihvp(np.ones(D + 1)).x,
    "cg": lambda: model(fi.solvers.CG()).on_loss(FEW, FEW_Y),
    "poisson": lambda: fitted(fi.GLM("poisson", l2=0.1), COUNTS).self_influence(),
    "classes": lambda: fitted(fi.GLM("multinomial", l2=0.1), KINDS).on_loss(FEW, KINDS[:5]),
    "network": lambda: fitted(fi.MLP((3,), l2=0.1), Y, tol=1e-6).on_prediction(FEW),
    "streamed": lambda: fi.Influence.fit(LOGISTIC, HERE).on_loss(FEW, FEW_Y),
    "custom": lambda: fitted(fi.GLM(fi.Loss("softplus(-y*f) + f**4", {-1, 1})), Y).theta,
}


def at_once(calls):
    """Make all calls in threads that start together; return results and errors by name."""
    found, failed = {}, []
    together = threading.Barrier(len(calls))

    def run(name, call):
        try:
            together.wait()
            found[name] = call()
        except BaseException as error:
            failed.append(f"{name}: {error!r}")

    threads = [threading.Thread(target=run, args=item) for item in calls.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit("\n".join(failed))
    return found


def main():
    host(X[:, 0])
    shared = model()
    calls = {f"{name} {k}": lambda call=call: call(shared)
             for name, call in SHARED.items() for k in range(ROUNDS)}  # fmt: skip
    found = at_once({**calls, **{f"{name} own": call for name, call in OWN.items()}})
    alone = {name: call(model()) for name, call in SHARED.items()}
    alone |= {name: call() for name, call in OWN.items()}
    wrong = [name for name, value in found.items()
             if not np.array_equal(value, alone[name.split()[0]])]  # fmt: skip
    if wrong:
        sys.exit(f"other bits than alone: {wrong}")
    print(f"{len(found)} calls at once equal {len(alone)} alone, layer {numba.threading_layer()}")


if __name__ == "__main__":
    main()
