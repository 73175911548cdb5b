"""From one line of text to a pointwise program: rewrite, differentiate, share, lower.

Outputs, each a function of one row's f and y:

========== ==========================================================================
value      the loss l(f, y)
d1 d2 d3   its derivatives in f
value_y    dl/dy
d1_y       d^2 l / df dy
mean       expected y given f (where the line states it)
mean_d1    d mean / df
fisher     expected d2 under the mean: Fisher information per unit of f (where it is exact)
========== ==========================================================================
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastinfluence.errors import LossError
from fastinfluence.kernels.program import PointwiseProgram
from fastinfluence.spec.line import Line
from fastinfluence.spec.lower import Lowering
from fastinfluence.spec.measure import Measure, Point
from fastinfluence.spec.parse import parse, symbol
from fastinfluence.spec.stable import mul_rule, reflect, stabilise

# Relative price of an operation, for choosing between equal forms.
COSTS = {"add": 1, "sub": 1, "mul": 1, "neg": 1, "div": 4, "sqrt": 4, "where": 1, "zmul": 2}
CALL_COST = 20


@dataclass(frozen=True)
class Symbols:
    """The SymPy symbols of a line."""

    f: Any
    y: Any
    params: dict[str, Any]


def line_symbols(line: Line) -> Symbols:
    """Symbols carrying what the line's domains say of their signs."""
    known = line.assumptions
    params = {name: symbol(name, known.get(name)) for name in line.names}
    return Symbols(symbol("f", known.get("f")), symbol("y", known.get("y")), params)


def parse_line(line: Line) -> tuple[Any, Any]:
    """The loss and, if stated, the mean as parsed SymPy expressions."""
    names = ("f", "y", *line.names)
    loss = parse(line.text, names, line.assumptions)
    mean = None if line.mean is None else parse(line.mean, ("f", *line.names), line.assumptions)
    return loss, mean


def differentiate(loss: Any, mean: Any, s: Symbols, rest: Any, y_domain: Any) -> dict[str, Any]:
    """Every output as an expression; `rest` is 1 - mean, or None where there is no mean."""
    out = {"value": loss, "d1": loss.diff(s.f)}
    out["d2"] = out["d1"].diff(s.f)
    out["d3"] = out["d2"].diff(s.f)
    out["value_y"] = loss.diff(s.y)
    out["d1_y"] = out["d1"].diff(s.y)
    if mean is not None:
        out |= {"mean": mean, "mean_d1": mean.diff(s.f)}
        fisher = _fisher(out["d2"], mean, rest, s, y_domain)
        out |= {} if fisher is None else {"fisher": fisher}
    return out


def _fisher(d2: Any, mean: Any, rest: Any, s: Symbols, y_domain: Any) -> Any:
    """Expected d2, or None where it is not a function of the mean alone."""
    if y_domain == frozenset({0.0, 1.0}):
        return mean * d2.subs(s.y, 1) + rest * d2.subs(s.y, 0)
    return None if d2.diff(s.y, 2).expand() != 0 else d2.subs(s.y, mean)


def derive(name: str, line: Line, points: Sequence[Point] | None = None) -> PointwiseProgram:
    """Program of every output of a line.

    Parameters
    ----------
    name : str
        Name of the program.
    line : Line
        What to derive, at the sample values of its parameters.
    points : sequence of (f, y), optional
        Where equal forms are compared with mpmath; by default the samples of the line.

    Raises
    ------
    LossError
        When the line cannot be read, or cannot be differentiated three times.
    """
    s = line_symbols(line)
    outputs = stable_outputs(line, s)
    measure = Measure(line, points)
    lowering = Lowering()
    operands = {}
    for key, expression in outputs.items():
        refuse_undefined(expression)
        operands[key] = lowering.operand(measure.choose(key, sorted(forms(expression), key=cost)))
    return lowering.builder.finish(name, line.names, operands)


def stable_outputs(line: Line, s: Symbols) -> dict[str, Any]:
    """Every output of a line, rewritten into atoms before it was differentiated."""
    loss, mean = parse_line(line)
    if mean is None:
        return differentiate(stabilise(loss), None, s, None, line.y)
    return differentiate(stabilise(loss), stabilise(mean), s, stabilise(1 - mean), line.y)


def refuse_undefined(expression: Any) -> None:
    """Raise LossError for derivatives that are no ordinary function."""
    import sympy

    bad = expression.atoms(sympy.DiracDelta, sympy.Derivative, sympy.Subs, sympy.Heaviside)
    if bad:
        raise LossError(
            f"the loss has no ordinary derivative here ({type(next(iter(bad))).__name__}); "
            "smooth it, for example max(0, u) as t*softplus(u/t)"
        )
    if expression.has(sympy.I, sympy.zoo, sympy.nan, sympy.oo):
        raise LossError("a derivative of the loss is infinite or complex")


def forms(expression: Any) -> list[Any]:
    """Equal ways to write an expression, which differ in work and in rounding."""
    import sympy

    merged = stabilise(expression)
    found = [expression, merged]
    for start in (expression, merged, reflect(expression)):
        expanded = start.expand(power_exp=False, log=False, power_base=False)
        found += [expanded, stabilise(expanded), *by_exponentials(stabilise(expanded))]
    if not expression.atoms(sympy.Function) and expression.count_ops() < 150:
        found += [sympy.simplify(expression), sympy.factor(expression)]
    return list(dict.fromkeys(found))


def by_exponentials(expression: Any) -> list[Any]:
    """Forms with one term per exponential, whose coefficients may then cancel exactly.

    One form has each exponential taken out of the whole sum, since a difference of two that
    overflow is NaN, but which one overflows last depends on the loss.
    """
    import sympy

    powers = expression.atoms(sympy.exp)
    if not powers or not expression.is_Add or expression.count_ops() > 200:
        return []
    found = sympy.collect(expression, list(powers), evaluate=False)
    terms = {key: sympy.factor_terms(sympy.cancel(c)) for key, c in found.items()}
    forms = [sympy.Add(*(key * c for key, c in terms.items()))]
    for out in [key for key in terms if isinstance(key, sympy.exp)]:
        inner = [c * mul_rule(key, 1 / out) for key, c in terms.items()]
        forms.append(sympy.Mul(out, sympy.Add(*inner), evaluate=False))
    return forms


def cost(expression: Any) -> float:
    """Price of computing an expression alone."""
    lowering = Lowering()
    lowering.operand(expression)
    return sum(COSTS.get(step.op, CALL_COST) for step in lowering.builder.steps)


if __name__ == "__main__":
    from fastinfluence.spec.library import default_path, generate

    print(f"{generate(default_path())} programs written to {default_path().name}")
