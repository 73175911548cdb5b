"""Raw CUDA sources joined, compiled for the type of their arguments, and launched through CuPy.

CuPy is imported when the first kernel is asked for. Launches go to the caller's current stream
and wait for nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from fastinfluence.errors import DeviceError, InputError
from fastinfluence.kernels.cuda.table import KERNELS

Array = Any
"""A C-contiguous CuPy array."""

MAX_BLOCKS = 1 << 20
"""Blocks of a launch without partial results; its kernel takes strides over what is left."""
THREADS = 256

SCALARS = {"Int": np.int64, "double": np.float64}
ARRAYS = {"double": np.dtype(np.float64), "Int": np.dtype(np.int64)}
CHOSEN = {
    "REAL": {np.dtype(np.float32): "float", np.dtype(np.float64): "double"},
    "YREAL": {np.dtype(np.float32): "float", np.dtype(np.float64): "double"},
    "INDEX": {np.dtype(np.int32): "int", np.dtype(np.int64): "long long"},
}
"""C types that stand for the type of an argument: macros, with what each type prints as."""

ADVICE = (
    "device='cuda' needs an NVIDIA GPU with its driver, CuPy and NVRTC: pip install "
    "'fastinfluence[cuda13]' (or [cuda12] for a driver older than CUDA 13) brings the last two"
)


def missing() -> str | None:
    """What keeps ``device="cuda"`` from working here, with what to do, or None."""
    try:
        import cupy
    except ImportError as error:
        return f"CuPy is missing ({error}). {ADVICE}"
    found = [what for what in (_driver(cupy), _nvrtc(cupy)) if what is not None]
    return f"{' and '.join(found)}. {ADVICE}" if found else None


def _driver(cupy: Any) -> str | None:
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"the NVIDIA driver is missing or too old ({error})"
    return None if count else "the NVIDIA driver finds no GPU"


def _nvrtc(cupy: Any) -> str | None:
    try:
        cupy.cuda.nvrtc.getVersion()
    except (ImportError, OSError, RuntimeError) as error:
        return f"NVRTC is missing ({' '.join(str(error).split())})"
    return None


def cupy() -> Any:
    """The module; DeviceError where it cannot be imported."""
    try:
        import cupy as module
    except ImportError as error:
        raise DeviceError(missing()) from error
    return module


@lru_cache(maxsize=64)
def source(file: str) -> str:
    """Text of one source with the shared part in front; of that part alone for no file."""
    folder = resources.files("fastinfluence.kernels").joinpath("cuda")
    names = ("common.cuh", file) if file else ("common.cuh",)
    return "\n".join(folder.joinpath(name).read_text("utf-8") for name in names)


def launch(
    name: str,
    grid: int | tuple[int, int],
    args: Sequence[Any],
    threads: int | tuple[int, int] = THREADS,
    shared: int = 0,
    text: str | None = None,
    **macros: int,
) -> None:
    """Run a kernel of :data:`KERNELS`.

    Parameters
    ----------
    name : str
    grid, threads : int or (int, int)
        Blocks, and threads of a block.
    args : sequence
        Arrays, C-contiguous and of the types that the kernel declares; integers and floats;
        None for a null pointer.
    shared : int
        Bytes of dynamic shared memory.
    text : str, optional
        Source, where it is generated.
    **macros : int
        What specialises the source beside the types of the arrays.

    Raises
    ------
    InputError
        An argument of another type or layout: a kernel would misread its memory.
    """
    text = source(KERNELS[name].file) if text is None else text
    types = signature(text, name)
    chosen = dict(_chosen(name, types, args))
    options = tuple(f"-D{k}={v}" for k, v in [*chosen.items(), *sorted(macros.items())])
    values = [_value(name, types[k], chosen, args[k]) for k in range(len(types))]
    function = _function(cupy(), text, name, options, cupy().cuda.Device().id)
    function(_pair(grid), _pair(threads), tuple(values), shared_mem=shared)


SHARED_BYTES = 40 << 10
"""Dynamic shared memory that every device offers beside what the kernels declare."""
WORK_BYTES = 64 << 20
"""What the results of single blocks may take before they are added."""


def add_partials(work: Array, out: Array) -> None:
    """Add the rows of ``work`` (blocks, width) to ``out``, of ``width`` numbers, in their order."""
    blocks, width = work.shape
    if blocks and width:
        grid = min(MAX_BLOCKS, -(-width // 32))
        launch("add_partials", grid, (work, out, blocks, width), threads=(32, 8))


def covering(n: int, each: int = THREADS, at_most: int | None = None) -> int:
    """Blocks that cover n things, ``each`` of them a block; MAX_BLOCKS unless fewer are wanted."""
    return max(1, min(MAX_BLOCKS if at_most is None else at_most, -(-n // each)))


def empty(*shape: int) -> Array:
    """Room on the device for float64 numbers."""
    return cupy().empty(shape, dtype=np.float64)


def address(array: Array) -> int:
    """Where an array begins."""
    return int(array.data.ptr)


def multiprocessors() -> int:
    """Multiprocessors of the current device."""
    return _multiprocessors(cupy(), cupy().cuda.Device().id)


@lru_cache(maxsize=64)
def _multiprocessors(module: Any, device: int) -> int:
    return int(module.cuda.Device(device).attributes["MultiProcessorCount"])


@lru_cache(maxsize=1024)
def signature(text: str, name: str) -> tuple[str, ...]:
    """Types of a kernel's arguments, ``"REAL*"`` or ``"Int"``, read from its source."""
    match = re.search(rf"\b{name}\s*\(([^)]*)\)\s*\{{", text)
    if match is None:
        raise InputError(f"no kernel {name!r} in its source")
    words = (re.sub(r"\bconst\b|\b__restrict__\b", "", part) for part in match[1].split(","))
    return tuple(re.sub(r"\s*\w+\s*$", "", word).replace(" ", "").strip() for word in words)


