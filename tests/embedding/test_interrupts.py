"""Ctrl-C at random moments of every long call, each in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("interrupts.py")
CALLS = ("fit", "network", "direct", "cg", "lissa", "scored", "streamed", "removal", "compiled")
TIMES = "4"
"""Of each call; more with ``python tests/embedding/interrupts.py <call> <times>``."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
@pytest.mark.parametrize("call", CALLS)
def test_an_interrupt_ends_the_call_and_nothing_else(call, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2]), "OPENBLAS_NUM_THREADS": "1"}
    if call == "compiled":  # compile again, and not from the cache
        (tmp_path / "file").write_text("")
        environment["FASTINFLUENCE_CACHE_DIR"] = str(tmp_path / "file" / "below")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), call, TIMES],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "interrupted" in done.stdout
