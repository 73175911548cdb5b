"""What the calls of :mod:`embedding.calls` share: a small problem, its results, files of it."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

import fastinfluence as fi
from fastinfluence import audit


class World:
    """A small problem, its results, and files of it."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.folder = Path(tempfile.mkdtemp())
        self.X = rng.normal(size=(60, 3))
        self.y = (self.X[:, 0] + rng.normal(size=60) > 0).astype(float)
        self.number = self.X[:, 0] + rng.normal(size=60)
        self.X_test, self.y_test = self.X[:4], self.y[:4]
        self.group = np.arange(4) % 2
        self.spec = fi.GLM("logistic", l2=0.1)
        self.slopes = np.linalg.lstsq(self.X, self.number)[0]
        self.oracle = fi.Oracle(gradient=self._gradient, hvp=self._hvp, n_params=3)
        columns = {f"x{j}": self.X[:, j] for j in range(3)}
        self.table = pa.table({**columns, "y": self.y})
        pyarrow.parquet.write_table(self.table, self.folder / "t.parquet")
        pyarrow.csv.write_csv(self.table, self.folder / "t.csv")
        da.zeros(50, chunks=1).compute()  # starts the threads that Dask keeps

    def _gradient(self, theta: Any, X: Any, y: Any) -> Any:
        return (X @ theta - y)[:, None] * X

    def _hvp(self, theta: Any, X: Any, y: Any, V: Any, w: Any) -> Any:
        return X.T @ (w[:, None] * (X @ V))

    @cached_property
    def infl(self) -> Any:
        return fi.Influence.fit(self.spec, self.X, self.y)

    @cached_property
    def removal(self) -> Any:
        return self.infl.leave_one_out([0, 1])

    @cached_property
    def validation(self) -> Any:
        return self.infl.validate(self.X_test, self.y_test, rows=4)

    @cached_property
    def diagnostics(self) -> Any:
        return self.infl.diagnostics()

    @cached_property
    def top(self) -> Any:
        return self.infl.on_loss(self.X_test, self.y_test, out=fi.TopK(2))

    @cached_property
    def report(self) -> Any:
        return self.infl.report()

    @cached_property
    def audit(self) -> Any:
        return audit.audit(self.table, audit.Options(target="y"))

    @cached_property
    def scores(self) -> Any:
        return self.infl.on_loss(self.X_test, self.y_test, out=self.sink("scores"))

    @cached_property
    def fitted(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression().fit(self.X, self.y)

    def sink(self, name: str) -> Any:
        return fi.ParquetSink(Path(tempfile.mkdtemp(dir=self.folder)) / name)

    @cached_property
    def module(self) -> Any:
        import torch

        # The first derivative that torch takes in a process sets a variable and calls at exit.
        torch.func.vmap(torch.func.grad(torch.sin))(torch.zeros(2))
        module = torch.nn.Linear(3, 1)
        best = np.linalg.lstsq(np.c_[self.X, np.ones(60)], self.number)[0]
        torch.nn.utils.vector_to_parameters(torch.tensor(best).float(), module.parameters())
        return module

    def torch(self) -> Any:
        return fi.Influence.from_torch(
            self.module, lambda f, y: ((f.reshape(-1) - y) ** 2).mean(), self.X, self.number
        )

    def draw(self, function: Any, *args: Any, **options: Any) -> None:
        """Draw, and close the picture: an open one belongs to the caller."""
        plt.close(function(*args, **options).figure)

    def results(self) -> list[Any]:
        """One of each kind."""
        line = fi.Influence.fit(fi.GLM("squared", l2=0.1), self.X, self.number)
        flip = self.infl.smallest_flip(fi.targets.coefficient(1))
        attack = fi.attack(self.infl, self.X_test, self.y_test, [0], 0.1, 2)
        return [
            line, line.diagnostics(), line.cross_validation(), line.fit_status, flip, attack,
            *flip.attempts, *attack.history, line.most_influential_subset(np.ones(4), 2),
            line.self_influence(sketch=5), line.ihvp(np.ones(4)), self.removal, self.validation,
            self.validation.random, self.report, self.top, self.top.helpful, self.scores,
            self.audit, self.audit.scores, self.audit.target, self.fitted,
        ]  # fmt: skip

    def image(self) -> Any:
        return self.X[:, [0, 1, 2, 0]].reshape(60, 2, 2)

    def solved(self, solver: Any) -> Any:
        infl = fi.Influence(self.spec, self.X, self.y, self.infl.theta, solver=solver)
        return infl.ihvp(np.ones(4))

    def streamed(self, table: Any) -> Any:
        infl = fi.Influence.fit(self.spec, table)
        infl.on_loss(self.X_test, self.y_test)
        return infl.leave_one_out([0], method="exact")
