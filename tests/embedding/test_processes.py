"""The library inside others' processes: threads, forks, pools; each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


def run(script, *arguments, **environment):
    """Return how a program of this folder ended and what it said; a hang is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / script), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", **environment},
    )


@pytest.mark.parametrize("layer", ["workqueue", "omp", "tbb"])
def test_many_threads_give_the_bits_of_one(layer):
    done = run("together.py", NUMBA_THREADING_LAYER=layer)
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"Numba's layer {layer} is not installed")
    assert done.returncode == 0, done.stderr
    assert f"layer {layer}" in done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("parent", ["used", "compiling", "scoring"])
def test_a_forked_child_answers(parent, tmp_path):
    (tmp_path / "file").write_text("")
    no_cache = {"FASTINFLUENCE_CACHE_DIR": str(tmp_path / "file" / "below")}
    done = run("forks.py", parent, **(no_cache if parent == "compiling" else {}))
    assert done.returncode == 0, done.stderr
    assert "children answered" in done.stdout


@pytest.mark.parametrize("pool", ["fork", "spawn", "forkserver", "loky", "threading"])
def test_workers_of_a_pool_answer(pool):
    if "fork" in pool and not hasattr(os, "fork"):
        pytest.skip("needs fork")
    if pool in ("loky", "threading"):
        pytest.importorskip("joblib", reason="a pool of joblib's")
    done = run("pools.py", pool)
    assert done.returncode == 0, done.stderr
    assert "workers answered" in done.stdout
