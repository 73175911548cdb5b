"""Rows of anything that can be indexed: arrays of any shape, tensors, frames, lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.rows.features import Features
from fastinfluence.rows.serial import SerialRows
from fastinfluence.types import FloatArray, IntArray


def count(container: Any) -> int:
    """Number of rows of a container; InputError for what has none."""
    shape = getattr(container, "shape", None)
    if shape is not None and len(shape):
        return int(shape[0])
    sequence = hasattr(container, "__len__") and hasattr(container, "__getitem__")
    if shape is not None or not sequence or isinstance(container, str | dict):
        raise InputError(
            f"rows given as a {type(container).__name__}: give an array or a tensor whose first "
            "axis counts rows, a frame, or a list"
        )
    return len(container)


def pick(container: Any, rows: slice | IntArray) -> Any:
    """Some rows of a container, in a container of its own kind where it can be indexed at once."""
    if container is None:
        return None
    if hasattr(container, "iloc"):
        return container.iloc[rows]
    if hasattr(container, "shape") or (isinstance(rows, slice) and isinstance(container, list)):
        return container[rows]
    chosen = range(*rows.indices(len(container))) if isinstance(rows, slice) else rows
    return [container[int(i)] for i in chosen]


def alike(X: Any, example: Any, what: str) -> Indexed:
    """Rows of the shape of an example's, where both have one; InputError where there are none."""
    if not count(X):
        raise InputError(f"{what} has no rows")
    shapes = [getattr(rows, "shape", None) for rows in (X, example)]
    given, wanted = (None if shape is None else tuple(shape[1:]) for shape in shapes)
    if wanted is not None and given is not None and given != wanted:
        raise InputError(
            f"each row of {what} has shape {given}, a training row has {wanted}: give {what} "
            "with one entry for each row, also for a single one"
        )
    return Indexed(X)


class Indexed(Features):
    """Rows X and, of training rows, their targets y: containers that no product is taken with."""

    def __init__(self, X: Any, y: Any = None) -> None:
        self.X, self.y = X, y
        self.n_features = 0

    def __len__(self) -> int:
        return count(self.X)

    def __getitem__(self, rows: slice | IntArray) -> Indexed:
        """Some of the rows."""
        return Indexed(pick(self.X, rows), pick(self.y, rows))

    def native(self) -> Any:
        """The rows in the caller's own container."""
        return self.X

    def stored(self) -> dict[str, np.ndarray[Any, Any]]:
        """The numbers of X and y; UnsupportedError where a container holds something else."""
        named = {"X": self.X, "y": self.y}
        return {name: _numbers(c, name) for name, c in named.items() if c is not None}

    def first_not_finite(self) -> None:
        """None: what rows hold is the callables' business."""
        return

    def mapped(self, function: Callable[[FloatArray], FloatArray]) -> NoReturn:
        """Refused."""
        raise self._no_numbers()

    def toarray(self) -> NoReturn:
        """Refused."""
        raise self._no_numbers()

    def _linear(self, V: FloatArray) -> NoReturn:
        raise self._no_numbers()

    def _transposed(self, C: FloatArray, p: int) -> NoReturn:
        raise self._no_numbers()

    def _add_gram(self, scale: FloatArray, out: FloatArray) -> NoReturn:
        raise self._no_numbers()

    def _paired(self, T: FloatArray, owner: IntArray) -> NoReturn:
        raise self._no_numbers()

    @staticmethod
    def _no_numbers() -> TypeError:
        return TypeError("the rows of an oracle are handed to its callables, never multiplied with")


def _numbers(container: Any, name: str) -> np.ndarray[Any, Any]:
    try:
        out = np.asarray(container)
    except (TypeError, ValueError, RuntimeError):  # on another device, or ragged
        out = np.asarray(None)
    if out.dtype.kind not in "biuf":
        raise UnsupportedError(
            f"{name} is a {type(container).__name__} that holds no plain numbers, so that a later "
            "change of it could not be noticed: give arrays or tensors of numbers"
        )
    return out


class IndexedRows(SerialRows):
    """A container of n rows and one of their targets, handed out in blocks, by one thread.

    Parameters
    ----------
    X, y : indexable
        Arrays or tensors of any shape whose first axis counts rows, frames, or sequences. Neither
        copied nor written to. y may be None.
    batch : int
        Most rows of a block.
    """

    n_features = 0
    density = 1.0
    dtype: np.dtype[np.floating[Any]] = np.dtype(np.float64)

    def __init__(self, X: Any, y: Any, batch: int) -> None:
        self._whole = Indexed(X, y)
        self.n_rows = len(self._whole)
        if not self.n_rows:
            raise InputError("X has no rows")
        self.block_rows = batch

    def _cuts(self, once: bool) -> list[int]:
        return [*range(0, self.n_rows, self.block_rows), self.n_rows]

    def take(self, rows: IntArray | slice) -> Indexed:
        """The chosen rows."""
        return self._whole[rows]
