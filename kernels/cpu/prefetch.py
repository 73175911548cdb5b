"""Asking for memory before it is used: LLVM's prefetch instruction, inside Numba."""

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir
from numba.core import cgutils, config, types
from numba.extending import intrinsic

LINE_BYTES = 64
"""What one request brings: a cache line of every current processor."""


def _prefetch(typing_context: Any, array: Any, index: Any) -> tuple[Any, Callable[..., Any]]:
    """Ask for the cache line of ``array[index]``; an index beyond the end does no harm."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.gep(data, [arguments[1]])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        request: Any = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, shape, "llvm.prefetch.p0"
        )
        read, keep, of_data = (ir.Constant(number, k) for k in (0, 2, 1))
        builder.call(request, [builder.bitcast(address, byte), read, keep, of_data])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _nothing(array: Any, index: Any) -> None:
    """In place of the request where kernels run uncompiled, to be measured or debugged."""


UNCOMPILED: bool = config.DISABLE_JIT  # type: ignore[attr-defined]
prefetch: Callable[..., None] = _nothing if UNCOMPILED else intrinsic(_prefetch)
