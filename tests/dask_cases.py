"""One table three ways: in memory, streamed, and in the partitions of a Dask collection."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from cases import Built

import fastinfluence as fi

PARTS = 3
N = 120
ROLES = {"target": "y", "weight": "w", "offset": "o"}
"""Columns of :func:`small_frame` by what they are for."""
BANDS = ("high", "low", "middle")


@dataclass(frozen=True)
class Tables:
    """A case's rows as arrays (features encoded) and as a frame."""

    X: Any
    X_test: Any
    frame: pd.DataFrame
    frame_test: pd.DataFrame
    built: Built

    @classmethod
    def of(cls, built: Built, one_hot: bool) -> "Tables":
        """Return a case's table, with its first column cut into bands if asked."""
        X, X_test = features(built.X, one_hot), features(built.X_test, one_hot)
        frame = X.assign(y=built.y)
        for name, values in (("w", built.sample_weight), ("o", built.offset)):
            if values is not None:
                frame[name] = values
        return cls(encoded(X), encoded(X_test), frame, X_test, built)

    @property
    def roles(self) -> dict[str, str]:
        """Return the columns by what they are for."""
        names = {"target": "y", "weight": "w", "offset": "o"}
        return {role: name for role, name in names.items() if name in self.frame}

    def dask(self, client: Any = None, parts: int = PARTS) -> Any:
        """Return the table in partitions, of different sizes."""
        return fi.rows.dask(pieces(self.frame, parts), **self.roles, client=client)

    def streamed(self) -> Any:
        """Return the table as one that is streamed from memory."""
        return fi.rows.arrow(self.frame, **self.roles)


def pieces(frame: pd.DataFrame, parts: int) -> list[Any]:
    """Return delayed frames of different sizes."""
    import dask

    cuts = np.linspace(0, len(frame) ** 0.5, parts + 1) ** 2
    ends = [round(cut) for cut in cuts]
    return [dask.delayed(frame.iloc[a:b]) for a, b in pairwise(ends)]


def features(X: Any, one_hot: bool) -> pd.DataFrame:
    """Return named columns; the first as text where categories are asked for."""
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    if one_hot:
        place = np.digitize(X[:, 0], (-0.5, 0.5))
        frame["x0"] = np.array(["low", "middle", "high"])[place]
    return frame


def encoded(frame: pd.DataFrame) -> Any:
    """Return the same as an array, each band a column of its own, in sorted order."""
    columns = []
    for name in frame.columns:
        values = frame[name].to_numpy()
        known = [values == band for band in BANDS] if values.dtype.kind in "OT" else [values]
        columns += known
    return np.stack([np.asarray(column, dtype=float) for column in columns], axis=1)


def small_frame() -> pd.DataFrame:
    """Return a table of N rows with numbers, a category, weights, offsets and labels."""
    rng = np.random.default_rng(7)
    out = pd.DataFrame(rng.normal(size=(N, 3)), columns=["a", "b", "c"])
    out["kind"] = rng.choice(["x", "y", "z"], N)
    out["w"], out["o"] = rng.uniform(0.5, 2.0, N), rng.normal(scale=0.3, size=N)
    chance = 1 / (1 + np.exp(-out["a"] - (out["kind"] == "x") - out["o"]))
    out["y"] = (rng.uniform(size=N) < chance).astype(int)
    return out


def cut(values: Any) -> list[Any]:
    """Return three views of N rows, of different sizes."""
    return [values[a:b] for a, b in pairwise([0, 10, 70, N])]


def split(frame: pd.DataFrame, parts: int) -> list[pd.DataFrame]:
    """Return partitions of about the same size."""
    ends = np.linspace(0, len(frame), parts + 1).astype(int)
    return [frame.iloc[a:b] for a, b in pairwise(ends)]
