"""Where arrays live: one NumPy-like module, and the kernels that take its arrays.

NumPy's functions follow their arrays: ``np.abs(x)``, ``np.where``, ``x @ y``, ``np.linalg.qr`` stay
on the device where x is an array of CuPy. What does not follow are constructors (``zeros``,
``ascontiguousarray``) and SciPy: those are taken from a :class:`Backend`, never by asking which one
it is. CuPy is imported when a device is asked for, or by the caller.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import import_module
from typing import Any, TypeVar, cast

import numpy as np

from fastinfluence.errors import DeviceError
from fastinfluence.lazy import cached_property

T = TypeVar("T")

ROOM = 32
"""How many times more bytes a device takes at a time than a processor's cache holds."""
SHARE = 8
"""At most one part in so many of the free memory goes to what one step writes out."""
LEAST_BYTES = 1 << 20
"""A step is given as much, however little is free: the error then says what was missing."""
CUDA_DEVICE = 2
"""DLPack's number for memory of a CUDA device."""


class Kernels:
    """The modules of one kernel package, imported when first used."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __getattr__(self, name: str) -> Any:
        module = import_module(f"{self._package}.{name}")
        setattr(self, name, module)
        return module

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process, the modules are imported there."""
        return Kernels, (self._package,)


@dataclass(frozen=True)
class Backend:
    """The processor's memory, or the device's.

    Attributes
    ----------
    name : {"cpu", "cuda"}
    """

    name: str

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _named, (self.name,)  # a copy is the same one

    @cached_property
    def xp(self) -> Any:
        """``numpy`` or ``cupy``."""
        return np if self.name == "cpu" else _cupy()

    @cached_property
    def kernels(self) -> Any:
        """Modules glm, csr, multinomial, … of the same functions."""
        return Kernels(f"fastinfluence.kernels.{self.name}")

    def array(self, values: Any, dtype: Any = None) -> Any:
        """An array here: copied only where it lies elsewhere, or has another type."""
        if self.name == "cpu":
            found = fetched(values)
            return found if dtype is None else np.asarray(found, dtype=dtype)
        return self.xp.asarray(values, dtype=dtype)

    def budget(self, n_bytes: int) -> int:
        """Bytes to write out at a time where a processor writes ``n_bytes``."""
        if self.name == "cpu":
            return n_bytes
        return max(LEAST_BYTES, min(ROOM * n_bytes, free_bytes() // SHARE))


CPU = Backend("cpu")
CUDA = Backend("cuda")


def _named(name: str) -> Backend:
    return CPU if name == "cpu" else CUDA


def backend_of(array: Any) -> Backend:
    """Where an array lives."""
    return CPU if isinstance(array, np.ndarray) else (CUDA if on_device(array) else CPU)


def namespace(array: Any) -> Any:
    """``numpy`` or ``cupy``, whichever an array belongs to."""
    return np if isinstance(array, np.ndarray) else backend_of(array).xp


def contiguous(array: T) -> T:
    """The same numbers as a row-major float64 array of the same place."""
    out: T = namespace(array).ascontiguousarray(array, dtype=np.float64)
    return out


def on_device(values: Any) -> bool:
    """Whether something is an array or a sparse matrix of CuPy."""
    return type(values).__module__.partition(".")[0] in ("cupy", "cupyx")


def adopted(values: Any) -> Any:
    """An array on a device, of whatever library, as CuPy's on the same memory; others as given."""
    if isinstance(values, np.ndarray) or on_device(values):
        return values
    if getattr(values, "__cuda_array_interface__", None) is not None:
        return _cupy().asarray(values)
    if hasattr(values, "__dlpack_device__") and values.__dlpack_device__()[0] == CUDA_DEVICE:
        return _cupy().from_dlpack(values)
    return values


def fetched(values: Any) -> Any:
    """An array of a device as NumPy's, whatever library made it; anything else as given."""
    given = adopted(values)
    return _cupy().asnumpy(given) if on_device(given) else values


def to_host(values: T) -> T:
    """A result with its arrays in the host's memory: an array, a tuple, a dataclass of them."""
    if on_device(values):
        out: T = _cupy().asnumpy(values)
        return out
    return cast("T", _mapped(to_host, values))


def _mapped(function: Any, values: Any) -> Any:
    if isinstance(values, (tuple, list)):
        return type(values)(function(value) for value in values)
    if is_dataclass(values) and not isinstance(values, type):
        parts = {field.name: getattr(values, field.name) for field in fields(values)}
        new = {name: function(value) for name, value in parts.items()}
        changed = {name: value for name, value in new.items() if value is not parts[name]}
        return replace(values, **changed) if changed else values
    return values


def numbers(array: Any) -> list[Any]:
    """A few numbers, one for each right-hand side, as Python's own."""
    out: list[Any] = array.tolist()
    return out


# -- the device ------------------------------------------------------------------------


def require_device() -> None:
    """DeviceError saying what ``device="cuda"`` lacks on this machine, and how to get it."""
    from fastinfluence.kernels.cuda.launcher import missing

    lacking = missing()
    if lacking is not None:
        raise DeviceError(lacking)


def device_name() -> str:
    """The device that work goes to, with its memory and CuPy's version."""
    cupy = _cupy()
    device = cupy.cuda.Device().id
    named = cupy.cuda.runtime.getDeviceProperties(device)["name"].decode()
    _, total = cupy.cuda.runtime.memGetInfo()
    return f"cuda:{device}, {named}, {total / 2**30:.0f} GiB, CuPy {cupy.__version__}"


def _cupy() -> Any:
    return sys.modules["cupy"] if "cupy" in sys.modules else import_module("cupy")


def free_bytes() -> int:
    """Memory that the device, with CuPy's pool, has left."""
    cupy = _cupy()
    free, _ = cupy.cuda.runtime.memGetInfo()
    return int(free) + int(cupy.get_default_memory_pool().free_bytes())


@contextmanager
def told(backend: Backend, what: str) -> Iterator[None]:
    """Let memory that runs out on a device be one DeviceError: what needed it, and what is free."""
    if backend.name == "cpu":
        yield
        return
    try:
        yield
    except _cupy().cuda.memory.OutOfMemoryError as error:
        raise out_of_memory(what, error) from error


def out_of_memory(what: str, error: Exception) -> DeviceError:
    """The error of :func:`told`."""
    return DeviceError(
        f"{what} does not fit on the device: {error}; {free_bytes() / 2**20:.0f} MiB are free. Ask "
        "about fewer rows at a time, choose fi.solvers.CG() (no p×p matrix), free other arrays, or "
        'use device="cpu"'
    )
