"""Torch by hand: products with H by differentiating twice, in CG and in LiSSA."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import grad
from torch.nn.functional import binary_cross_entropy_with_logits

import fastinfluence as fi
from benchmarks.peers.cases import CG_TOLERANCE, Case, FloatArray, by_gradients, logistic
from benchmarks.peers.compare import Comparison, Entry

DISTRIBUTIONS = ("torch",)


def comparisons(shrink: int) -> Iterator[Comparison]:
    yield gradients(logistic(5_000, 50, 5))
    yield gradients(logistic(50_000 // shrink, 100, 5))
    yield recursion(logistic(10_000 // shrink, 784, 1), depth=5_000 // shrink, scale=400.0)


def gradients(case: Case) -> Comparison:
    """All scores by conjugate gradients."""
    peer = Entry("torch", lambda: cg_scores(case), setting="by hand, one gradient graph kept")
    return by_gradients(case, peer)


def tensors(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """X, y and theta, which share memory with the case."""
    theta = torch.from_numpy(case.theta).requires_grad_(True)
    return torch.from_numpy(case.X), torch.from_numpy(case.y), theta


def hvp(case: Case) -> Callable[[Tensor], Tensor]:
    """H v by differentiating the gradient's graph, which is built once."""
    X, y, theta = tensors(case)
    loss = binary_cross_entropy_with_logits(X @ theta, y)
    gradient = grad(loss, theta, create_graph=True)[0]
    return lambda v: grad(gradient, theta, v, retain_graph=True)[0] + case.l2 * v


def cg_scores(case: Case) -> FloatArray:
    """Shape (t, n)."""
    product = hvp(case)
    S = torch.stack([_solve(product, torch.from_numpy(g)) for g in case.test_gradients()])
    X, y, theta = tensors(case)
    with torch.no_grad():
        rows = (torch.sigmoid(X @ theta) - y) / case.n
        return np.asarray((S @ X.T) * rows)


def _solve(product: Callable[[Tensor], Tensor], b: Tensor) -> Tensor:
    x, r = torch.zeros_like(b), b.clone()
    direction, square = r.clone(), r @ r
    limit = CG_TOLERANCE**2 * square
    while square > limit:
        curved = product(direction)
        step = square / (direction @ curved)
        x += step * direction
        r -= step * curved
        before, square = square, r @ r
        direction = r + (square / before) * direction
    return x


def recursion(case: Case, depth: int, scale: float) -> Comparison:
    """s_test by LiSSA, single rows; what is compared first uses all rows in each of 20 steps."""
    V = case.test_gradients().T

    def ours(depth: int, batch: int) -> Callable[[], Any]:
        infl = case.influence(fi.solvers.LiSSA(depth, 1, batch, scale, replacement=batch < case.n))
        infl.ihvp(V)  # the scale's stability is judged once and kept
        return lambda: infl.ihvp(V).x

    def theirs(depth: int, batch: int) -> Callable[[], Any]:
        return lambda: lissa(case, V, scale, batches(case.n, depth, batch)).numpy()

    return Comparison(
        f"LiSSA, batch 1, {depth:,} steps: s_test",
        case.size,
        Entry("fastinfluence", ours(depth, 1), setting="prepared", check=ours(20, case.n)),
        [Entry("torch", theirs(depth, 1), setting="by hand", check=theirs(20, case.n))],
    )


def batches(n: int, depth: int, batch: int) -> Iterable[Any]:
    """Indices of each step's rows: drawn, or all of them in order."""
    if batch == n:
        return [slice(None)] * depth
    return list(torch.randint(n, (depth, batch), generator=torch.Generator().manual_seed(0)))


def lissa(case: Case, V: FloatArray, scale: float, draws: Iterable[Any]) -> Tensor:
    """One recursion for one right-hand side (p, 1)."""
    X, y, theta = tensors(case)
    start = torch.from_numpy(V[:, 0])
    cur = start.clone()
    for rows in draws:
        loss = binary_cross_entropy_with_logits(X[rows] @ theta, y[rows])
        gradient = grad(loss, theta, create_graph=True)[0]
        product = grad(gradient, theta, cur)[0]
        cur = start + cur - (product + case.l2 * cur) / scale
    return (cur / scale)[:, None]
