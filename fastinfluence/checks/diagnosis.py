"""Diagnostics of a table's rows beside the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import expit

from fastinfluence.audit.result import free_name, padded
from fastinfluence.audit.show import own_values
from fastinfluence.audit.write import UNDATED
from fastinfluence.checks.diagnose import LETTERS, MEANING, NAMES
from fastinfluence.checks.fitted import Encoding
from fastinfluence.diagnostics import Diagnostics
from fastinfluence.influence import Influence
from fastinfluence.screen import cell
from fastinfluence.types import FloatArray, IntArray


@dataclass(frozen=True)
class Diagnosis:
    """A fitted table and its diagnostics.

    Attributes
    ----------
    data : Encoding
    infl : Influence
        The model of all rows that have a target.
    diagnostics : Diagnostics
    order : ndarray of int, shape (n,)
        Places of those rows, the largest Cook's distance first.
    prediction : ndarray, shape (n,)
        In the unit of the target, or the probability of the positive class.
    """

    data: Encoding
    infl: Influence
    diagnostics: Diagnostics
    order: IntArray
    prediction: FloatArray

    @classmethod
    def of(cls, data: Encoding) -> Diagnosis:
        """Fit a table and diagnose its rows."""
        infl = data.fit()
        found, target = infl.diagnostics(), data.target
        cook = np.where(np.isfinite(found.cooks_distance), found.cooks_distance, np.inf)
        f = data.X @ infl.theta[:-1] + infl.theta[-1]
        mean = expit(f) if target.task == "classify" else target.centre + target.unit * f
        return cls(data, infl, found, np.argsort(-cook, kind="stable"), np.asarray(mean))

    @property
    def predicted_name(self) -> str:
        """What to call the predictions."""
        target = self.data.target
        return f"P({target.positive})" if target.task == "classify" else "predicted"

    def numbers(self, i: int) -> list[float]:
        """The four diagnostics of one row."""
        return [float(getattr(self.diagnostics, name)[i]) for name in NAMES]

    def flags(self) -> list[str]:
        """A letter for each diagnostic that lies beyond its customary bound, row by row."""
        beyond = np.stack([self.diagnostics.flagged(name) for name in NAMES], axis=1)
        return ["".join(np.array(list(LETTERS))[row]) for row in beyond]

    def cells(self, i: int) -> list[str]:
        """One row for the screen."""
        row, target = int(self.data.target.rows[i]), self.data.target
        prediction = self.prediction[i]
        return [
            f"{row:,}",
            cell(self.data.table.column(target.name)[row].as_py()),
            f"{prediction:.4f}" if target.task == "classify" else f"{prediction:.6g}",
            *(f"{value:#.3g}" for value in self.numbers(i)),
            self.flags()[i],
        ]

    def record(self, i: int) -> dict[str, Any]:
        """One row for JSON."""
        row, target = int(self.data.target.rows[i]), self.data.target
        cells = [
            row,
            self.data.table.column(target.name)[row].as_py(),
            float(self.prediction[i]),
            *self.numbers(i),
            self.flags()[i],
        ]
        (values,) = own_values(self.data.table, target.name, [row])
        return {**dict(zip(MEANING, cells, strict=True)), "values": values}

    def ranked(self) -> pa.Table:
        """The whole table with its diagnostics, the largest Cook's distance first.

        Rows without a target come last, their diagnostics empty. A column whose name the table
        has already gets the prefix ``audit_``.
        """
        data, target = self.data, self.data.target
        rest = np.setdiff1d(np.arange(data.table.num_rows), target.rows)
        rows = np.concatenate([target.rows[self.order], rest])
        table = data.table.take(pa.array(rows))
        flags = pa.array(np.array(self.flags(), dtype=object)[self.order], pa.string())
        columns = [
            pa.array(rows, pa.int64()),
            table.column(target.name),
            padded(self.prediction[self.order], len(rest)),
            *(padded(getattr(self.diagnostics, n)[self.order], len(rest)) for n in NAMES),
            pa.concat_arrays([flags, pa.nulls(len(rest), pa.string())]),
        ]
        taken = set(table.column_names) - ({"target"} & {target.name})
        names = [free_name(name, taken) for name in MEANING]
        kept = [name for name in table.column_names if name not in names]
        fields = [
            pa.field(name, column.type, metadata={"meaning": meaning})
            for name, column, meaning in zip(names, columns, MEANING.values(), strict=True)
        ]
        schema = pa.schema(fields + [table.schema.field(name) for name in kept])
        return pa.table([*columns, *(table.column(name) for name in kept)], schema=schema)

    def draw(self, path: Path, kind: str) -> None:
        """Draw Cook's distance of every row, and residual against leverage, into a file."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(12.5, 5.0), dpi=150, layout="constrained")
        left, right = figure.subplots(1, 2)
        self.diagnostics.plot(ax=left)
        self.diagnostics.plot_leverage(ax=right)
        figure.savefig(path, format=kind, metadata=UNDATED.get(kind))
