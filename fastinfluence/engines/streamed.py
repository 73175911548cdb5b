"""Engines of streamed tables: every primitive is a sum over the engines of single blocks.

Nothing is kept from pass to pass but theta: a block's rows are linearised again whenever they are
read, which costs less than reading them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from fastinfluence.engines.streamed_rows import StreamedRowCurvature
from fastinfluence.engines.sums import add
from fastinfluence.lazy import cached_property
from fastinfluence.problem import Problem
from fastinfluence.rows.base import Block
from fastinfluence.rows.columns import PerRow, at_block
from fastinfluence.rows.stream import StreamRows
from fastinfluence.streaming import of_block, template
from fastinfluence.types import FloatArray, IntArray

T = TypeVar("T")


class Totals(NamedTuple):
    """What the blocks' linearisations add up to."""

    objective: float
    gradient: FloatArray
    convex: bool

    def plus(self, other: Totals) -> Totals:
        """Those of two parts of the rows."""
        return Totals(
            self.objective + other.objective,
            add(self.gradient, other.gradient),
            self.convex and other.convex,
        )


class Local(NamedTuple):
    """Makes the engine of one block; small, and without the table, so that it can travel."""

    kind: type[Any]
    problem: Problem  # what the blocks' problems have in common
    theta: FloatArray
    curvature: str

    def engine(self, block: Block) -> Any:
        """The block's rows linearised at theta, without a penalty."""
        return self.kind(of_block(self.problem, block), self.theta, self.curvature)

    def row_dot(self, block: Block, S: FloatArray) -> FloatArray:
        """∇l_i · s for the block's rows and every column of S, shape (t, b); no penalty."""
        out: FloatArray = self.engine(block).row_dot(_alone(block), S)
        return out

    def block_gradients(self, block: Block) -> FloatArray:
        """∇l_i of a block's rows, shape (b, p); no penalty."""
        out: FloatArray = self.engine(block).block_gradients(_alone(block))
        return out


def of_blocks(engine: Any) -> Any:
    """What answers for the rows of a block: the engine, or what of it can travel."""
    return engine.local if isinstance(engine, Streamed) else engine


def at_home(engine: Any, block: Block) -> tuple[Any, IntArray]:
    """The engine that holds a block's rows in memory, and their numbers in it."""
    if isinstance(engine, Streamed):
        return engine.local.engine(block), np.arange(len(block.X))
    return engine, np.arange(block.start, block.stop)


def _totals(local: Local, block: Block) -> Totals:
    engine = local.engine(block)
    return Totals(engine.objective, engine.gradient, engine.convex)


def _scales(local: Local, block: Block) -> FloatArray:
    out: FloatArray = local.engine(block).gradient_scale
    return out


