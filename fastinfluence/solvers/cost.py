"""Predicted seconds of each solver, from constants measured once for a class of machines.

Only ratios matter for the choice. Measured on an AMD EPYC (AVX2, 2 cores, OpenBLAS on one
thread) with ``benchmarks/choose.py``; a machine whose memory is faster relative to its matrix
products favours CG slightly more than is said here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastinfluence.rows.base import FEW
from fastinfluence.solvers.block_cg import BLOCK_FROM, WIDEST

GRAM = 1 / 3.8e10
"""Per multiply-add of a symmetric product."""
GEMM = 1 / 2.2e10
"""Per multiply-add of a general product, with its memory traffic."""
FACTOR = 1 / 4e10
"""Per multiply-add of a Cholesky factorisation."""
TRIANGULAR = 1 / 5e10
"""Per multiply-add of a triangular solve with many sides."""
MATRIX_ENTRY = 4e-9
"""Scaling and condition of a factorised matrix, per entry."""
BLOCK_ENTRY = 1.9e-9
"""Adding one block's Gram matrix to the total, per entry."""
ENTRY = 1.0e-9
"""Reading one entry of X outside the fused kernel, with its scaling."""
FUSED_ENTRY = 3.5e-10
"""One entry of X in the fused product with a single vector."""
CACHED_ENTRY = 1.5e-10
"""The same where X stays in the last-level cache from step to step."""
CACHED_ENTRIES = 1 << 21
KERNEL_ENTRY, KERNEL_SIDE = 2e-10, 6.5e-11
"""One entry of X in the product with few vectors, and what each of them adds."""
SIDE_ENTRY = 2e-9
"""Per row and side of a product with several sides."""
VECTOR_ENTRY = 2e-8
"""The vectors of one CG iteration, per parameter and side."""
READ_ENTRY = 2.5e-9
"""Reading one entry of a streamed table."""
CG_STEP = 8e-5
"""Interpreter's share of one CG iteration."""
START = 5e-5
"""Interpreter's share of preparing a solver."""


@dataclass(frozen=True)
class Size:
    """What the costs depend on.

    Attributes
    ----------
    n, p, t : int
        Rows, parameters, right-hand sides.
    density : float
        Share of X that is stored.
    block_rows : int
        Rows that one pass takes at a time.
    reading : float
        Seconds that each pass takes to get at the rows, before anything is computed.
    """

    n: int
    p: int
    t: int
    density: float = 1.0
    block_rows: int = 1 << 12
    reading: float = 0.0

    @property
    def entries(self) -> float:
        """Stored entries of X."""
        return self.n * self.p * self.density

    @property
    def blocks(self) -> int:
        """Number of blocks in one pass."""
        return -(-self.n // self.block_rows)


def primal(size: Size) -> float:
    """Gram matrix, Cholesky, inverse for the error bound, solves and residuals."""
    p = size.p
    gram = size.entries * (p * GRAM + ENTRY) + size.blocks * p**2 * BLOCK_ENTRY
    factor = p**3 / 3 * FACTOR + p**2 * MATRIX_ENTRY + 2 / 3 * p**3 * TRIANGULAR
    return size.reading + START + gram + factor + 3 * p**2 * size.t * TRIANGULAR


def dual(size: Size) -> float:
    """The same over the rows: n×n instead of p×p, two passes over X per solve."""
    n = size.n
    gram = size.entries * (0.7 * n * GEMM + 2 * ENTRY)
    factor = n**3 / 3 * FACTOR + n**2 * MATRIX_ENTRY
    solve = 2 * n**2 * size.t * TRIANGULAR + 4 * products(size)
    return 3 * START + gram + factor + solve


def products(size: Size) -> float:
    """One product of H with t vectors."""
    return size.reading + _products(size)


def _products(size: Size) -> float:
    if size.t == 1:
        small = size.entries <= CACHED_ENTRIES
        return size.entries * (CACHED_ENTRY if small else FUSED_ENTRY)
    if size.t <= FEW:
        return size.entries * (KERNEL_ENTRY + size.t * KERNEL_SIDE)
    several = 2 * size.entries * size.t * GEMM + size.n * size.t * SIDE_ENTRY
    return size.entries * ENTRY + several


def cg(size: Size, steps: float) -> float:
    """``steps`` products and vector updates, and the final residual."""
    per_step = products(size) + CG_STEP + size.p * size.t * VECTOR_ENTRY
    return 2 * START + (steps + 1) * per_step


def together(size: Size, steps: float) -> float:
    """Steps of a block of t sides, where one alone takes ``steps``.

    Fitted to logistic models and networks (16, 100 and 256 sides): t^0.4 times fewer, and never
    many more than the p/t after which the block's space is everything.
    """
    if size.t < BLOCK_FROM:
        return steps
    t = min(size.t, WIDEST)
    return float(min(steps / t**0.4, 1.5 * size.p / t + 2.0))


def nystrom(size: Size, rank: int, steps: float) -> float:
    """The sketch of ``rank`` products and its decomposition, then CG with dearer steps."""
    p = size.p
    sketch = products(replace(size, t=rank))
    decompose = 6 * p * rank**2 * GEMM + 10 * rank**3 * GEMM
    per_step = 2 * p * rank * size.t * GEMM
    return 4 * START + sketch + decompose + cg(size, steps) + steps * per_step
