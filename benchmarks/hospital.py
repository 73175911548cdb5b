"""The hospital data of Koh & Liang (2017, section 5.1): 127 columns, no intercept.

The folder holds ``diabetes130_hospitals.parquet`` (UCI "Diabetes 130-US hospitals for years
1999-2008", 101,766 rows) and ``koh2017_splits.npz`` (rows of the paper's split, names of the
columns, which tell the encoding). Label 1 is a readmission within 30 days.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
WEIGHT_DECAY = 1e-4
TEST_POSITION = 1742  # the test patient whose influences the paper looks at


class Hospital(NamedTuple):
    """Design matrices and labels of the split."""

    X_train: Array
    y_train: Array
    X_test: Array
    y_test: Array
    feature_names: list[str]


def read_splits(folder: str | Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of the splits file."""
    with np.load(Path(folder) / "koh2017_splits.npz") as file:
        return {name: file[name] for name in file.files}


def column_of(name: str, columns: list[str]) -> str:
    """Return the column of the table that a feature such as ``age_[0-10)`` is made of."""
    fitting = [c for c in columns if name == c or name.startswith(c + "_")]
    return max(fitting, key=len)


def feature(frame: Any, name: str) -> Array:
    """Return one column: a number as it is, a category as 0 or 1 ("?" and "None" are some)."""
    column = column_of(name, list(frame.columns))
    if name == column:
        return np.asarray(frame[column], dtype=np.float64)
    values = np.asarray(frame[column].astype(str))
    return (values == name[len(column) + 1 :]).astype(np.float64)


def load(folder: str | Path) -> Hospital:
    """Return the paper's 20,000 training and 81,766 test rows, and the 127 feature names."""
    import pandas as pd

    frame = pd.read_parquet(Path(folder) / "diabetes130_hospitals.parquet")
    splits = read_splits(folder)
    names = splits["hospital_feature_names"].item().decode().split("\n")
    X = np.column_stack([feature(frame, name) for name in names])
    y = np.asarray(frame["readmitted"].astype(str) == "<30", dtype=np.float64)
    train, test = splits["hospital_train_rows"], splits["hospital_test_rows"]
    return Hospital(X[train], y[train], X[test], y[test], names)
