"""``cupy.ndarray`` on the host's memory."""

from __future__ import annotations

import functools
import inspect
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
from cuda.standin.ledger import LEDGER
from numpy.lib.mixins import NDArrayOperatorsMixin

try:  # the real one, where it is installed, says which names and arguments exist
    import cupy as REAL
except ImportError:
    REAL = None

SCALARS = (bool, int, float, np.generic)
UFUNC_WORDS = {"out", "dtype", "casting"}
LINALG = SimpleNamespace(mode="ignore")
"""cupyx's errstate(linalg=...)."""


class ndarray(NDArrayOperatorsMixin):
    """An array of the stand-in's device."""

    __module__ = "cupy"
    __hash__ = None

    def __init__(self, values: np.ndarray) -> None:
        self._a = values
        owner = values if values.base is None else None
        if owner is not None:
            LEDGER.allocate(values.nbytes)
            weakref.finalize(values, LEDGER.free, values.nbytes)

    # -- facts -------------------------------------------------------------------------

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    strides = property(lambda self: self._a.strides)
    itemsize = property(lambda self: self._a.itemsize)
    T = property(lambda self: ndarray(self._a.T))

    @property
    def flags(self) -> Any:
        """CuPy knows these, and no ``writeable``."""
        f = self._a.flags
        return SimpleNamespace(
            c_contiguous=f.c_contiguous, f_contiguous=f.f_contiguous, owndata=f.owndata
        )

    @property
    def data(self) -> Any:
        """Where it lies."""
        return SimpleNamespace(ptr=self._a.ctypes.data)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        face = dict(self._a.__array_interface__)
        return face | {"version": 3, "owner": self}

    def __len__(self) -> int:
        return len(self._a)

    def __repr__(self) -> str:
        return f"standin({self._a!r})"

    # -- crossings ---------------------------------------------------------------------

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed: use .get()")

    def get(self) -> np.ndarray:
        """A copy on the host."""
        LEDGER.crossed("down", self.nbytes)
        return self._a.copy()

    def set(self, values: np.ndarray, stream: Any = None) -> None:
        """Overwrite with the host's numbers, once the stream gets to it."""
        if values.dtype != self.dtype or values.shape != self.shape:
            raise TypeError("set() casts nothing and reshapes nothing")
        LEDGER.crossed("up", self.nbytes)
        if stream is None:
            self._a[...] = values
        else:
            stream.enqueue(lambda: self._a.__setitem__(..., values))

    def tolist(self) -> Any:
        """Python's numbers, each counted as read."""
        LEDGER.reads += self.size
        return self._a.tolist()

    def item(self) -> Any:
        """The only number."""
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        LEDGER.reads += 1
        return self._a.item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._a.dtype.kind not in "iu" or self.ndim:
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous")
        return bool(self.item())

    def __format__(self, spec: str) -> str:
        if spec:
            raise TypeError("format a number read by float()")
        return str(self.tolist())

    # -- NumPy's protocols -------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or not _known(ufunc.__name__):
            return NotImplemented
        if set(kwargs) - UFUNC_WORDS:
            raise TypeError(f"CuPy's {ufunc.__name__} takes no {sorted(set(kwargs) - UFUNC_WORDS)}")
        given = (*inputs, *kwargs.get("out", ()))
        if not all(isinstance(x, (ndarray, *SCALARS)) for x in given):
            return NotImplemented
        kwargs = {k: _bare(v) for k, v in kwargs.items()}
        found = getattr(ufunc, method)(*map(_bare, inputs), **kwargs)
        return given[-1] if "out" in kwargs else wrapped(found)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = ".".join([*func.__module__.split(".")[1:], func.__name__])
        if not _known(name) or not all(issubclass(t, (ndarray, np.generic)) for t in types):
            return NotImplemented
        _check(name, args, kwargs)
        if _holds_numpy((args, kwargs)):
            raise TypeError(f"np.{name} mixes arrays of the host and the device")
        if name in ("flatnonzero", "nonzero", "argwhere", "unique", "delete"):
            LEDGER.reads += 1  # the size of the result
        if name == "linalg.cholesky":
            return wrapped(_cholesky(_bare(args[0])))
        if name == "linalg.solve":
            return wrapped(_solve(*map(_bare, args)))
        if name in ("full_like", "zeros_like", "empty_like", "ones_like", "copy", "einsum"):
            return wrapped(_own(func(*_bare(args), **_bare(kwargs))))
        return wrapped(func(*_bare(args), **_bare(kwargs)))

    # -- parts -------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> ndarray:
        index = _index(key)
        if any(isinstance(k, np.ndarray) for k in index):
            return ndarray(np.array(self._a[index]))  # a copy, 0-d too
        return ndarray(self._a[(*index, ...)] if Ellipsis not in index else self._a[index])

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(value, (ndarray, *SCALARS)):
            raise TypeError(f"a {type(value).__name__} is not copied to the device by itself")
        self._a[_index(key)] = _bare(value)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    # -- methods -----------------------------------------------------------------------

    def astype(self, dtype: Any, order: str = "K", casting: Any = None, copy: bool = True) -> Any:
        """As CuPy's."""
        if not copy and self._a.dtype == np.dtype(dtype):
            return self
        return ndarray(_own(self._a.astype(dtype, order=order)))

    def copy(self, order: str = "C") -> ndarray:
        """As CuPy's."""
        return ndarray(self._a.copy(order=order))

    def reshape(self, *shape: Any, order: str = "C") -> ndarray:
        """As CuPy's: a view where that is possible."""
        return ndarray(self._a.reshape(*shape, order=order))

    def view(self, dtype: Any = None) -> ndarray:
        """As CuPy's."""
        return ndarray(self._a.view(dtype))

    def transpose(self, *axes: Any) -> ndarray:
        """As CuPy's."""
        return ndarray(self._a.transpose(*axes))

    def ravel(self, order: str = "C") -> ndarray:
        """As CuPy's."""
        return ndarray(self._a.ravel(order))

    def fill(self, value: Any) -> None:
        """As CuPy's."""
        self._a.fill(_bare(value))

    def _method(self, name: str, *args: Any, **kwargs: Any) -> ndarray:
        _check(name, (self, *args), kwargs)
        return wrapped(getattr(self._a, name)(*_bare(args), **_bare(kwargs)))


