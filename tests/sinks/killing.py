"""A program of its own: scoring that is killed ten times at random moments, and goes on.

Each writer is a child process, ended by SIGKILL once a random number of parts has appeared and a
random moment later. After each kill every file under a final name must be whole.
"""

import io
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import fastinfluence as fi
from fastinfluence import files

N, KILLS, ROWS = 40_000, 10, 400


def model():
    """Return the same model in every process, without a fit."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N, 3)), rng.integers(0, 2, size=N).astype(float)
    ones = np.concatenate([X, np.ones((N, 1))], axis=1)
    theta = np.linalg.solve(ones.T @ ones, ones.T @ y)
    return fi.Influence(fi.GLM("squared"), X, y, theta), X[:2], y[:2]


MODEL = model()


def score(folder, resume):
    infl, X_test, y_test = MODEL
    return infl.on_loss(X_test, y_test, out=fi.ParquetSink(folder, resume, ROWS))


class SlowDisk(io.FileIO):
    """A file that is written without a buffer, and slowly: most kills fall in the middle of one."""

    def write(self, data):
        written = super().write(data)
        time.sleep(1e-3)
        return written


def parts(folder):
    return sorted(folder.glob("*.parquet"))


def kill_one(folder, rng):
    """Start a writer, kill it in the middle, and return how many parts it added."""
    before = len(parts(folder))
    wanted, pause = before + int(rng.integers(0, 7)), rng.uniform(0, 1e-2)
    child = os.fork()
    if not child:
        files.open = SlowDisk
        try:
            score(folder, resume=True)
        finally:
            os._exit(0)
    ended, status = 0, 0
    while len(parts(folder)) < wanted and not ended:
        ended, status = os.waitpid(child, os.WNOHANG)
    time.sleep(pause)
    if not ended:
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), "the writer ended before it was killed"
    return len(parts(folder)) - before


def check_whole(folder, expected):
    for path in parts(folder):
        start, stop = map(int, path.stem.split("-")[1:])
        table = pq.ParquetFile(path).read(use_threads=False)
        for j in range(2):
            found = table.column(f"score_{j}").to_numpy()
            assert np.array_equal(found, expected[j, start:stop]), path.name


def main(folder):
    infl, X_test, y_test = MODEL
    expected, rng = infl.on_loss(X_test, y_test), np.random.default_rng()
    (folder / "killed").mkdir()
    added = []
    for _ in range(KILLS):
        added.append(kill_one(folder / "killed", rng))
        check_whole(folder / "killed", expected)
    left = len(list((folder / "killed").glob(".*.tmp")))
    score(folder / "killed", resume=True)
    score(folder / "whole", resume=False)
    print(f"added {sum(added)} of {N // ROWS} parts, unfinished files left: {left}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
