"""Results with an entry for each training row, as tables of the caller's own library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.influence import Influence
from fastinfluence.tables import frame_of
from fastinfluence.types import IntArray


@dataclass(frozen=True)
class Names:
    """What the caller calls the training rows, and the library that a table of them comes from.

    Attributes
    ----------
    labels : sequence or None
        A pandas index, or None where rows have no names but their positions.
    library : str
        "pandas", "polars", "pyarrow", …; "numpy" for arrays, whose tables are pandas frames.
    """

    labels: Sequence[Any] | None
    library: str

    @classmethod
    def of(cls, infl: Influence) -> Names:
        """Those of a model's training table."""
        return cls(infl._problem.labels, infl._problem.library)

    def at(self, rows: IntArray) -> Any:
        """The names of some rows, or their positions, shape (k,)."""
        if self.labels is None:
            return rows
        labels: Any = self.labels
        return labels[rows] if hasattr(labels, "dtype") else [labels[i] for i in rows]

    def frame(self, rows: IntArray, columns: dict[str, Any]) -> Any:
        """A table of some rows: ``row``, their positions, then the columns given for them.

        Of the library of the training table; a pandas frame has the names as its index.
        """
        labels = None if self.labels is None else self.at(rows)
        table = {"row": np.asarray(rows), **columns}
        return frame_of(table, labels, self.library)
