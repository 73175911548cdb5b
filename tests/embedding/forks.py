"""A program of its own: fork a process that uses the library, and ask in the child.

The argument names what the parent was doing: ``used`` it before, is ``compiling`` in another thread
(which needs an empty cache), or has another thread ``scoring`` with the same rows. Each child must
answer as the parent does.
"""

import os
import sys
import threading

import numpy as np

import fastinfluence as fi

N, D = 36_000, 30  # enough for passes on several threads
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D))
Y = X[:, 0] + RNG.normal(size=N)
LINE = fi.GLM("squared", l2=0.1)
CHILDREN = 2
LOSSES = [*fi.families.registry(), *fi.losses.registry()]


def asked(infl):
    """Return answers that need kernels, BLAS and threads."""
    return [
        infl.on_loss(X[:3], Y[:3]),
        infl.self_influence(),
        infl.leave_one_out([0, 1], "exact").theta,
        infl.without([5]).theta,
        fi.Influence.fit(fi.GLM("huber", l2=0.1), X[:500], Y[:500], n_threads=2).theta,
    ]


def compiled(k):
    """Compile the k-th loss of the library and return one of its derivatives."""
    loss = LOSSES[k % len(LOSSES)].loss
    return loss.evaluate(np.full(2, -0.5), np.ones(2), "d2" if k % 2 else "d1")


def child_answers(infl, expected, new):
    """Fork; return the child's exit status: 0 where it answers as the parent did."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    status = 1
    try:
        same = map(np.array_equal, asked(infl), expected)
        status = 0 if all(same) and np.isfinite(compiled(new)).all() else 2
    finally:
        os._exit(status)


def busy(kind, infl, stop):
    """Keep another thread in the middle of something."""
    k = 0
    while not stop.is_set():
        k += 1
        if kind == "compiling":
            compiled(k)
        else:
            fresh = fi.Influence(LINE, X, Y, infl.theta, n_threads=2)
            fresh.on_loss(X[:50], Y[:50])


def main(kind):
    infl = fi.Influence.fit(LINE, X, Y, n_threads=2)
    expected = asked(infl)
    stop = threading.Event()
    other = threading.Thread(target=busy, args=(kind, infl, stop))
    if kind != "used":
        other.start()
    try:
        found = [child_answers(infl, expected, len(LOSSES) - 1 - k) for k in range(CHILDREN)]
    finally:
        stop.set()
    if kind != "used":
        other.join()
    if any(found):
        sys.exit(f"children ended with {found}")
    print(f"{CHILDREN} children answered")


if __name__ == "__main__":
    main(sys.argv[1])
