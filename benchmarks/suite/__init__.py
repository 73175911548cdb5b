"""asv suite: `make bench-quick` runs each benchmark once, `make bench` times them properly."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # limits.py and the data, beside this folder
