"""Kernels over one block of dense rows on the device: :mod:`fastinfluence.kernels.cpu.glm`.

X is C-contiguous, float32 or float64; every other array is float64. Equal calls give equal bits.
"""

from dataclasses import dataclass

from fastinfluence.kernels.cuda.launcher import (
    Array,
    add_partials,
    covering,
    empty,
    launch,
)

EACH = (1, 2, 4, 8, 12, 16, 20, 24, 32)
"""Numbers of a row and of a result that a thread may keep in registers, for all its vectors."""
FEW_EACH = 8
"""The same while a row takes less than a warp: longer stretches of a row at a time count more."""
MOST_TEAM = 256
SIDES = 4
LONG_ROWS_BLOCKS = 128
"""As many rows as these blocks hold at a time should fit the second-level cache."""


@dataclass(frozen=True)
class Plan:
    """How :c:`hvp_rows` cuts rows of p numbers: ``team`` threads a row, ``each`` numbers a thread.

    ``rows`` are in flight in each thread and ``blocks`` bounds the partial results to 32 MB.
    """

    team: int
    each: int
    sides: int
    blocks: int

    @property
    def block_rows(self) -> int:
        """Rows that a block takes at a time."""
        kept = self.each * self.sides
        rows = 4 if kept <= 4 else 2 if kept <= 16 else 1
        return max(self.team, 128) // self.team * rows


def plan(p: int, sides: int = 1) -> Plan | None:
    """Cut rows of p numbers, or None where they are too long for registers."""
    most, team = EACH[-1] // sides, 8
    while team * (FEW_EACH if team < 32 else most) < p and team < MOST_TEAM:
        team *= 2
    each = -(-p // team)
    if each > most:
        return None
    each = next(k for k in EACH if k >= each)
    return Plan(team, each, sides, min(1024, max(256, (1 << 22) // (sides * max(p, 1)))))


def linear_block(X: Array, v: Array, out: Array) -> None:
    """Write Xv, shape (b,), to ``out``; ``v`` has d entries, or d + 1 with an intercept."""
    _linear(X, v, None, out, len(v))


def paired_block(X: Array, T: Array, owner: Array, out: Array) -> None:
    """Write x̃_i·T[owner_i] to ``out`` (b,), for T (k, d) or (k, d + 1) and owner int64."""
    _linear(X, T, owner, out, T.shape[1])


def _linear(X: Array, T: Array, owner: Array | None, out: Array, p: int) -> None:
    n, d = X.shape
    team = 8 if p <= 64 else 32
    grid = covering(n, 128 // team)
    launch("linear_rows", grid, (X, T, owner, out, n, d, p), threads=128, TEAM=team)


def gradient_block(X: Array, slope: Array, out: Array, size: Array) -> None:
    """Add Xᵀ slope to ``out`` and |X|ᵀ|slope| to ``size`` in one pass over X (b, d)."""
    n, d = X.shape
    p = len(out)
    team = next(k for k in (4, 8, 16, 32) if k >= p or k == 32)
    stripes = max(1, -(-p // team))
    blocks = covering(n, 8 * 128 // team, at_most=max(16, 2048 // stripes))
    work = empty(2, blocks, p)
    launch("gradient_rows", (stripes, blocks), (X, slope, work, n, d, p), threads=128, TEAM=team)
    add_partials(work[0], out)
    add_partials(work[1], size)


def hvp_block(X: Array, scale: Array, v: Array, out: Array) -> None:
    """Add Xᵀ(scale ∘ (Xv)) to ``out``, reading each row of X (b, d) from memory once.

    ``v`` and ``out`` have d entries, or d + 1 where an intercept column of ones is implied.
    """
    _hvp(X, scale, v.reshape(1, -1), out.reshape(1, -1))


def hvp_four(X: Array, scale: Array, V: Array, out: Array) -> None:
    """:func:`hvp_block` for four vectors at once: V and ``out`` (4, d) or (4, d + 1)."""
    if plan(V.shape[1], SIDES) is not None:
        _hvp(X, scale, V, out)
        return
    for v, total in zip(V, out, strict=True):
        hvp_block(X, scale, v, total)


def _hvp(X: Array, scale: Array, V: Array, out: Array) -> None:
    n, d = X.shape
    sides, p = V.shape
    cut = plan(p, sides)
    if cut is None:
        blocks = covering(n, 4, at_most=LONG_ROWS_BLOCKS)
        work = empty(blocks, p)
        launch("hvp_long_rows", blocks, (X, scale, V, work, n, d, p), threads=512, TEAM=32)
    else:
        blocks = covering(n, cut.block_rows, at_most=cut.blocks)
        work = empty(blocks, sides * p)
        launch(
            "hvp_rows",
            blocks,
            (X, scale, V, work, n, d, p),
            threads=max(cut.team, 128),
            TEAM=cut.team,
            EACH=cut.each,
            SIDES=sides,
        )
    add_partials(work, out)
