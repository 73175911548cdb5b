"""A program of its own: scoring jobs that are killed at random moments, and go on.

Each job is a child process, ended by SIGKILL, or one of them by SIGINT: the first a random moment
after it began, the others a random moment after a random number of files has appeared. After each,
every file under a final name must be what an undisturbed job has there.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from score_cases import files, people

from fastinfluence import cli

KILLS, ROWS, GROUP = 5, 12_000, 600


def job(folder, *more):
    columns = ("--target", "bought", "--features", "age", "city", "--id", "name")
    options = (*columns, "--threads", "1", "--out", folder, *more)
    return cli.main(["score", "train.parquet", "new.parquet", *options])


def child():
    """Start a job that goes on with what is there."""
    process = os.fork()
    if not process:
        code = cli.FAILED
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = job("killed", "--resume")
        finally:
            os._exit(code)
    return process


def final(folder):
    """Return the files that have their final names, if there are any."""
    if not Path(folder).exists():
        return {}
    return {k: v for k, v in files(Path(folder)).items() if not Path(k).name.startswith(".")}


def wait_for(count):
    """Wait until so many files have appeared, or the job has had time enough."""
    until = time.monotonic() + 60
    while len(final("killed")) < count and time.monotonic() < until:
        time.sleep(1e-3)


def main():
    rng = np.random.default_rng()
    pq.write_table(people(ROWS, 0), "train.parquet", row_group_size=GROUP)
    pq.write_table(people(3, 1), "new.parquet")
    assert job("warm") == cli.OK
    start = time.monotonic()
    assert job("whole") == cli.OK
    seconds, whole = time.monotonic() - start, final("whole")
    stages = []
    for k in range(KILLS):
        process = child()
        if k == 0:
            time.sleep(rng.uniform(0, seconds))
        else:
            wait_for(len(final("killed")) + rng.integers(1, 6))
            time.sleep(rng.uniform(0, 4e-3))
        os.kill(process, signal.SIGINT if k == KILLS // 2 else signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) in (cli.OK, cli.INTERRUPTED)
        found = final("killed")
        wrong = [name for name in found if found[name] != whole[name]]
        assert not wrong, f"files that are not whole: {wrong}"
        stages.append(len(found))
    assert job("killed", "--resume") == cli.OK
    assert files(Path("killed")) == files(Path("whole"))
    print(f"kills left {stages} of {len(whole)} files")


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    pa.set_cpu_count(1)
    main()
