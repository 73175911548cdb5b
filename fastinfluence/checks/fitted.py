"""A table read, encoded and fitted as `fastinfluence audit` does it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.audit.options import Options
from fastinfluence.audit.read import read_table
from fastinfluence.audit.result import prepare
from fastinfluence.audit.score import LOSS
from fastinfluence.audit.target import Target
from fastinfluence.influence import Influence
from fastinfluence.progress import on_terminal
from fastinfluence.screen import cell
from fastinfluence.solvers import Direct
from fastinfluence.spec.models import GLM
from fastinfluence.tables import Table
from fastinfluence.types import BoolArray, FloatArray


@dataclass(frozen=True)
class Encoding:
    """A table ready to be fitted.

    Attributes
    ----------
    table : pyarrow.Table
        As it was read.
    target : Target
    X : ndarray, shape (n, p - 1)
        The rows that have a target, encoded.
    names : tuple of str
        Of the columns of X.
    options : Options
    notices : tuple of str
        What was dropped, merged, filled or chosen.
    """

    table: Any
    target: Target
    X: FloatArray
    names: tuple[str, ...]
    options: Options
    notices: tuple[str, ...]

    @classmethod
    def read(cls, args: argparse.Namespace, options: Options) -> Encoding:
        """The table that the command line names."""
        table = read_table(args.table, args.delimiter)
        target, encoded, notices = prepare(table, options)
        return cls(table, target, encoded.X, encoded.names, options, notices)

    def fit(self, train: BoolArray | None = None) -> Influence:
        """The model of all rows, or of some; l2 is 1/n of the rows it is fitted to by default.

        What takes long with it shows its progress on a terminal.
        """
        chosen = np.ones(len(self.target.y), dtype=bool) if train is None else train
        l2 = 1.0 / int(chosen.sum()) if self.options.l2 is None else self.options.l2
        spec = GLM(LOSS[self.target.task], l2=l2)
        X = Table(self.X[chosen], self.names, self._labels(chosen))
        y = self.target.y[chosen]
        return Influence.fit(spec, X, y, solver=Direct(), progress=on_terminal)

    def _labels(self, chosen: BoolArray) -> list[str] | None:
        """What to call the rows of a fit where their places are not those of the file."""
        if int(chosen.sum()) == self.table.num_rows:
            return None
        return [f"row {row:,}" for row in self.target.rows[chosen]]

    def heading(self, infl: Influence, more: str = "") -> Iterator[str]:
        """What was fitted, for the screen."""
        target = self.target
        if target.task == "classify":
            positive, negative = cell(target.positive), cell(target.negative)
            yield f"Logistic regression of {cell(target.name)}: {positive} against {negative}."
        else:
            yield f"Least squares fit of {cell(target.name)}."
        yield f"n = {infl.n_rows:,}, p = {len(infl.theta):,}, l2 = {infl.spec.l2:.3g}{more}"
        yield from (f"Note: {cell(notice)}" for notice in self.notices)

    def summary(self, infl: Influence) -> dict[str, Any]:
        """The same for JSON."""
        target = self.target
        return {
            "target": target.name,
            "task": target.task,
            "positive": target.positive or None,
            "against": target.negative or None,
            "rows": self.table.num_rows,
            "n": infl.n_rows,
            "p": len(infl.theta),
            "l2": infl.spec.l2,
            "notices": list(self.notices),
        }
