"""The modules ``cupy`` and ``cupyx`` of the stand-in."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from cuda.host_module import HostModule
from cuda.standin.array import LINALG, REAL, ndarray
from cuda.standin.ledger import LEDGER, Ledger, OutOfMemoryError
from scipy import sparse
from scipy.linalg import solve_triangular

CONSTRUCTORS = ("zeros", "ones", "full", "eye", "arange", "triu_indices", "indices", "tri")
PASSED = ("zeros_like", "ones_like", "full_like", "where", "concatenate", "stack")
TYPES = ("float32", "float64", "int32", "int64", "intp", "uint8", "bool_")


class CUDARuntimeError(RuntimeError):
    """What the runtime raises without a driver."""


class Stream:
    """Work in order; copies wait here until somebody waits for them."""

    def __init__(self, non_blocking: bool = False) -> None:
        self.pending: list[Callable[[], None]] = []

    def enqueue(self, work: Callable[[], None]) -> None:
        """Leave work for later."""
        self.pending.append(work)

    def flush(self, n: int) -> None:
        """Do what was there when an event was recorded."""
        for work in self.pending[:n]:
            work()
        self.pending[:n] = [lambda: None] * min(n, len(self.pending))

    def wait_event(self, event: Event) -> None:
        """Everything after this comes after the event."""
        event.synchronize()

    def synchronize(self) -> None:
        """Do everything."""
        self.flush(len(self.pending))


class Event:
    """A mark in a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self._mark: tuple[Stream, int] | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Mark where the stream is."""
        stream = CURRENT if stream is None else stream
        self._mark = stream, len(stream.pending)

    def synchronize(self) -> None:
        """Wait until the stream passed the mark."""
        if self._mark is not None:
            self._mark[0].flush(self._mark[1])


CURRENT = Stream()
ON_HARDWARE = bool(os.environ.get("FASTINFLUENCE_GPU"))


class csr_matrix:
    """``cupyx.scipy.sparse.csr_matrix``, as far as it is read."""

    __module__ = "cupyx.scipy.sparse._csr"
    ndim = 2

    def __init__(self, parts: Any, shape: tuple[int, int]) -> None:
        self.data, self.indices, self.indptr = parts
        self.shape, self.dtype = shape, self.data.dtype

    def tocsr(self) -> csr_matrix:
        """Itself."""
        return self

    def copy(self) -> csr_matrix:
        """Another one."""
        return csr_matrix((self.data.copy(), self.indices.copy(), self.indptr.copy()), self.shape)

    def astype(self, dtype: Any) -> csr_matrix:
        """Another type of numbers."""
        return csr_matrix((self.data.astype(dtype), self.indices, self.indptr), self.shape)

    def sum_duplicates(self) -> None:
        """One entry for each place, sorted."""
        parts = (self.data._a, self.indices._a, self.indptr._a)
        host = sparse.csr_matrix(parts, shape=self.shape, copy=True)
        host.sum_duplicates()
        self.data, self.indices, self.indptr = (
            ndarray(np.array(part)) for part in (host.data, host.indices, host.indptr)
        )


def _empty(shape: Any, dtype: Any = np.float64, order: str = "C") -> ndarray:
    """Memory as a device hands it out: every byte 0xff, a NaN or −1."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if LEDGER.held + n_bytes > LEDGER.limit:  # before the host's memory is asked for
        raise OutOfMemoryError(n_bytes, LEDGER.held)
    out = np.empty(shape, dtype, order=order)
    out.reshape(-1, order="A").view(np.uint8)[:] = 0xFF
    return ndarray(out)


def _asarray(values: Any, dtype: Any = None, order: str | None = None) -> ndarray:
    if isinstance(values, ndarray):
        return values if dtype in (None, values.dtype) else values.astype(dtype)
    if hasattr(values, "__cuda_array_interface__"):
        return values.__cuda_array_interface__["owner"]
    made = np.array(values, dtype=dtype, order="C")
    LEDGER.crossed("up", made.nbytes)
    return ndarray(made)


def _ascontiguousarray(values: Any, dtype: Any = None) -> ndarray:
    array = _asarray(values, dtype)
    return array if array._a.flags.c_contiguous else array.copy()


def _asnumpy(values: Any) -> np.ndarray:
    if isinstance(values, ndarray):
        return values.get()
    if isinstance(values, csr_matrix):
        raise TypeError("asnumpy takes arrays")
    return np.asarray(values)


class _Module(HostModule):
    """``RawModule``, counting launches."""

    def get_function(self, name: str) -> Any:
        run = super().get_function(name)

        def launch(grid: Any, block: Any, args: Any, *, shared_mem: int = 0) -> None:
            for a in args:
                if not isinstance(a, (ndarray, np.generic)):
                    raise TypeError(f"a kernel was handed a {type(a).__name__}")
            LEDGER.launches += 1
            run(grid, block, args, shared_mem=shared_mem)

        return launch


