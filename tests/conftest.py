"""What tests share: a seed, the folder of real data, a compile cache of their own where asked."""

import os
from pathlib import Path

import numpy as np
import pytest

SEED = 20_170_814


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator of the same numbers in every run."""
    return np.random.default_rng(SEED)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real data, or skip and say how to get it."""
    folder = os.environ.get("FASTINFLUENCE_DATA")
    if not folder:
        pytest.skip("FASTINFLUENCE_DATA is not set: it names the folder with the real data sets")
    if not Path(folder).is_dir():
        pytest.skip(f"FASTINFLUENCE_DATA={folder} is not a folder")
    return Path(folder)
