"""pyDVL: influence functions by torch's automatic differentiation.

Its scores are ∇l(test)ᵀ H⁻¹ ∇l(train) without a scale, positive where the training row helps:
divided by n they are this library's removal effect. Its regularisation is added to
every diagonal element of the mean form's Hessian.

Two ways of feeding it are timed. "as documented" is the DataLoader over a TensorDataset of
its guide, which picks rows one by one; "tuned" hands over whole batches and takes the fastest
of several options. LiSSA draws from the data set itself, so it has only the first way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from pydvl.influence.torch import CgInfluence, DirectInfluence, LissaInfluence
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, Dataset, TensorDataset

import fastinfluence as fi
from benchmarks.peers.cases import Case, logistic
from benchmarks.peers.compare import Comparison, Entry

DISTRIBUTIONS = ("pyDVL", "torch")
AIM = 100.0
PLAIN_BATCH = 1_000


def comparisons(shrink: int) -> Iterator[Comparison]:
    yield direct(logistic(50_000 // shrink, 100, 100))
    yield gradients(logistic(5_000, 50, 5))
    yield gradients(logistic(50_000 // shrink, 100, 5))
    for batch, s in ((1, 50.0), (100, 10.0)):
        yield recursion(logistic(5_000, 50, 5), 2_000 // shrink, batch, s)


class Batches(Dataset[Any]):
    """Whole batches, cut once."""

    def __init__(self, X: Tensor, y: Tensor, batch: int) -> None:
        self._parts = list(zip(X.split(batch), y.split(batch), strict=True))

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return self._parts[i]


class Model:
    """A case as pyDVL takes it."""

    def __init__(self, case: Case) -> None:
        self.module = torch.nn.Linear(len(case.theta), 1, bias=False, dtype=torch.float64)
        with torch.no_grad():
            self.module.weight[0] = torch.from_numpy(case.theta)
        self.case = case
        self.X, self.X_test = torch.from_numpy(case.X), torch.from_numpy(case.X_test)
        self.y, self.y_test = (torch.from_numpy(a)[:, None] for a in (case.y, case.y_test))

    def batches(self, size: int) -> Any:
        return DataLoader(Batches(self.X, self.y, size), batch_size=None)

    def plain(self, size: int) -> Any:
        return DataLoader(TensorDataset(self.X, self.y), batch_size=size)

    def scores(self, kind: Any, loader: Any, **options: Any) -> Callable[[], Tensor]:
        """From the tensors to all scores, nothing prepared."""

        def run() -> Tensor:
            influence = kind(
                self.module,
                binary_cross_entropy_with_logits,
                regularization=self.case.l2,
                **options,
            )
            tables = self.X_test, self.y_test, self.X, self.y
            found: Tensor = influence.fit(loader).influences(*tables)
            return found

        return run

    def values(self, scores: Tensor) -> list[Any]:
        """This library's removal effect, shape (t, n)."""
        return [scores.detach().numpy() / self.case.n]


def direct(case: Case) -> Comparison:
    """The Hessian by torch.func.hessian, then torch.linalg.solve."""
    model = Model(case)
    n, p = case.X.shape
    tuned = [
        Entry(
            "pyDVL, tuned",
            model.scores(DirectInfluence, model.batches(size)),
            model.values,
            f"whole batches of {size:,}",
            aim=AIM,
        )
        for size in sorted({min(size, n) for size in (1_000, 5_000, n)})
    ]
    plain = Entry(
        "pyDVL, as documented",
        model.scores(DirectInfluence, model.plain(PLAIN_BATCH)),
        model.values,
        f"TensorDataset, batches of {PLAIN_BATCH:,}",
    )
    return Comparison(
        "Direct, all scores",
        case.size,
        Entry("fastinfluence", case.scores(fi.solvers.Direct()), setting="Direct()"),
        [*tuned, plain],
        flops=n * p * (p + 2.0 * len(case.y_test)),
    )


def gradients(case: Case) -> Comparison:
    """Both stop at a residual of 1e-8: pyDVL squares its rtol."""
    model = Model(case)
    options = {"rtol": 1e-4, "warn_on_max_iteration": False}
    ours = fi.solvers.CG(tol=1e-8, preconditioner=None)
    tuned = [
        Entry(
            "pyDVL, tuned",
            model.scores(CgInfluence, model.batches(n), solve_simultaneously=block, **options),
            model.values,
            f"whole batches of {n:,}, " + ("block CG" if block else "one by one"),
            aim=AIM,
        )
        for block in (True, False)
        for n in sorted({case.n, min(5_000, case.n)})
    ]
    plain = Entry(
        "pyDVL, as documented",
        model.scores(CgInfluence, model.plain(PLAIN_BATCH), **options),
        model.values,
        f"TensorDataset, batches of {PLAIN_BATCH:,}, one by one",
    )
    steps = case.influence(ours).ihvp(case.test_gradients().T).iterations.sum()
    return Comparison(
        "CG, all scores",
        case.size,
        Entry("fastinfluence", case.scores(ours), setting="CG, no preconditioner"),
        [*tuned, plain],
        tolerance=1e-6,
        flops=case.X.size * (4.0 * steps + 2.0 * len(case.y_test)),
    )


def recursion(case: Case, depth: int, batch: int, scale: float) -> Comparison:
    """One recursion; what is compared first uses all rows in each of 20 steps."""
    model = Model(case)
    options = {"scale": scale, "rtol": 0.0, "warn_on_max_iteration": False}

    def theirs(depth: int, batch: int) -> Callable[[], Tensor]:
        return model.scores(LissaInfluence, model.plain(batch), maxiter=depth, **options)

    def ours(depth: int, batch: int) -> Callable[[], Any]:
        draws = batch < case.n
        return case.scores(fi.solvers.LiSSA(depth, 1, batch, scale, replacement=draws))

    return Comparison(
        f"LiSSA, batch {batch}, {depth:,} steps, all scores",
        case.size,
        Entry("fastinfluence", ours(depth, batch), setting="LiSSA", check=ours(20, case.n)),
        [
            Entry(
                "pyDVL",
                theirs(depth, batch),
                model.values,
                f"LiSSA, scale {scale:g}",
                check=theirs(20, case.n),
                aim=AIM,
            )
        ],
    )
