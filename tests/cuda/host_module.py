"""CuPy's RawModule on the CPU: the same source text, built with g++ and ``cuda_host.h``.

Arguments are NumPy arrays, anything with CuPy's ``data.ptr`` and ``nbytes`` on host memory, and
NumPy scalars. Each array is copied between two red zones for the launch: a read past its end yields
NaN, or −1 where it holds integers, and a write there raises HostFault. The zones of each launch are
NaNs of their own, so that one carried from zone to zone is seen too. Arguments that share memory
share their copy.
"""

import contextlib
import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from fastinfluence.kernels.cuda import glm

HEADER = Path(__file__).with_name("cuda_host.h")
ORDERS = {"forward": 0, "backward": 1, "scrambled": 2}
FAULTS = {
    1: "threads wait for others that never come: a barrier or a shuffle in a branch",
    2: "some threads of a block left while others waited at a barrier",
    3: "written past the end of dynamic shared memory",
    4: "a shuffle of part of a warp, or a block that is no multiple of 32 threads",
}
ZONE = 4096
FLAGS = ["-std=c++17", "-O1", "-shared", "-fPIC", "-w", "-ffp-contract=off", "-fno-strict-aliasing"]
FLAGS += ["-U_FORTIFY_SOURCE", "-fcf-protection=none"]
DEFINITION = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\('
)

_LOCK = threading.Lock()
_ORDER = ["forward"]


class HostFault(RuntimeError):
    """A launch did what a GPU would not have forgiven."""


def compiler() -> str | None:
    """The C++ compiler, or None."""
    return shutil.which("g++")


@contextlib.contextmanager
def order(name: str):
    """Run the threads of each block in another order: one of ORDERS."""
    before = _ORDER[0]
    _ORDER[0] = name
    try:
        yield
    finally:
        _ORDER[0] = before


class HostModule:
    """``RawModule(code=..., options=...)``."""

    def __init__(self, code: str, options: tuple[str, ...] = ()) -> None:
        self._library = ctypes.CDLL(str(built(code, options)))

    def get_function(self, name: str) -> "HostKernel":
        return HostKernel(getattr(self._library, f"host_run_{name}"), name)


class HostKernel:
    """A kernel: ``kernel(grid, block, args, shared_mem=0)``."""

    def __init__(self, run, name: str) -> None:
        run.restype = ctypes.c_int
        self._run, self.name = run, name

    def __call__(self, grid, block, args, *, shared_mem: int = 0, stream=None) -> None:
        guarded = Guarded([a for a in args if not isinstance(a, np.generic | int | float)])
        cells = [
            ctypes.c_void_p(guarded.address(a)) if not isinstance(a, np.generic | int | float)
            else np.array(a)
            for a in args
        ]  # fmt: skip
        pointers = (ctypes.c_void_p * len(cells))(*(_address(cell) for cell in cells))
        three = ctypes.c_uint * 3
        sizes = [three(*(*map(int, size), 1, 1)[:3]) for size in (grid, block)]
        with _LOCK:
            fault = self._run(*sizes, ctypes.c_size_t(shared_mem), pointers, ORDERS[_ORDER[0]])
        if fault:
            raise HostFault(f"{self.name}: {FAULTS[fault]}")
        guarded.give_back(self.name)


class Guarded:
    """Copies of arrays between red zones; arrays that overlap are one stretch."""

    def __init__(self, arrays) -> None:
        spans = sorted((*_span(a), a.dtype.kind) for a in arrays if a.nbytes)
        self._stretches: list[tuple[int, int]] = []
        kinds = []
        for start, stop, kind in spans:
            if self._stretches and start < self._stretches[-1][1]:
                last = self._stretches[-1]
                self._stretches[-1] = last[0], max(last[1], stop)
            else:
                self._stretches.append((start, stop))
                kinds.append(kind)
        self._zones = [_zone(kind, k) for k, kind in enumerate(kinds)]
        both = zip(self._stretches, self._zones, strict=True)
        self._copies = [np.concatenate([z, _bytes(*at), z]) for at, z in both]

    def address(self, array) -> int:
        """Where the copy of an array lies; 0 for one without bytes, as CuPy's null pointer."""
        start, stop = _span(array)
        for (first, last), copy in zip(self._stretches, self._copies, strict=True):
            if first <= start and stop <= last and stop > start:
                return copy.ctypes.data + ZONE + start - first
        return 0

    def give_back(self, name: str) -> None:
        """Check the red zones and copy the contents back."""
        for (start, stop), copy, zone in zip(
            self._stretches, self._copies, self._zones, strict=True
        ):
            end = ZONE + stop - start
            if (copy[:ZONE] != zone).any() or (copy[end:] != zone).any():
                raise HostFault(f"{name}: written outside of an array of {stop - start} bytes")
            _bytes(start, stop)[:] = copy[ZONE:end]