def _chosen(name: str, types: Sequence[str], args: Sequence[Any]) -> Iterator[tuple[str, str]]:
    if len(types) != len(args):
        raise InputError(f"kernel {name} takes {len(types)} arguments, not {len(args)}")
    seen: dict[str, Any] = {}
    for kind, arg in zip(types, args, strict=True):
        macro = kind.removesuffix("*")
        if macro not in CHOSEN or macro in seen:
            continue
        seen[macro] = arg.dtype
        if arg.dtype not in CHOSEN[macro]:
            raise InputError(f"kernel {name} knows no arrays of {arg.dtype} for {macro}")
        yield macro, CHOSEN[macro][arg.dtype]


def _value(name: str, kind: str, chosen: Mapping[str, str], arg: Any) -> Any:
    """The argument as CuPy wants it, once it is known to be what the kernel reads."""
    if not kind.endswith("*"):
        return SCALARS[kind](arg)
    if arg is None:
        return np.int64(0)
    element = kind.removesuffix("*")
    if element in CHOSEN:
        right = CHOSEN[element].get(arg.dtype) == chosen[element]
    else:
        right = arg.dtype == ARRAYS[element]
    if not right or not arg.flags.c_contiguous:
        raise InputError(
            f"kernel {name} reads C-contiguous {chosen.get(element, element)}; an array of "
            f"{arg.dtype} with strides {arg.strides} and shape {arg.shape} is none"
        )
    return arg


def _pair(size: int | tuple[int, int]) -> tuple[int, ...]:
    return size if isinstance(size, tuple) else (size,)


@lru_cache(maxsize=1024)
def _function(module: Any, text: str, name: str, options: tuple[str, ...], device: int) -> Any:
    return _compiled(module, text, options, device).get_function(name)


@lru_cache(maxsize=1024)
def _compiled(module: Any, text: str, options: tuple[str, ...], device: int) -> Any:
    """The compiled source; CuPy keeps the binary on disk for the next process."""
    return module.RawModule(code=text, options=options)