class Streamed:
    """An engine's primitives as passes over blocks; goes before a kind of engine.

    Attributes are those of the kind; what has an entry per row is a
    :class:`~fastinfluence.rows.columns.PerRow`.
    """

    problem: Problem
    theta: FloatArray
    curvature: str
    kind: type[Any]
    """The engine of a block."""
    whole: type[Any]
    """The same with all it sums up."""
    upward: bool
    """Whether no row's term bends downwards at theta."""

    def __init__(self, problem: Problem, theta: FloatArray, curvature: str = "hessian") -> None:
        self.problem, self.theta, self.curvature = problem, theta, curvature
        self.fold = problem.pull(theta) if problem.mean_form else np.zeros_like(theta)
        self.local = Local(self.kind, template(problem), theta, curvature)
        self._set_up()
        total = self.stream.map_reduce(
            partial(type(self).totals, self.local), Totals.plus, problem.n_threads
        )
        self.objective = total.objective + problem.price(theta)
        self.gradient: FloatArray = total.gradient + self._pull
        self.upward = total.convex

    totals = staticmethod(_totals)
    """From a block to what it adds to the objective and its gradient."""

    @property
    def _pull(self) -> FloatArray:
        """The penalty's gradient in mean form, shape (p,)."""
        problem = self.problem
        return problem.pull(self.theta) / (1.0 if problem.mean_form else problem.W)

    @cached_property
    def gradient_scale(self) -> Any:
        """What each sum in ``gradient`` cancels from, shape (p,): a pass of its own."""
        whole = self.local._replace(kind=self.whole)
        return self.stream.map_reduce(
            partial(_scales, whole), add, self.problem.n_threads
        ) + np.abs(self._pull)

    def _set_up(self) -> None:
        """What the kind needs beside problem and theta."""

    @property
    def stream(self) -> StreamRows:
        """The rows."""
        return cast("StreamRows", self.problem.rows)

    def at(self, theta: FloatArray) -> Any:
        """The same model and data linearised at another theta."""
        return type(self)(self.problem, theta, self.curvature)

    # -- passes ------------------------------------------------------------------------

    def sum(
        self, work: Callable[[Any, Block], FloatArray], n_threads: int | None = None
    ) -> FloatArray:
        """Σ over blocks of what ``work`` makes of a block's engine."""
        local = self.local

        def task(block: Block) -> FloatArray:
            return work(local.engine(block), block)

        return self.stream.map_reduce(task, add, n_threads or self.problem.n_threads)

    def _sum_matrix(self, work: Callable[[Any, Block], FloatArray]) -> FloatArray:
        """The same for p×p matrices, by as many threads as there is room for."""
        n_bytes = 8 * len(self.theta) ** 2
        what = f"a matrix of {len(self.theta)}×{len(self.theta)} parameters for each thread"
        return self.sum(work, self.stream.workers(n_bytes, self.problem.n_threads, what))

    def hvp(self, V: FloatArray) -> FloatArray:
        """Mean-form Hessian (penalty included, damping not) times V, shape (p, t)."""
        return self.sum(lambda engine, _: engine.hvp(V)) + self.problem.penalty[:, None] * V

    def row_products(self, V: FloatArray, scale: Any, *more: Any) -> FloatArray:
        """Σ_i scale_i ∇²l_i V over all rows, shape (p, t)."""
        return self.sum(lambda engine, at: engine.row_products(V, at_block(scale, at), *more))

    def hessian(self) -> FloatArray:
        """Mean-form Hessian (penalty included, damping not), shape (p, p)."""
        out = self._sum_matrix(lambda engine, _: engine.hessian())
        out[np.diag_indices_from(out)] += self.problem.penalty
        return out

    def data_hessian(self) -> FloatArray:
        """Σ_i w_i ∇²l_i, shape (p, p)."""
        return self._sum_matrix(lambda engine, _: engine.data_hessian())

    def diagonal(self) -> FloatArray:
        """Diagonal of :meth:`hessian`, shape (p,), without forming it."""
        return self.sum(lambda engine, _: engine.diagonal()) + self.problem.penalty

    def total_gradients(self, Theta: FloatArray) -> FloatArray:
        """Σ_i w_i ∇l_i at every column of Theta (p, k), shape (p, k); no penalty."""
        return self.sum(lambda engine, _: engine.total_gradients(Theta))

    # -- a block's rows ----------------------------------------------------------------

    def row_dot(self, block: Block, S: FloatArray) -> FloatArray:
        """∇l_i · s for the block's rows and every column of S, shape (t, b); no penalty."""
        return self.local.row_dot(block, S)

    def block_gradients(self, block: Block) -> FloatArray:
        """∇l_i of a block's rows, shape (b, p); no penalty."""
        return self.local.block_gradients(block)

    # -- chosen rows -------------------------------------------------------------------

    def chosen(self, rows: IntArray) -> Any:
        """The engine of the chosen rows, numbered from 0 on in it."""
        return self.local.engine(self.stream.gather(rows))

    def row_gradients(self, rows: IntArray) -> FloatArray:
        """∇l_i of the chosen rows, shape (k, p); no penalty."""
        out: FloatArray = self.chosen(rows).row_gradients(np.arange(len(rows)))
        return out

    def grouped_gradients(
        self, rows: IntArray, owner: IntArray, k: int, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i over the rows of each of k owners, shape (k, p)."""
        every = np.arange(len(rows))
        out: FloatArray = self.chosen(rows).grouped_gradients(every, owner, k, scale)
        return out

    def set_gradients(
        self, Theta: FloatArray, rows: IntArray, owner: IntArray, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i over the rows of each owner j at column j of Theta, shape (k, p)."""
        every = np.arange(len(rows))
        out: FloatArray = self.chosen(rows).set_gradients(Theta, every, owner, scale)
        return out

    def mixed_vjp(self, rows: IntArray, s: FloatArray) -> FloatArray:
        """∇x (∇l_i · s) for the chosen rows, shape (k, d)."""
        out: FloatArray = self.chosen(rows).mixed_vjp(np.arange(len(rows)), s)
        return out

    # -- an entry per row --------------------------------------------------------------

    def per_row(self, name: str, tail: tuple[int, ...] = ()) -> Any:
        """An attribute of the blocks' engines, as if all rows had it in one array."""
        return PerRow(self.stream, partial(_attribute, self.local, name), name, tail)

    @cached_property
    def row_curvature(self) -> Any:
        """The Hessians of single rows' losses."""
        return StreamedRowCurvature(self)

    @property
    def curvature_root(self) -> Any:
        """None: solutions in the space of rows are for tables of few."""
        return None


def _alone(block: Block) -> Block:
    return Block(0, block.stop - block.start, block.X)


def _attribute(local: Local, name: str, block: Block) -> FloatArray:
    out: FloatArray = getattr(local.engine(block), name)
    return out
