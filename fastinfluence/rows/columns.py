"""One number per row of a streamed table, made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from fastinfluence.rows.base import Block
from fastinfluence.rows.stream import StreamRows
from fastinfluence.types import IntArray

Array = np.ndarray[Any, Any]


class PerRow(NDArrayOperatorsMixin):
    """What looks like an array with an entry per row, and is nowhere in memory.

    Chosen rows are read when they are indexed. Elementwise functions of such arrays and numbers
    give another one. Anything else of NumPy's gets the whole array, from one pass over the rows;
    where ``max_memory`` has no room for it, it is refused.

    Parameters
    ----------
    rows : StreamRows
    of : callable
        From a block to its entries.
    what : str
        For messages.
    tail : tuple of int
        Shape of an entry.
    total : float, optional
        The sum, where it is known.
    dtype : dtype, optional
        Of the entries.
    """

    def __init__(
        self,
        rows: StreamRows,
        of: Callable[[Block], Array],
        what: str,
        tail: tuple[int, ...] = (),
        total: float | None = None,
        dtype: Any = np.float64,
    ) -> None:
        self.rows, self.of, self._what, self._total = rows, of, what, total
        self.shape = (rows.n_rows, *tail)
        self.ndim = len(self.shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getstate__(self) -> dict[str, Any]:
        """Without the table: what is sent to other processes only makes a block's entries there."""
        return {**self.__dict__, "rows": None}

    def __getitem__(self, rows: Any) -> Any:
        """The entries of some rows; what follows the first index is NumPy's business."""
        if isinstance(rows, tuple):
            return self[rows[0]][(slice(None), *rows[1:])]
        if isinstance(rows, slice):
            return self.of(self.rows.gather(rows))
        given = np.asarray(rows)
        at: IntArray = np.flatnonzero(given) if given.dtype == bool else given.astype(np.intp)
        found = self.of(self.rows.gather(at.ravel()))
        return found.reshape(at.shape + self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """The whole array, from one pass over the rows."""
        size = self.dtype.itemsize * int(np.prod(self.shape))
        self.rows.reserve(size, f"{self._what} of all {len(self)} rows")
        out = self.rows.collected(self.of, self.shape, self.dtype)
        return out if dtype is None else out.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        pointwise = method == "__call__" and ufunc.signature is None and not kwargs
        if pointwise and all(map(_elementwise, inputs)):
            parts = list(inputs)

            def of(block: Block) -> Array:
                out: Array = ufunc(*(p.of(block) if isinstance(p, PerRow) else p for p in parts))
                return out

            nothing = (np.empty(0, p.dtype) if isinstance(p, PerRow) else p for p in parts)
            made = ufunc(*nothing).dtype
            return PerRow(self.rows, of, self._what, self.shape[1:], dtype=made)
        whole = [np.asarray(value) if isinstance(value, PerRow) else value for value in inputs]
        return getattr(ufunc, method)(*whole, **kwargs)

    # -- what NumPy's functions of the same names call -----------------------------------

    def sum(self) -> float:
        """The sum of all entries; a known one costs nothing."""
        if self._total is not None:
            return self._total
        return float(self._over_blocks(np.sum, lambda a, b: a + b))

    def max(self) -> float:
        """The largest entry."""
        return float(self._over_blocks(np.max, max))

    def any(self) -> bool:
        """Whether an entry is not zero."""
        return bool(self._over_blocks(np.any, lambda a, b: a or b))

    def all(self) -> bool:
        """Whether no entry is zero."""
        return bool(self._over_blocks(np.all, lambda a, b: a and b))

    def argmax(self, **_: Any) -> int:
        """Position of the first of the largest entries."""
        return self._extreme(1.0)

    def argmin(self, **_: Any) -> int:
        """Position of the first of the smallest entries."""
        return self._extreme(-1.0)

    def astype(self, dtype: Any) -> Array:
        """The whole array, of a type."""
        return np.asarray(self).astype(dtype)

    def copy(self) -> Array:
        """The whole array."""
        return np.asarray(self)

    def _over_blocks(self, of: Callable[[Array], Any], combine: Callable[[Any, Any], Any]) -> Any:
        def task(block: Block) -> Any:
            return of(self.of(block))

        return self.rows.map_reduce(task, combine, self.rows.plan.threads)

    def _extreme(self, sign: float) -> int:
        def task(block: Block) -> tuple[float, int]:
            values = sign * self.of(block)
            at = int(np.argmax(values))
            return float(values[at]), block.start + at

        def better(a: tuple[float, int], b: tuple[float, int]) -> tuple[float, int]:
            return b if b[0] > a[0] else a

        return self.rows.map_reduce(task, better, self.rows.plan.threads)[1]


def _elementwise(value: Any) -> bool:
    return isinstance(value, PerRow) or np.ndim(value) == 0


def few_distinct(values: Any, most: int) -> Array:
    """The distinct entries, sorted; of those of a streamed table at most one more than ``most``."""
    if not isinstance(values, PerRow):
        return np.unique(values)

    def both(a: Array, b: Array) -> Array:
        return np.unique(np.concatenate([a, b]))[: most + 1]

    def task(block: Block) -> Array:
        return np.unique(values.of(block))[: most + 1]

    return values.rows.map_reduce(task, both, values.rows.plan.threads)


def at_block(values: Any, block: Block) -> Any:
    """The entries of a block's rows, of an array or of what only looks like one."""
    return values.of(block) if isinstance(values, PerRow) else values[block.rows]
