"""CUDA kernels behind the names of :mod:`fastinfluence.kernels.cpu`, for CuPy arrays.

Each module offers the functions of its namesake on the CPU, with the same arguments in the same
order and the same effect on them, so that a caller holds one package or the other:

=================  =================================================================
module             functions
=================  =================================================================
glm                linear_block gradient_block hvp_block hvp_four paired_block
csr                linear_block transposed_block gradient_block gram_block paired_block
                   hvp_block hvp_columns
multinomial        softmax_block probabilities_block curve_block contract_block
mlp                scale_block bend_block pairs_block bent_pairs_block
lissa              recurse recurse_csr, for many repeats at once too
multinomial_lissa  recurse recurse_csr, the same
scores             finish sums merge_extremes quadratic_forms
pointwise          kernel evaluate
=================  =================================================================

Arrays are C-contiguous and checked for it; X, the stored numbers of a sparse table, F and y of a
pointwise program may be float32, and all other floats are float64. Integers are int64, but the
column indices and starts of a sparse table may be int32. Work is enqueued on CuPy's current
stream. Sources (``*.cu``) hold no ``#include`` and say at their head what bounds them;
:mod:`fastinfluence.kernels.cuda.table` lists every kernel.
"""
