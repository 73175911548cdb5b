"""What a process owns that a library must leave alone, as one comparable record."""

from __future__ import annotations

import atexit
import decimal
import faulthandler
import gc
import hashlib
import locale
import logging
import multiprocessing
import os
import pickle
import random
import signal
import sys
import threading
import warnings
from typing import Any

import mpmath
import numpy as np
import sympy
import threadpoolctl
from numba.np.ufunc import parallel

State = dict[str, Any]


def snapshot() -> State:
    """Return the state of this process, by name."""
    return {**_process(), **_python(), **_numbers(), **_threads(), **_optional()}


def changes(before: State, after: State) -> list[str]:
    """Return what differs, in words."""
    return [
        f"{name}: {before.get(name)!r} became {after.get(name)!r}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _process() -> State:
    mask = os.umask(0o22)
    os.umask(mask)
    return {
        "environment": dict(os.environ),
        "working folder": os.getcwd(),
        "umask": mask,
        "locale": locale.setlocale(locale.LC_ALL),
        "signal handlers": {s: str(signal.getsignal(s)) for s in signal.valid_signals()},
        "signal mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "processors": sorted(os.sched_getaffinity(0)),
        "open files": _open_files(),
        "fault handler": faulthandler.is_enabled(),
        "calls at exit": atexit._ncallbacks(),
        "start method": multiprocessing.get_start_method(allow_none=True),
    }


def _open_files() -> dict[str, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the listing's own
            continue
        if not path.endswith(".ttf"):  # matplotlib keeps the fonts that it draws with
            found[name] = path
    return found


def _python() -> State:
    root = logging.getLogger()
    return {
        "path": list(sys.path),
        "import hooks": [str(f) for f in (*sys.meta_path, *sys.path_hooks)],
        "recursion limit": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "streams": [id(s) for s in (sys.stdin, sys.stdout, sys.stderr)],
        "hooks": [id(f) for f in (sys.excepthook, sys.displayhook, threading.excepthook)],
        "trace": [id(f) for f in (sys.gettrace(), sys.getprofile())],
        "garbage collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "warnings filters": list(map(str, warnings.filters)),
        "showing warnings": id(warnings.showwarning),
        "logging": (root.level, list(map(str, root.handlers)), logging.root.manager.disable),
        "random": _digest(random.getstate()),
        "decimal": str(decimal.getcontext()),
        "threads": sorted(t.name for t in threading.enumerate()),
    }


def _numbers() -> State:
    return {
        "NumPy's random numbers": _digest(np.random.get_state()),  # noqa: NPY002 - the global one
        "NumPy's errors": np.geterr(),
        "NumPy's error call": str(np.geterrcall()),
        "NumPy's printing": str(np.get_printoptions()),
        "digits of mpmath": (mpmath.mp.dps, mpmath.iv.dps),
        "SymPy's assumptions": str(sympy.assumptions.assume.global_assumptions),
    }


def _threads() -> State:
    pools = {pool["filepath"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    return {"pools of threads": pools, "Numba's threading layer started": parallel._is_initialized}


def _optional() -> State:
    found: State = {}
    if (matplotlib := sys.modules.get("matplotlib")) is not None:
        found["matplotlib's settings"] = str(matplotlib.rcParams)
    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        found["figures"] = list(pyplot.get_fignums())
    if (pandas := sys.modules.get("pandas")) is not None:
        found["pandas' options"] = str(pandas.get_option("display.max_rows"))
    if (sklearn := sys.modules.get("sklearn")) is not None:
        found["scikit-learn's settings"] = str(sklearn.get_config())
    if (torch := sys.modules.get("torch")) is not None:
        found["torch's threads"] = torch.get_num_threads()
        found["torch's type"] = str(torch.get_default_dtype())
        found["torch's random numbers"] = _digest(torch.get_rng_state().tolist())
        found["torch's gradients"] = torch.is_grad_enabled()
    return found


def _digest(value: Any) -> str:
    return hashlib.sha256(pickle.dumps(value)).hexdigest()
