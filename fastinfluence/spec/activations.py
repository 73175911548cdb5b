"""THE table of activations: one symbolic line each, read as a loss's line is, without y.

To add an activation, add one line to :data:`ACTIVATIONS`; its derivatives, its kernel and its tests
follow. The text should keep its digits at both ends of f (``tanhhalf(2*f)``, whose derivative is
made of positive factors, not ``tanh(f)``, whose derivative 1 − tanh² cancels).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.errors import LossError
from fastinfluence.lazy import cached_property
from fastinfluence.spec.line import Line, Param

if TYPE_CHECKING:
    from fastinfluence.kernels.program import PointwiseProgram
    from fastinfluence.types import FloatArray

_T = Param("t", sample=0.05, trials=(1e-3, 10.0))
_ANY = "real"  # no y occurs in the text

ACTIVATIONS: dict[str, Line] = {
    "tanh": Line("tanhhalf(2*f)", _ANY, doc="Hyperbolic tangent."),
    "sigmoid": Line("sigmoid(f)", _ANY, doc="1/(1 + e^-f)."),
    "relu": Line("where(f > 0, f, 0)", _ANY, doc="max(0, f); its derivative at 0 is taken as 0."),
    "smooth_relu": Line("t*softplus(f/t)", _ANY, (_T,), doc="ReLU smoothed over t, as t → 0 ReLU."),
    "softplus": Line("softplus(f)", _ANY, doc="log(1 + e^f)."),
    "gelu": Line("f*ndtr(f)", _ANY, doc="f·Φ(f), exactly (Hendrycks & Gimpel 2016)."),
    "silu": Line("f*sigmoid(f)", _ANY, doc="f·σ(f), also called swish."),
    "elu": Line("where(f > 0, f, expm1(f))", _ANY, doc="f above 0, e^f − 1 below."),
    "identity": Line("f", _ANY, doc="No activation: a linear layer."),
}
KINKS: Mapping[str, float] = MappingProxyType({"relu": 0.0, "elu": 0.0})
"""Where a second derivative jumps or is missing."""


@dataclass(frozen=True)
class Activation:
    """An activation a(f) of the table with values for its parameters.

    Attributes
    ----------
    name : str
    params : mapping of str to float
    """

    name: str
    params: tuple[tuple[str, float], ...] = ()

    @property
    def line(self) -> Line:
        """Its row of the table."""
        return ACTIVATIONS[self.name]

    @property
    def program(self) -> PointwiseProgram:
        """What a kernel computes: value, derivatives, by name."""
        return _program(self.name)

    @cached_property
    def param_values(self) -> NDArray[np.float64]:
        """Parameter values in kernel order, float64, read-only."""
        values = np.array([value for _, value in self.params], dtype=np.float64)
        values.flags.writeable = False
        return values

    def evaluate(self, f: Any, *outputs: str) -> tuple[FloatArray, ...]:
        """Outputs such as ``"value", "d1"`` at every f (n,) or (n, k)."""
        from fastinfluence.kernels.cpu.pointwise import evaluate

        F = np.atleast_1d(np.asarray(f))
        wanted = outputs or ("value",)
        return evaluate(self.program, self.param_values, F, np.zeros(len(F)), wanted)

    def __str__(self) -> str:
        values = ", ".join(f"{key}={value:g}" for key, value in self.params)
        return f"{self.name}({values})" if values else self.name


@lru_cache(maxsize=64)
def _program(name: str) -> PointwiseProgram:
    from fastinfluence.spec.library import program

    return program(name, ACTIVATIONS[name])


def make(name: str, **params: float) -> Activation:
    """Activation of the table with these parameter values.

    Parameters
    ----------
    name : str
    **params : float

    Returns
    -------
    Activation

    Raises
    ------
    LossError
        For an unknown name, or a parameter that is unknown, missing or outside its range.
    """
    if name not in ACTIVATIONS:
        close = difflib.get_close_matches(str(name), ACTIVATIONS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise LossError(
            f"no activation is called {name!r}.{hint} There are {', '.join(ACTIVATIONS)}"
        )
    return Activation(name, tuple(_checked(name, params)))


def _checked(name: str, given: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    line = ACTIVATIONS[name]
    unknown = [key for key in given if key not in line.names]
    if unknown:
        takes = ", ".join(line.names) or "no parameters"
        raise LossError(f"{name} has no parameter {unknown[0]!r}; it takes {takes}")
    for param in line.params:
        if param.name not in given:
            call = f"fi.activations.{name}({param.name}=...)"
            raise LossError(f"{name} needs {param.name}, which has no usual value: {call}")
        yield param.name, param.check(given[param.name], name)


def registry() -> list[Activation]:
    """Every activation of the table, at sample parameters.

    Returns
    -------
    list of Activation
    """
    return [make(name, **line.sample_params) for name, line in ACTIVATIONS.items()]


@dataclass(frozen=True)
class Factory:
    """Makes activations of one name: ``smooth_relu(t=1e-3)``."""

    name: str

    def __call__(self, **params: float) -> Activation:
        """Activation with these parameter values.

        Parameters
        ----------
        **params : float

        Returns
        -------
        Activation

        Raises
        ------
        LossError
            For a parameter that is unknown, missing or outside its range.
        """
        return make(self.name, **params)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        line = ACTIVATIONS[self.name]
        return f"{line.doc}\n\n    a(f) = {line.text}"


def __getattr__(name: str) -> Factory:
    if name in ACTIVATIONS:
        return Factory(name)
    raise AttributeError(f"no activation is called {name!r}; there are {', '.join(ACTIVATIONS)}")


def __dir__() -> list[str]:
    return sorted([*ACTIVATIONS, "ACTIVATIONS", "make", "registry"])
