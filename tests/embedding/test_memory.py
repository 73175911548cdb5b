"""Too little memory: the right bits or one clear error, never a hang, a crash or a wrong number."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("memory.py")
CALLS = ("fit", "matrix", "streamed", "removal")
"""``python tests/embedding/memory.py <call>`` knows more of them."""


@pytest.mark.skipif(sys.platform != "linux", reason="limits addresses as Linux does")
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_lacks_memory_says_so(call):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), call],
        capture_output=True,
        text=True,
        timeout=600,
        env={
            **os.environ,
            "PYTHONPATH": str(SCRIPT.parents[2]),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "right" in done.stdout
    if call == "matrix":  # 57 MB at once: some limits are met
        assert "MemoryError" in done.stdout or "error of the library" in done.stdout
