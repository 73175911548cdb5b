"""A program of its own: pools of processes and threads ask, after the parent has.

The argument names the pool. Every worker gets a model made by the parent and makes one of its own;
all answer with the parent's bits.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

import fastinfluence as fi

N, D = 36_000, 30  # enough for passes on several threads
TASKS = 2
SPEC = fi.GLM("squared", l2=0.1)


def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D))
    return X, X[:, 0] + rng.normal(size=N)


def model():
    return fi.Influence.fit(SPEC, *table(), n_threads=2)


def answers(infl):
    """Return scores of the model given and of one made here."""
    X, y = table()
    removal = infl.leave_one_out([0, 1], "exact")
    own = model()
    return [infl.on_loss(X[:3], y[:3]), removal.theta, own.theta, own.self_influence()]


def by_processes(method):
    """Ask in processes started by a method of multiprocessing."""

    def ask(infl):
        with ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
            return list(pool.map(answers, [infl] * TASKS))

    return ask


def by_joblib(backend):
    """Ask in workers of joblib."""

    def ask(infl):
        from joblib import Parallel, delayed

        return Parallel(2, backend=backend)(delayed(answers)(infl) for _ in range(TASKS))

    return ask


POOLS = {
    "fork": by_processes("fork"),
    "spawn": by_processes("spawn"),
    "forkserver": by_processes("forkserver"),
    "loky": by_joblib("loky"),
    "threading": by_joblib("threading"),
}


def main(pool):
    infl = model()
    expected = answers(infl)
    for found in POOLS[pool](infl):
        if not all(map(np.array_equal, found, expected)):
            sys.exit("a worker answered otherwise")
    print(f"{TASKS} workers answered")


if __name__ == "__main__":
    main(sys.argv[1])
