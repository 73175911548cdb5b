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
CURVES = SUMS | {"sub"}
RECURSIONS = CURVES | {"abs", "neg", "setp"}
RANKS = SUMS | {"setp", "neg", "max"}
"""And compared."""
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
    "pointwise": Kernel("", ANY),
    "csr_linear": Kernel("csr.cu", SUMS),
    "csr_scatter": Kernel("csr.cu", SUMS),
    "csr_gradient": Kernel("csr.cu", SIZES),
    "csr_gram": Kernel("csr.cu", SUMS),
    "softmax": Kernel("multinomial.cu", ANY),
    "probabilities": Kernel("multinomial.cu", ANY),
    "curve": Kernel("multinomial.cu", CURVES),
    "contract": Kernel("multinomial.cu", SUMS),
    "scale_layer": Kernel("mlp.cu", NONE),
    "bend_layer": Kernel("mlp.cu", NONE),
    "pair_units": Kernel("mlp.cu", NONE),
    "recurse": Kernel("lissa.cu", RECURSIONS),
    "recurse_csr": Kernel("lissa.cu", RECURSIONS),
    "recurse_classes": Kernel("multinomial_lissa.cu", RECURSIONS),
    "recurse_classes_csr": Kernel("multinomial_lissa.cu", RECURSIONS),
    "finish": Kernel("scores.cu", SUMS),
    "sums": Kernel("scores.cu", SUMS),
    "list_extremes": Kernel("scores.cu", RANKS),
    "merge_lists": Kernel("scores.cu", RANKS),
}
