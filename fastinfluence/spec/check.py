"""What a loss written by a user must prove before it is accepted.

Read, real, finite, differentiable in f with a continuous first derivative, derivable, and computed
to the accuracy of the built-in ones, on a grid over its domain. Each refusal says where it failed
and what to write instead.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from fastinfluence.errors import LossError
from fastinfluence.kernels.program import PointwiseProgram
from fastinfluence.spec.derive import derive, line_symbols, parse_line
from fastinfluence.spec.line import Line
from fastinfluence.spec.measure import BOUND, Point, Reference, interpret, reference, worst

if TYPE_CHECKING:
    from fastinfluence.spec.loss import Loss

QUICK_F = (0.0, 1e-6, 0.37, 1.7, 4.05, 20.0, 100.0, 700.0)
SCAN = tuple(0.137 + 0.25 * k for k in range(-160, 161))
SCAN = (*(-41.0 * 1.2**k for k in range(16, -1, -1)), *SCAN, *(41.0 * 1.2**k for k in range(17)))
STEP = 1e-6
MAX_OPERATIONS = 400
Gap = Callable[..., Any]


def check_custom(loss: "Loss") -> None:
    """Raise LossError unless the loss is usable."""
    line = loss.line_data
    values = tuple(loss.params.values())
    _check_domain(loss.name, line)
    expression, _ = parse_line(line)
    symbols = line_symbols(line)
    if symbols.f not in expression.free_symbols:
        raise LossError(f"{loss.name}: the loss does not depend on f")
    _check_size(loss.name, expression, symbols)
    points = quick_points(line)
    truth = reference(line, values)
    try:
        _check_values(loss.name, truth, points)
        program = derive(loss.name, line, points)
    except RecursionError:
        raise LossError(f"{loss.name}: the expression is nested too deeply; simplify it") from None
    gaps = list(boundaries(expression, symbols))
    _check_kinks(loss.name, program, gaps, line, values)
    check_accuracy(loss.name, program, truth, values, _away(points, gaps, values))


def quick_points(line: Line) -> list[Point]:
    """A small grid over the domain of a line, both ends of f included."""
    low, high = line.f
    fs = [s * v for v in QUICK_F for s in (1.0, -1.0) if low < s * v < high]
    if math.isfinite(low) or math.isfinite(high):
        fs = [v for v in line.sample_f if abs(v) > 1e-9][:: max(1, len(line.sample_f) // 16)]
    ys = line.sample_y
    kept = ys if len(ys) <= 3 else (ys[0], ys[len(ys) // 2], ys[-1])
    return [(f + 0.0, y) for f in dict.fromkeys(fs) for y in kept]


def check_accuracy(
    name: str,
    program: PointwiseProgram,
    truth: Reference,
    values: tuple[float, ...],
    points: list[Point],
) -> None:
    """Raise LossError where a program misses the reference by more than the stated bound."""
    for output, error in worst(program, truth, values, points).items():
        if error <= BOUND:
            continue
        single = program.select(output)
        f, y = max(points, key=lambda p: worst(single, truth, values, [p])[output])
        how = "is not a number or overflows" if math.isinf(error) else "loses its digits"
        raise LossError(
            f"{name}: {output} {how} at f={f:g}, y={y:g}. Write the loss with stable functions "
            "(softplus, sigmoid, logcosh, log1p, expm1, log_ndtr), or narrow f_domain"
        )


def boundaries(expression: Any, symbols: Any) -> Iterator[Gap]:
    """For each condition of a piecewise loss, the function of f whose sign decides it."""
    import sympy

    names = (symbols.f, symbols.y, *symbols.params.values())
    for relation in sorted(expression.atoms(sympy.core.relational.Relational), key=str):
        if symbols.f in relation.free_symbols:
            yield sympy.lambdify(names, relation.lhs - relation.rhs, modules="mpmath")


def _check_size(name: str, expression: Any, symbols: Any) -> None:
    for order in (1, 2, 3):
        if expression.count_ops() > MAX_OPERATIONS:
            raise LossError(
                f"{name}: derivative {order - 1} has more than {MAX_OPERATIONS} operations; "
                "simplify the expression"
            )
        expression = expression.diff(symbols.f)


def _check_domain(name: str, line: Line) -> None:
    low, high = line.f
    if not low < high:
        raise LossError(f"{name}: f_domain must be an interval (low, high), got {line.f}")
    if not line.sample_f:
        raise LossError(f"{name}: f_domain {line.f} holds none of the values losses are tried at")


def _check_values(name: str, truth: Reference, points: list[Point]) -> None:
    """Real and finite at moderate f; at extreme f an overflow is no fault of the loss."""
    for f, y in points:
        if abs(f) <= 20.0 and truth.at(f, y) is None:
            raise LossError(
                f"{name}: the loss or a derivative is not a real, finite number at f={f:g}, "
                f"y={y:g}. Restrict f_domain or y_domain to where it is defined"
            )


def _check_kinks(
    name: str, program: PointwiseProgram, gaps: list[Gap], line: Line, values: tuple[float, ...]
) -> None:
    point = interpret(program.select("value", "d1"))
    for gap in gaps:
        for y in line.sample_y:
            for f in _crossings(_at_label(gap, y), values, line.f):
                _check_kink(name, _at_label(point, y), values, f, y)


def _at_label(function: Gap, y: float) -> Gap:
    return lambda f, *values: function(f, y, *values)


def _crossings(gap: Gap, values: tuple[float, ...], domain: tuple[float, float]) -> list[float]:
    """Places where the sign of `gap` changes, by bisection between points of a scan."""
    found = []
    for left, right in pairwise(f for f in SCAN if domain[0] < f < domain[1]):
        a, b = left, right
        sign = gap(a, *values) > 0
        if (gap(b, *values) > 0) == sign:
            continue
        for _ in range(60):
            middle = 0.5 * (a + b)
            a, b = (middle, b) if (gap(middle, *values) > 0) == sign else (a, middle)
        found.append(b)
    return found


def _check_kink(name: str, point: Gap, values: tuple[float, ...], f: float, y: float) -> None:
    """A jump stays when the step shrinks a hundredfold; a smooth change shrinks with it."""
    wide, narrow = (_jumps(point, values, f, step) for step in (STEP, STEP / 100))
    for what, far, near in zip(("value", "first derivative"), wide, narrow, strict=True):
        if near > 0.3 * far and near > 1e-7:
            raise LossError(
                f"{name}: its {what} jumps at f={f:.6g}, y={y:g}. Smooth it: max(0, u) as "
                "t*softplus(u/t), abs(u) as t*logcosh(u/t) or delta*sqrt1pm1((u/delta)**2)"
            )


def _jumps(point: Gap, values: tuple[float, ...], f: float, step: float) -> tuple[float, ...]:
    h = step * (1.0 + abs(f))
    sides = zip(point(f + h, *values), point(f - h, *values), strict=True)
    return tuple(float(abs(a - b) / (1.0 + abs(a) + abs(b))) for a, b in sides)


def _away(points: list[Point], gaps: list[Gap], values: tuple[float, ...]) -> list[Point]:
    """Points that do not sit on a boundary, where rounding decides the branch."""
    return [
        (f, y)
        for f, y in points
        if all(abs(gap(f, y, *values)) > 1e-9 * (1.0 + abs(f) + abs(y)) for gap in gaps)
    ]
