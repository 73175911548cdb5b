"""No public call changes what belongs to the process: environment, threads, random numbers, …"""

import json
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("threadpoolctl", reason="threadpoolctl counts the threads of BLAS")
pytest.importorskip("dask.array", reason="the calls read tables of Dask")
pytest.importorskip("matplotlib", reason="the calls draw")
pytest.importorskip("sklearn", reason="the calls wrap an estimator")

from embedding.calls import CALLS
from embedding.state import changes, snapshot
from embedding.surface import is_call, members, top_level

ROOT = Path(__file__).parents[2]
BY_METHOD = ("Influence", "ParquetScores", "audit.Audit")
"""Classes whose methods are questions, each with a call of its own; other classes are called as a
whole, and of results the properties too."""


@pytest.fixture(scope="session")
def watched():
    """Return what each call changed, seen in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("watched.py"))],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_the_process_as_it_was(name, watched):
    if name not in watched:
        pytest.skip("torch is not installed")
    assert watched[name] == {"first": [], "second": []}


def needed():
    """Return every public name that does something when it is called or read."""
    for name, value in top_level().items():
        if not isinstance(value, type):
            if callable(value) and hasattr(value, "__code__"):
                yield name
            continue
        result = "." in name and name.split(".")[0] not in ("solvers", "targets")
        for inner, member in members(value).items():
            method = is_call(member) and not isinstance(member, property)
            if name == "Influence" or (method and (result or name in BY_METHOD)):
                yield f"{name}.{inner}"
        if not result and not issubclass(value, BaseException) and name not in PASSIVE:
            yield name


PASSIVE = ("solvers.Conditioning", "solvers.Solution", "solvers.Solver", "targets.Target")
"""Protocols, and results: nobody makes them by hand."""
READ = "reading results"


def test_no_public_call_is_forgotten():
    cached = {
        f"{name}.{inner}"
        for name, value in top_level().items()
        if isinstance(value, type) and name != "Influence"
        for inner, member in members(value).items()
        if type(member).__name__ == "cached_property"
    }
    assert READ in CALLS
    assert sorted(set(needed()) - set(CALLS) - cached) == []


WRONG = {
    "environment": lambda m: m.setenv("FASTINFLUENCE_TEST", "1"),
    "warnings filters": lambda m: m.setattr(
        warnings, "filters", [("ignore", None, Warning, "", 0)]
    ),
    "NumPy's random numbers": lambda m: np.random.rand(),  # noqa: NPY002 - a deliberate wrong
    "random": lambda m: random.random(),
    "NumPy's errors": lambda m: np.seterr(under="raise"),
    "recursion limit": lambda m: sys.setrecursionlimit(sys.getrecursionlimit() + 1),
    "working folder": lambda m: m.chdir("/"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_change_is_seen(name, monkeypatch):
    limit, errors = sys.getrecursionlimit(), np.geterr()
    before = snapshot()
    WRONG[name](monkeypatch)
    found = changes(before, snapshot())
    sys.setrecursionlimit(limit)
    np.seterr(**errors)
    assert [line.split(":")[0] for line in found] == [name]
