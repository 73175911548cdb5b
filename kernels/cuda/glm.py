"""Kernels over one block of dense rows on the device: :mod:`fastinfluence.kernels.cpu.glm`.

X is C-contiguous, float32 or float64; every other array is float64. Equal calls give equal bits.
"""

from dataclasses import dataclass

from fastinfluence.kernels.cuda.launcher import (
    Array,
    add_partials,
    address,
    covering,
    empty,
    launch,
    multiprocessors,
)

EACH = 8
"""Numbers of a row that a thread keeps in registers where the team can be made as large."""
MOST_EACH = 32
MOST_TEAM = 256
SIDES = 4
FLIGHT = 36
"""Numbers of all its rows that a thread has in flight: more spill, fewer leave memory idle."""
RESIDENT = ((2, 1024), (4, 640), (6, 512), (8, 384))
"""Numbers that a thread keeps of a row at most, and threads of a multiprocessor."""
LONG_ROWS_BLOCKS = 128
"""As many rows as these blocks hold at a time should fit the second-level cache."""


@dataclass(frozen=True)
class Plan:
    """How :c:`hvp_rows` cuts rows of d numbers: ``team`` threads a row, ``each`` numbers a thread.

    Numbers are read ``vector`` at a time, ``rows`` rows are in flight in each thread, and
    registers are left for ``resident`` threads on a multiprocessor.
    """

    team: int
    each: int
    vector: int
    rows: int
    sides: int
    resident: int

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return max(self.team, 128)

    @property
    def block_rows(self) -> int:
        """Rows that a block takes at a time."""
        return self.threads // self.team * self.rows

    @property
    def macros(self) -> dict[str, int]:
        """What specialises the source."""
        names = ("team", "each", "vector", "rows", "sides", "resident")
        return {name.upper(): getattr(self, name) for name in names}


def plan(d: int, sides: int = 1, vector: int = 1) -> Plan | None:
    """Cut rows of d numbers, or None where they are too long for registers.

    ``vector`` numbers may be read at a time: it divides d. The choices are those that were
    fastest of some hundred on an H200 (docs/gpu.md).
    """
    team = 8
    while team * EACH < d and team < (128 if sides == 1 else MOST_TEAM):
        team *= 2
    if team * EACH < d:
        team = MOST_TEAM
    if d > team * EACH:
        vector = 1
    coarse = vector if d <= team * EACH else 4  # fewer kernels to compile
    each = max(1, -(-d // (team * coarse))) * coarse
    if each > MOST_EACH // sides:
        return None
    if sides > 1:
        return Plan(team, each, vector, 2, sides, 384 if each <= 5 else 256)
    rows = next(r for r in (4, 2, 1) if r * each <= FLIGHT)
    return Plan(team, each, vector, rows, sides, _resident(team, each))


def _resident(team: int, each: int) -> int:
    """Threads of a multiprocessor that nothing spills for, on any architecture."""
    if team == MOST_TEAM:
        return 512 if each <= MOST_EACH // 2 else 256
    return next(threads for most, threads in RESIDENT if each <= most)


def vector_of(X: Array) -> int:
    """How many numbers of a row can be read at once: 16 bytes at most, never across its end."""
    size, d = X.dtype.itemsize, X.shape[1]
    fits = (k for k in (4, 2) if k * size <= 16 and d % k == 0)
    return next((k for k in fits if address(X) % (k * size) == 0), 1)


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
    if plan(X.shape[1], SIDES, vector_of(X)) is not None:
        _hvp(X, scale, V, out)
        return
    for v, total in zip(V, out, strict=True):
        hvp_block(X, scale, v, total)


def _hvp(X: Array, scale: Array, V: Array, out: Array) -> None:
    n, d = X.shape
    sides, p = V.shape
    cut = plan(d, sides, vector_of(X))
    if cut is None:
        blocks = covering(n, 4, at_most=LONG_ROWS_BLOCKS)
        work = empty(blocks, p)
        launch("hvp_long_rows", blocks, (X, scale, V, work, n, d, p), threads=512, TEAM=32)
    else:
        at_once = multiprocessors() * (cut.resident // cut.threads)
        blocks = covering(n, cut.block_rows, at_most=at_once)
        work = empty(blocks, sides * p)
        args = (X, scale, V, work, n, d, p)
        launch("hvp_rows", blocks, args, threads=cut.threads, **cut.macros)
    add_partials(work, out)
