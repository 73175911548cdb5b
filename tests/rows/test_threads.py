"""A pass shared by several threads: the same fold, errors in the caller's thread, no one left."""

import threading
import time

import numpy as np
import pytest

from fastinfluence.rows.base import Block, ordered_map_reduce, spans
from fastinfluence.rows.dense import DenseFeatures

CUTS = list(range(0, 401, 10))


def block(start, stop):
    return Block(start, stop, DenseFeatures(np.zeros((stop - start, 1))))


def run(task, n_threads):
    return ordered_map_reduce(CUTS, block, task, lambda a, b: a + b, n_threads)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 50])
def test_results_are_folded_in_order(n_threads):
    def task(part):
        time.sleep(0.001 * (part.start % 3))  # later blocks may be ready sooner
        return [part.start]

    assert run(task, n_threads) == CUTS[:-1]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at", [0, 200, 390])
def test_an_error_reaches_the_caller_and_ends_every_thread(error, at):
    before = set(threading.enumerate())

    def task(part):
        if part.start == at:
            raise error("stop")
        return 1

    with pytest.raises(error, match="stop"):
        run(task, 3)
    assert set(threading.enumerate()) == before


def test_few_results_wait():
    """A slow first span holds the others back: memory does not grow with their number."""
    done, most = [], []
    lock = threading.Lock()
    ends = {CUTS[k] for k in spans(len(CUTS) - 1)}

    def task(part):
        if part.start == 0:
            time.sleep(0.2)
            with lock:
                most.append(len(done))
        with lock:
            done.append(part.start)
        return 1

    assert run(task, 2) == len(CUTS) - 1
    in_a_span = (len(CUTS) - 1) // (len(ends) - 1) + 1
    assert most[0] <= 4 * in_a_span
