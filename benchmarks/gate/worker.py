"""One process of the gate: times workloads with the library that PYTHONPATH names.

Reads a request a line from standard input, writes an answer a line, both JSON:
``{"prepare": name}`` makes a workload ready, ``{}`` times its limit and its call once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PLANT = "FASTINFLUENCE_BENCH_PLANT"
"""Environment variable ``name=fraction``: that workload takes so much longer here, as a test."""


def main() -> None:
    """Answer until the requests end."""
    sys.path.insert(0, str(Path(__file__).parents[1]))  # workloads.py and limits.py
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else prints does not disturb the answers
    workload: Any = None
    answer: dict[str, Any]
    for request in map(json.loads, sys.stdin):
        if "prepare" in request:
            workload = None  # give its memory back first
            workload, answer = prepared(request["prepare"])
        else:
            answer = {
                "limit": seconds(workload.limit) * workload.share,
                "call": seconds(workload.call),
            }
        answers.write(json.dumps(answer) + "\n")


def prepared(name: str) -> tuple[Any, dict[str, str]]:
    """Build and warm a workload; what fails is told, since an older library may lack anything."""
    try:
        import workloads

        import fastinfluence

        workload = workloads.WORKLOADS[name]()
        call = planted(name, workload.call)
        call()
        workload.limit()
    except Exception as error:
        return None, {"error": f"{type(error).__name__}: {error}"}
    ready = workloads.Workload(call, workload.limit, workload.share)
    return ready, {"library": str(Path(fastinfluence.__file__).parents[1])}


def planted(name: str, call: Callable[[], object]) -> Callable[[], object]:
    """Return the call, slower by the fraction that the environment plants in this workload."""
    where, _, fraction = os.environ.get(PLANT, "").partition("=")
    if where != name:
        return call

    def slower() -> None:
        start = time.perf_counter()
        call()
        end = time.perf_counter()
        while time.perf_counter() < end + float(fraction) * (end - start):
            pass

    return slower


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
