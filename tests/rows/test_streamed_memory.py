"""What streaming takes: less than max_memory for any number of rows; no result beyond it."""

import subprocess
import sys

import numpy as np
import pytest
from stream_cases import pa, pq

import fastinfluence as fi

N, D, LIMIT = 1_000_000, 4, 32_000_000
SLACK = 8_000_000
"""What allocators may hold back beside what is in use."""
SCRIPT = """
import gc, sys
from pathlib import Path
import numpy as np
import fastinfluence as fi

def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])

def run(folder):
    table = fi.rows.parquet(folder, target="y", max_memory=LIMIT)
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.01), table, n_threads=2)
    infl.on_loss(np.ones((10, D)), np.arange(10) % 2, out=fi.TopK(10))
    infl.self_influence(out=fi.TopK(10))
    infl.leave_one_out([5, 70], "exact")

folder, LIMIT, D = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
run(folder / "warm")
gc.collect()
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
run(folder / "whole")
print(status("VmHWM") - before)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two Parquet files of 1,000,000 rows in all, and a small one to warm up with."""
    made, rng = tmp_path_factory.mktemp("large"), np.random.default_rng(3)
    for name, rows in (("warm", 20_000), ("whole", N)):
        (made / name).mkdir()
        for k in range(2):
            X = rng.normal(size=(rows // 2, D))
            y = (X[:, 0] + rng.normal(size=rows // 2) > 0).astype(float)
            table = pa.table({**{f"x{j}": X[:, j] for j in range(D)}, "y": y})
            pq.write_table(table, made / name / f"{k}.parquet", row_group_size=50_000)
    return made


@pytest.fixture(scope="module")
def infl(folder):
    table = fi.rows.parquet(folder / "whole", target="y", max_memory=LIMIT)
    return fi.Influence.fit(fi.GLM("logistic", l2=0.01), table)


@pytest.mark.skipif(sys.platform != "linux", reason="reads peaks from /proc")
def test_peak(folder):
    """X alone would take the limit, and every array of an entry per row a quarter more."""
    assert 8 * N * D >= LIMIT
    arguments = [str(folder), str(LIMIT), str(D)]
    out = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    assert int(out.stdout) <= LIMIT + SLACK


TOO_LARGE = {
    "scores": lambda i: i.on_loss(np.ones((10, D)), np.zeros(10)),
    "diagnostics": lambda i: i.diagnostics(),
    "every removal": lambda i: i.leave_one_out(),
    "cross-validation": lambda i: i.cross_validation(),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_results_beyond_the_limit_are_refused(infl, what):
    with pytest.raises(fi.UnsupportedError, match=r"more than max_memory leaves"):
        TOO_LARGE[what](infl)


def test_what_fits_is_given(folder, infl):
    table = fi.rows.parquet(folder / "whole", target="y", max_memory=2 * LIMIT)
    roomy = fi.Influence(infl.spec, table, theta=infl.theta)
    assert roomy.on_loss(np.ones((1, D)), [1.0]).shape == (1, N)


def test_a_start_reads_no_more_rows_than_there_is_room_for(folder, monkeypatch):
    """Losses of a bounded domain look at some rows to start from."""
    table = fi.rows.parquet(folder / "warm", target="y", max_memory="3MB")
    monkeypatch.setattr("fastinfluence.start.SAMPLE", 10**6)
    spec = fi.GLM(fi.families.gaussian(link="logit"), l2=0.1)
    found = fi.Influence.fit(spec, table)
    assert found._problem.rows.most_rows < found.n_rows
