"""The public Loss: a line of text with values for its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastinfluence.errors import LossError
from fastinfluence.kernels.program import PointwiseProgram
from fastinfluence.lazy import cached_property
from fastinfluence.spec.line import REAL_LINE, Domain, Line, Param, as_domain


@dataclass(frozen=True, repr=False)
class Loss:
    """A loss l(f, y) of the raw prediction f, written as one line.

    Parameters
    ----------
    text : str
        Expression in ``f``, ``y`` and the parameters, such as ``"softplus(-y*f) + a*(f - y)**2"``.
    y_domain : set of labels, or "real", "positive", "nonnegative", "counts", "unit"
        What y may be.
    params : mapping of str to float
        Parameters with their values. They are read at run time: another value compiles nothing.
    name : str
        For messages and ``repr``.
    f_domain : (float, float)
        Open interval in which f must lie.
    mean : str, optional
        Expected y given f, in ``f`` and the parameters; gives ``output="mean"`` and Fisher
        information.
    family, link, line_data
        Of a loss of the library's own tables, which set them.

    Raises
    ------
    LossError
        When the text is not a loss: it cannot be read, does not depend on f, has a kink, is not
        real and finite in its domain, or loses its digits when it is computed.

    Notes
    -----
    Making a Loss checks it (about a second, which imports SymPy). The loss may be non-convex.
    """

    text: str
    y_domain: Domain = "real"
    params: Mapping[str, float] = field(default_factory=dict)
    name: str = "custom"
    f_domain: tuple[float, float] = REAL_LINE
    mean: str | None = None
    family: str | None = None
    link: str | None = None
    line_data: Line = field(default=None, repr=False, compare=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        trusted = self.line_data is not None
        line = self.line_data if trusted else _custom_line(self)
        values = {p.name: p.check(self.params[p.name], self.name) for p in line.params}
        self._set("params", MappingProxyType(values))
        self._set("y_domain", line.y)
        self._set("f_domain", line.f)
        self._set("line_data", line)
        if not trusted:
            from fastinfluence.spec.check import check_custom

            check_custom(self)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def from_line(
        cls,
        name: str,
        line: Line,
        values: Mapping[str, float],
        family: str | None = None,
        link: str | None = None,
    ) -> "Loss":
        """Loss of a table, whose line needs no check."""
        return cls(line.text, line.y, values, name, line.f, line.mean, family, link, line)

    @classmethod
    def from_table(
        cls,
        name: str,
        lines: tuple[Line, ...],
        params: Mapping[str, float],
        family: str | None = None,
        link: str | None = None,
    ) -> "Loss":
        """Loss of the first line whose ranges hold the parameters; defaults fill the rest."""
        values = _complete(name, lines[0], params)
        for line in lines:
            if all(p.accepts(values[p.name]) for p in line.params):
                return cls.from_line(name, line, values, family, link)
        ranges = [", ".join(f"{p.name} in {p.range}" for p in line.params) for line in lines]
        given = ", ".join(f"{key}={value!r}" for key, value in values.items())
        raise LossError(f"{name} needs {' or '.join(ranges)}; got {given}")

    @property
    def line(self) -> str:
        """The expression as written."""
        return self.text

    @property
    def program(self) -> PointwiseProgram:
        """What a kernel computes; derived when first asked for, unless shipped."""
        return _program(self.name, self.line_data)

    @cached_property
    def param_values(self) -> NDArray[np.float64]:
        """Parameter values in kernel order, float64, read-only."""
        values = np.array(list(self.params.values()), dtype=np.float64)
        values.flags.writeable = False
        return values

    @property
    def source(self) -> str:
        """Numba source of the kernel that computes every output."""
        from fastinfluence.kernels.printers import numba_source

        return numba_source(self.program, tuple(self.program.outputs))

    def evaluate(self, f: Any, y: Any, *outputs: str) -> tuple[NDArray[Any], ...]:
        """The loss and its derivatives, row by row.

        Parameters
        ----------
        f : array_like, shape (n,) or (n, k)
            Raw predictions.
        y : array_like, shape (n,)
            Labels as the loss encodes them.
        *outputs : str
            Such as ``"value", "d1", "d2"`` (by f), ``"mean"``; ``"value"`` by default.

        Returns
        -------
        tuple of ndarray, each shaped like f
        """
        from fastinfluence.kernels.cpu.pointwise import evaluate

        return evaluate(self.program, self.param_values, f, y, outputs or ("value",))

    def __hash__(self) -> int:
        return hash((self.text, self.name, self.y_domain, tuple(self.params.items()), self.mean))

    def __repr__(self) -> str:
        name = self.name if self.link is None else f"{self.name}, {self.link} link"
        values = "".join(f", {key}={value:g}" for key, value in self.params.items())
        return f"Loss({name}: {self.text}; y {self.line_data.y_text}{values})"

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self.name, self.line_data, dict(self.params), self.family, self.link)
        return Loss.from_line, state


@lru_cache(maxsize=512)
def _program(name: str, line: Line) -> PointwiseProgram:
    from fastinfluence.spec.library import program

    return program(name, line)


def _complete(name: str, line: Line, params: Mapping[str, float]) -> dict[str, float]:
    """Given parameters with defaults for the rest."""
    unknown = [key for key in params if key not in line.names]
    if unknown:
        takes = ", ".join(line.names) or "no parameters"
        raise LossError(f"{name} has no parameter {unknown[0]!r}; it takes {takes}")
    values: dict[str, float] = {}
    for param in line.params:
        value = params.get(param.name, param.default)
        if value is None:
            call = f"fi.losses.{name}({param.name}=...)"
            raise LossError(f"{name} needs {param.name}, which has no usual value: {call}")
        values[param.name] = value
    return values


def _custom_line(loss: Loss) -> Line:
    from fastinfluence.spec.parse import RESERVED

    if not isinstance(loss.params, Mapping):
        raise LossError("params must map names to numbers, as in params={'a': 0.1}")
    for key in loss.params:
        if not (isinstance(key, str) and key.isidentifier()) or key in RESERVED:
            raise LossError(f"{loss.name}: {key!r} cannot name a parameter; choose another name")
    params = tuple(_custom_param(key, value) for key, value in loss.params.items())
    y = as_domain(loss.y_domain, loss.name)
    low, high = map(float, loss.f_domain)
    return Line(loss.text, y, params, (low, high), loss.mean)


def _custom_param(name: str, value: float) -> Param:
    """Parameter whose sign may be relied on, as it was checked with that sign only."""
    try:
        positive = float(value) > 0.0
    except (TypeError, ValueError):
        raise LossError(f"the value of parameter {name} must be a number, got {value!r}") from None
    return Param(name, low=0.0 if positive else -np.inf, sample=float(value))