for _name in ("sum", "mean", "max", "min", "any", "all", "argmax", "argmin", "argsort", "cumsum",
              "diagonal", "swapaxes", "take", "prod", "squeeze"):  # fmt: skip
    setattr(ndarray, _name, functools.partialmethod(ndarray._method, _name))


def wrapped(found: Any) -> Any:
    """NumPy's results as the device's: also a number is an array there, of no dimension."""
    if isinstance(found, np.ndarray):
        return ndarray(found)
    if isinstance(found, np.generic):
        return ndarray(np.array(found))
    if isinstance(found, (tuple, list)):
        return tuple(wrapped(part) for part in found) if isinstance(found, tuple) else [
            wrapped(part) for part in found
        ]  # fmt: skip
    return found


def _bare(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value._a
    if isinstance(value, (tuple, list)):
        return type(value)(_bare(part) for part in value)
    if isinstance(value, dict):
        return {key: _bare(part) for key, part in value.items()}
    return value


def _own(values: Any) -> Any:
    return values if not isinstance(values, np.ndarray) or values.base is None else values.copy()


def _holds_numpy(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_numpy, value.values()))
    if isinstance(value, (tuple, list)):
        return any(map(_holds_numpy, value))
    return isinstance(value, np.ndarray)


def _index(key: Any) -> tuple[Any, ...]:
    index = key if isinstance(key, tuple) else (key,)
    for part in index:
        if isinstance(part, (np.ndarray, list)):
            raise TypeError("an index array of the host is not copied to the device by itself")
        if isinstance(part, ndarray) and part.dtype.kind == "b":
            LEDGER.reads += 1  # how many it selects
    return tuple(_bare(part) for part in index)


def _known(name: str) -> bool:
    return REAL is None or _real(name) is not None


def _real(name: str) -> Any:
    return functools.reduce(lambda o, part: getattr(o, part, None), name.split("."), REAL)


def _check(name: str, args: Any, kwargs: Any) -> None:
    """TypeError where the real function has no such arguments."""
    function = None if REAL is None else _real(name)
    try:
        signature = inspect.signature(function) if function is not None else None
    except (TypeError, ValueError):
        return
    if signature is not None:
        signature.bind(*args, **kwargs)


def _cholesky(A: np.ndarray) -> np.ndarray:
    """Without errstate a matrix that is not definite gives half a factor, as cuSOLVER does."""
    try:
        return np.linalg.cholesky(A)
    except np.linalg.LinAlgError:
        if LINALG.mode == "raise":
            raise
        return np.tril(A)


def _solve(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(A, B)
    except np.linalg.LinAlgError:
        if LINALG.mode == "raise":
            raise
        return np.full_like(B, np.inf)
