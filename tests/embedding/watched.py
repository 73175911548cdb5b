"""A program of its own: make every public call twice, and tell what each left changed.

What the packages below do when they are imported is theirs, so they are imported first. A process
that nobody has used yet shows also what only a first call changes.
"""

import json
import random
import sys
import time
import traceback
import warnings
from collections.abc import Callable

import matplotlib as mpl

mpl.use("Agg")

# What the library or the calls import anywhere, before anything is watched.
import distributed  # noqa: F401
import narwhals  # noqa: F401
import numpy as np
import pandas  # noqa: F401
import scipy.cluster.hierarchy
import scipy.linalg
import scipy.optimize
import scipy.sparse.linalg
import scipy.spatial
import scipy.special
import scipy.stats  # noqa: F401
import sklearn.linear_model
import sklearn.pipeline
import sklearn.svm  # noqa: F401
import sympy.parsing.sympy_parser  # noqa: F401

try:
    import torch
except ImportError:
    torch = None

from embedding.calls import CALLS
from embedding.state import changes, snapshot
from embedding.world import World


def unusual() -> None:
    """Settings that a host may have: a library that restores the usual ones is seen too."""
    random.seed(11)
    np.random.seed(12)  # noqa: NPY002 - the global one is what is watched
    np.seterr(all="raise")
    np.set_printoptions(precision=3)
    sys.setrecursionlimit(1234)
    warnings.simplefilter("error")


def made(call: Callable[[World], object], world: World) -> list[str]:
    """Return what a call changed, or how it failed."""
    before = snapshot()
    try:
        call(world)
    except Exception:
        return [traceback.format_exc()]
    found = changes(before, snapshot())
    for _ in range(100):  # Arrow closes a file a moment later, in a thread of its own
        if not found:
            break
        time.sleep(0.02)
        found = changes(before, snapshot())
    return found


def main() -> None:
    """Print what each call changed, as JSON."""
    world = World()
    if torch is not None:
        assert world.module
    unusual()
    found = {
        name: {"first": made(call, world), "second": made(call, world)}
        for name, call in CALLS.items()
        if torch is not None or name != "Influence.from_torch"
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
