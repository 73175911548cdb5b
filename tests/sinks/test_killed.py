"""kill -9 in the middle of scoring, ten times: what is resumed equals an undisturbed run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killing.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_ten_kills_change_no_byte(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    added, total = map(int, re.findall(r"added (\d+) of (\d+)", done.stdout)[0])
    assert 0 < added < total, "the kills did not fall in the middle"
    killed, whole = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("killed", "whole")
    )
    assert len(whole) == total + 2  # the manifest, and the lock
    assert killed == whole