@contextlib.contextmanager
def _errstate(*, linalg: str) -> Iterator[None]:
    before, LINALG.mode = LINALG.mode, linalg
    try:
        yield
    finally:
        LINALG.mode = before


def _solve_triangular(a: ndarray, b: ndarray, trans: Any = 0, lower: bool = False) -> ndarray:
    if not (isinstance(a, ndarray) and isinstance(b, ndarray)):
        raise TypeError("Actual type of the argument is not cupy.ndarray")
    return ndarray(np.array(solve_triangular(a._a, b._a, trans=trans, lower=lower)))


def cupy_module() -> ModuleType:
    """A module ``cupy``."""
    module = ModuleType("cupy")
    module.ndarray, module.empty, module.asarray, module.array = ndarray, _empty, _asarray, _asarray
    module.empty_like = lambda a, dtype=None: _empty(a.shape, dtype or a.dtype)
    module.ascontiguousarray, module.asnumpy = _ascontiguousarray, _asnumpy
    for name in CONSTRUCTORS:
        setattr(module, name, _made_by(getattr(np, name)))
    for name in PASSED:
        setattr(module, name, getattr(np, name))
    for name in TYPES:
        setattr(module, name, getattr(np, name))
    module.from_dlpack = lambda values: ndarray(np.array(values.held))
    module.RawModule = _Module
    module.get_default_memory_pool = lambda: SimpleNamespace(free_bytes=lambda: 0)
    module.cuda = _cuda()
    module.__version__ = "stand-in" if REAL is None else REAL.__version__
    return module


def _made_by(function: Any) -> Any:
    def made(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(a, np.ndarray) and a.ndim for a in (*args, *kwargs.values())):
            raise TypeError("an array of the host is not copied to the device by itself")
        found = function(*args, **kwargs)
        each = [ndarray(np.array(a)) for a in found] if isinstance(found, tuple) else None
        return ndarray(np.array(found)) if each is None else tuple(each)

    return made


def _cuda() -> Any:
    return SimpleNamespace(
        Device=lambda *_: SimpleNamespace(id=0, attributes={"MultiProcessorCount": 2}),
        Stream=Stream,
        Event=Event,
        get_current_stream=lambda: CURRENT,
        alloc_pinned_memory=lambda n: np.full(n, 0xFF, dtype=np.uint8),
        is_available=lambda: True,
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        nvrtc=SimpleNamespace(getVersion=lambda: (13, 0)),
        runtime=SimpleNamespace(
            CUDARuntimeError=CUDARuntimeError,
            getDeviceCount=lambda: 1,
            driverGetVersion=lambda: 13000,
            getDeviceProperties=lambda device: {"name": b"stand-in"},
            memGetInfo=lambda: (LEDGER.limit - LEDGER.held, LEDGER.limit),
        ),
    )


def cupyx_modules() -> dict[str, ModuleType]:
    """``cupyx`` and its parts."""
    names = ("cupyx", "cupyx.scipy", "cupyx.scipy.linalg", "cupyx.scipy.sparse")
    found = {name: ModuleType(name) for name in names}
    found["cupyx"].errstate = _errstate
    found["cupyx"].scipy = found["cupyx.scipy"]
    found["cupyx.scipy"].linalg = found["cupyx.scipy.linalg"]
    found["cupyx.scipy"].sparse = found["cupyx.scipy.sparse"]
    found["cupyx.scipy.linalg"].solve_triangular = _solve_triangular
    found["cupyx.scipy.sparse"].csr_matrix = csr_matrix
    return found


@contextlib.contextmanager
def installed() -> Iterator[tuple[ModuleType, Ledger]]:
    """The stand-in under CuPy's names; the module, and its account.

    With FASTINFLUENCE_GPU set it is the real CuPy, on a real device, and nothing is counted.
    """
    from fastinfluence.backend import CUDA

    if ON_HARDWARE:
        yield REAL, LEDGER
        return

    module = cupy_module()
    LEDGER.limit, LEDGER.up, LEDGER.down, LEDGER.reads = 1 << 40, [], [], 0
    played = {"cupy": module, **cupyx_modules()}
    before = {name: sys.modules.get(name) for name in played}
    CUDA.__dict__.pop("xp", None)
    sys.modules.update(played)
    try:
        yield module, LEDGER
    finally:
        CUDA.__dict__.pop("xp", None)
        for name, real in before.items():
            sys.modules.pop(name)
            if real is not None:
                sys.modules[name] = real