def _zone(kind: str, number: int) -> np.ndarray:
    """Bytes that read as NaN in either precision, others for each number, or as −1."""
    words = np.full(ZONE // 4, 0xFFFFFFFF, dtype=np.uint32)
    if kind == "f":
        words[:] = 0xFFF80000 + 7 * number + 1
    return words.view(np.uint8)


def built(code: str, options: tuple[str, ...]) -> Path:
    """Shared library of a source, from the cache folder where it was built before."""
    exports = "\n".join(f"HOST_EXPORT({name})" for name in DEFINITION.findall(code))
    text = f'#include "{HEADER}"\n#line 1 "kernel.cu"\n{code}\n{exports}\n'
    key = hashlib.sha256(repr((text, options, FLAGS, HEADER.read_text())).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"cuda-host-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{key}.so"
    if not library.exists():
        _build(text, options, library)
    return library


def _build(text: str, options: tuple[str, ...], library: Path) -> None:
    gcc = compiler()
    if gcc is None:
        raise RuntimeError("g++ is needed to run CUDA kernels on the CPU")
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        source, out = Path(scratch, "kernel.cpp"), Path(scratch, "kernel.so")
        source.write_text(text)
        command = [gcc, *FLAGS, *options, str(source), "-o", str(out), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"g++ refused a kernel: {done.stderr[:2000]}")
        os.replace(out, library)


def stand_in() -> ModuleType:
    """What launching needs of CuPy, on NumPy arrays; ``empty`` hands out poison."""
    module = ModuleType("cupy")
    same = ("arange", "float32", "float64", "int64", "zeros", "ascontiguousarray", "asarray")
    for name in same:
        setattr(module, name, getattr(np, name))
    module.empty = _poisoned
    module.empty_like = lambda a: _poisoned(a.shape, a.dtype)
    module.RawModule = HostModule
    few = {"MultiProcessorCount": 2}  # blocks take strides
    module.cuda = SimpleNamespace(Device=lambda *_: SimpleNamespace(id=0, attributes=few))
    return module


def on_arrays_of_numpy(monkeypatch):
    """Let kernels be launched on them."""
    monkeypatch.setitem(sys.modules, "cupy", stand_in())
    monkeypatch.setattr(glm, "address", lambda array: array.ctypes.data)


@pytest.fixture(params=ORDERS)
def on_host(request, monkeypatch):
    """Launch on the CPU, the threads of each block in one order after another."""
    if compiler() is None:
        pytest.skip("g++ is not installed: it runs the CUDA kernels on the CPU")
    on_arrays_of_numpy(monkeypatch)
    with order(request.param):
        yield


def close(found, expected, bound=1e-11):
    """Whether numbers agree to a share of the largest, NaN being nowhere."""
    assert np.isfinite(found).all()
    size = np.abs(expected).max(initial=1e-300)
    np.testing.assert_array_less(np.abs(found - expected), bound * size + 1e-300)


def _poisoned(shape, dtype=np.float64) -> np.ndarray:
    """Room as full of wrong numbers as a device's: NaN, or 1 where it holds integers."""
    return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 1, dtype)


def _span(array) -> tuple[int, int]:
    start = array.ctypes.data if isinstance(array, np.ndarray) else int(array.data.ptr)
    return start, start + array.nbytes


def _bytes(start: int, stop: int) -> np.ndarray:
    return np.ctypeslib.as_array((ctypes.c_uint8 * (stop - start)).from_address(start))


def _address(cell) -> int:
    return cell.ctypes.data if isinstance(cell, np.ndarray) else ctypes.addressof(cell)
