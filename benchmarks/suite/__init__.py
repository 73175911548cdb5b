"""asv suite: `make bench-quick` runs each benchmark once, `make bench` times them properly.

What is timed is in ``benchmarks/workloads.py``.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # limits.py and workloads.py, beside this folder
