"""How many digits a derived expression keeps, measured against mpmath.

The reference is the line with every atom replaced by its elementary definition, differentiated as
it stands and evaluated at rising precision until two precisions agree: no rewriting rule, atom or
choice of form is shared with what it judges.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from fastinfluence.kernels.printers import atom_sources, scalar_source
from fastinfluence.kernels.program import PointwiseProgram
from fastinfluence.spec.atoms import expand_definitions
from fastinfluence.spec.line import Line

BOUND = 1e-12  # of |g| + |f dg/df| + |y dg/dy|
COMFORT = 5e-14  # among forms at least this good the cheapest is taken
# Digits to try. Terms of size e^-|f| vanish exactly, and alike, at two low precisions: only near
# f = 0 may those be trusted.
NEAR, LOW, HIGH = 3.0, (50, 120, 450, 1100), (450, 1100)
AGREE = 1e-22
TINY = float(np.finfo(np.float64).tiny)
HUGE = float(np.finfo(np.float64).max)

Point = tuple[float, float]
Truth = dict[str, tuple[Any, Any]]


class Reference:
    """Outputs of a line as mpmath numbers, with the scale their errors are judged by."""

    def __init__(self, line: Line, values: Sequence[float]) -> None:
        import sympy

        from fastinfluence.spec.derive import differentiate, line_symbols, parse_line

        s = line_symbols(line)
        loss, mean = (None if e is None else expand_definitions(e) for e in parse_line(line))
        rest = None if mean is None else 1 - mean
        self.outputs = differentiate(loss, mean, s, rest, line.y)
        exact = list(self.outputs.values())
        graded = [*exact, *(e.diff(s.f) for e in exact), *(e.diff(s.y) for e in exact)]
        names = (s.f, s.y, *s.params.values())
        modules = [{"exp": _bounded_exp}, "mpmath"]
        self._call = sympy.lambdify(names, graded, modules=modules, cse=True)
        self._values = tuple(values)
        self._zero = [e == 0 for e in exact]
        self._known: dict[Point, Truth | None] = {}

    def at(self, f: float, y: float) -> Truth | None:
        """Each output's (value, scale) there, or None where the definition has no value."""
        if (f, y) not in self._known:
            self._known[f, y] = self._compute(f, y)
        return self._known[f, y]

    def _compute(self, f: float, y: float) -> Truth | None:
        before: list[Any] | None = None
        for digits in LOW if abs(f) <= NEAR else HIGH:
            found = self._evaluate(f, y, digits)
            if found is not None and before is not None and self._agree(before, found):
                return self._scaled(found, f, y)
            before = found
        return None if before is None else self._scaled(before, f, y)

    def _evaluate(self, f: float, y: float, digits: int) -> list[Any] | None:
        import mpmath

        with mpmath.workdps(digits):
            try:
                found = self._call(*map(mpmath.mpf, (f, y, *self._values)))
                values = [mpmath.mpf(v) for v in found]
            except (ZeroDivisionError, ValueError, TypeError, OverflowError):
                return None
        return None if any(mpmath.isnan(v) for v in values[: len(self._zero)]) else values

    def _agree(self, before: list[Any], now: list[Any]) -> bool:
        pairs = zip(self._zero, before, now, strict=False)
        return all(zero or (b != 0 and abs(a - b) <= AGREE * abs(b)) for zero, a, b in pairs)

    def _scaled(self, found: list[Any], f: float, y: float) -> Truth:
        n = len(self._zero)
        rows = zip(self.outputs, found, found[n:], found[2 * n :], strict=False)
        return {k: (g, abs(g) + abs(f * gf) + abs(y * gy)) for k, g, gf, gy in rows}


def _bounded_exp(x: Any) -> Any:
    """e^x, cut off where it would be unrepresentable beyond reason (and slow)."""
    import mpmath

    if not mpmath.isfinite(x) or abs(x) < 1e15:
        return mpmath.exp(x)
    return mpmath.mpf(0) if x < 0 else mpmath.inf


@lru_cache(maxsize=128)
def reference(line: Line, values: tuple[float, ...]) -> Reference:
    """Reference of a line, kept with the values it has computed."""
    return Reference(line, values)


def scaled_error(got: float, truth: Any, scale: Any) -> float:
    """Error of a computed number over its scale; infinite where the contract is broken.

    Where the truth is no normal float64, 0, infinity of its sign, and anything that close pass.
    """
    if math.isnan(got):
        return math.inf
    if abs(truth) > HUGE:
        return 0.0 if abs(got) > 0.99 * HUGE and (got > 0) == (truth > 0) else math.inf
    if math.isinf(got):
        return math.inf
    difference = abs(truth - got)
    if abs(truth) < TINY and difference <= 2 * TINY:
        return 0.0
    if scale == 0:
        return math.inf
    return float(difference / scale)


class Measure:
    """Chooses between equal forms of one line's outputs by their measured errors."""

    def __init__(self, line: Line, points: Sequence[Point] | None = None) -> None:
        self.line = line
        self.trials = line.trial_values
        self.references = [reference(line, values) for values in self.trials]
        self.points = points or [(f, y) for f in line.sample_f for y in line.sample_y]

    def choose(self, output: str, forms: Sequence[Any]) -> Any:
        """First form within COMFORT, or else the most accurate one."""
        if len(forms) == 1:
            return forms[0]
        errors: list[float] = []
        for form in forms:
            errors.append(self._error(output, form))
            if errors[-1] <= COMFORT:
                return form
        return forms[errors.index(min(errors))]

    def _error(self, output: str, form: Any) -> float:
        from fastinfluence.spec.lower import Lowering

        lowering = Lowering()
        result = {output: lowering.operand(form)}
        program = lowering.builder.finish("form", self.line.names, result)
        pairs = zip(self.references, self.trials, strict=True)
        return max(worst(program, truth, v, self.points)[output] for truth, v in pairs)


def worst(
    program: PointwiseProgram,
    reference: Reference,
    values: Sequence[float],
    points: Iterable[Point],
) -> dict[str, float]:
    """Largest scaled error of each output over the points, run in plain Python."""
    point = interpret(program)
    errors = dict.fromkeys(program.outputs, 0.0)
    for f, y in points:
        truth = reference.at(f, y)
        if truth is None:
            continue
        for key, got in zip(errors, point(f, y, *values), strict=True):
            errors[key] = max(errors[key], scaled_error(float(got), *truth[key]))
    return errors


class _Math:
    """`math` as compiled kernels see it: infinities and NaN instead of exceptions."""

    exp, log, log1p, expm1, sqrt = np.exp, np.log, np.log1p, np.expm1, np.sqrt
    tanh, sinh, cosh, atan, sin, cos = np.tanh, np.sinh, np.cosh, np.arctan, np.sin, np.cos
    copysign = np.copysign

    @staticmethod
    def erf(x: float) -> np.float64:
        return np.float64(math.erf(x))

    @staticmethod
    def erfc(x: float) -> np.float64:
        return np.float64(math.erfc(x))


def interpret(program: PointwiseProgram) -> Callable[..., tuple[float, ...]]:
    """Plain function ``point(f, y, *params)``, run from the text that backends compile."""
    namespace: dict[str, Any] = {"math": _Math, "np": np}
    text = "\n".join([*atom_sources(program, ""), scalar_source(program)])
    exec(compile(text, f"<program {program.name}>", "exec"), namespace)
    compiled = namespace["point"]

    def point(*args: float) -> tuple[float, ...]:
        with np.errstate(all="ignore"):
            found: tuple[float, ...] = compiled(*map(np.float64, args))
            return found

    return point
