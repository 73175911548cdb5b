"""Every kernel of this folder: the file that holds it, and where it means double precision.

Rows may be stored as float32. What a kernel sums, it sums in double precision whatever the
storage, as the CPU's kernels do; ``doubles`` names the double-precision operations that its
float32 form may hold for that, in PTX's words, and any other is a mistake: a literal that promotes
a product, a function of the wrong precision. Kernels that sum nothing have none at all.
"""

from dataclasses import dataclass

NONE: frozenset[str] = frozenset()
SUMS = frozenset({"cvt", "add", "mul", "fma"})
"""Stored numbers are widened, multiplied and added."""
SIZES = SUMS | {"abs"}
ANY = frozenset({"*"})
"""Whatever a loss computes."""


@dataclass(frozen=True)
class Kernel:
    """Where a kernel stands, and the double-precision operations of its float32 form."""

    file: str
    doubles: frozenset[str]


KERNELS: dict[str, Kernel] = {
    "add_partials": Kernel("partials.cu", SUMS),
    "hvp_rows": Kernel("hvp.cu", SUMS),
    "hvp_long_rows": Kernel("glm.cu", SUMS),
    "linear_rows": Kernel("glm.cu", SUMS),
    "gradient_rows": Kernel("glm.cu", SIZES),
    "pointwise": Kernel("generated", ANY),
}
