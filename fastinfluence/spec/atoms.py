"""Stable symbolic functions: what each means and how it differentiates.

Each atom is a function whose derivative is written with atoms again, so that differentiating a
loss never makes a difference of nearly equal numbers. The text of `derivative` and `definition` is
in `x`; `definition` uses elementary functions only and is what tests compare with. Its compiled
form is the function ``atom_<name>`` in ``kernels/cpu/atoms.py``.

To add an atom: a row here, its function there, its name in ``kernels.program.OPS``.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Atom:
    """One row of :data:`ATOMS`.

    Parameters
    ----------
    derivative : str
        d/dx in atoms and elementary functions; "" where no further derivative is provided.
    definition : str
        The function in elementary terms; "D(other)" is the derivative of another's definition, and
        "" says that the function is elementary itself.
    parity : int
        1 for even, -1 for odd functions, 0 for neither.
    domain : (float, float)
        Open interval of x.
    """

    derivative: str
    definition: str
    parity: int = 0
    domain: tuple[float, float] = (float("-inf"), float("inf"))


ATOMS: dict[str, Atom] = {
    "softplus": Atom("sigmoid(x)", "log(1 + exp(x))"),
    "sigmoid": Atom("dsigmoid(x)", "1/(1 + exp(-x))"),
    "dsigmoid": Atom("-dsigmoid(x)*tanhhalf(x)", "1/((1 + exp(-x))*(1 + exp(x)))", 1),
    "tanhhalf": Atom("2*dsigmoid(x)", "(1 - exp(-x))/(1 + exp(-x))", -1),
    "logcosh": Atom("tanhhalf(2*x)", "log((exp(x) + exp(-x))/2)", 1),
    "sqrt1pm1": Atom("1/(2*sqrt(1 + x))", "sqrt(1 + x) - 1", 0, (-1.0, float("inf"))),
    "ndtr": Atom("exp(-x**2/2)/sqrt(2*pi)", "erfc(-x/sqrt(2))/2"),
    "log_ndtr": Atom("log_ndtr1(x)", "log(erfc(-x/sqrt(2))/2)"),
    "log_ndtr1": Atom("log_ndtr2(x)", "D(log_ndtr)"),
    "log_ndtr2": Atom("log_ndtr3(x)", "D(log_ndtr1)"),
    "log_ndtr3": Atom("", "D(log_ndtr2)"),
    "logit_ndtr": Atom(
        "log_ndtr1(x) + log_ndtr1(-x)", "log(erfc(-x/sqrt(2))) - log(erfc(x/sqrt(2)))", -1
    ),
    "log1mexp": Atom("-bose(x)", "log(1 - exp(x))", 0, (float("-inf"), 0.0)),
    "bose": Atom("bose(x)*(1 + bose(x))", "1/(exp(-x) - 1)", 0, (float("-inf"), 0.0)),
    "cloglog": Atom("cloglog1(x)", "log(1 - exp(-exp(x)))"),
    "cloglog1": Atom("cloglog2(x)", "D(cloglog)"),
    "cloglog2": Atom("cloglog3(x)", "D(cloglog1)"),
    "cloglog3": Atom("", "D(cloglog2)"),
    "logsoftplus": Atom("logsoftplus1(x)", "log(log(1 + exp(x)))"),
    "logsoftplus1": Atom("logsoftplus2(x)", "D(logsoftplus)"),
    "logsoftplus2": Atom("logsoftplus3(x)", "D(logsoftplus1)"),
    "logsoftplus3": Atom("", "D(logsoftplus2)"),
    # Elementary, but SymPy's own classes rewrite them or carry branches of their own.
    "log1p": Atom("1/(1 + x)", "log(1 + x)", 0, (-1.0, float("inf"))),
    "expm1": Atom("exp(x)", "exp(x) - 1"),
    "erf": Atom("2*exp(-x**2)/sqrt(pi)", "", -1),
    "erfc": Atom("-2*exp(-x**2)/sqrt(pi)", ""),
}


@cache
def symbols() -> dict[str, Any]:
    """SymPy class of each atom by name."""
    return {name: _sympy_class(name, atom) for name, atom in ATOMS.items()}


def _sympy_class(name: str, atom: Atom) -> Any:
    import sympy

    def fdiff(self: Any, argindex: int = 1) -> Any:
        if not atom.derivative:
            raise sympy.core.function.ArgumentIndexError(self, argindex)
        return _derivative(name).xreplace({_x(): self.args[0]})

    def fold_sign(cls: Any, x: Any) -> Any:
        if atom.parity and x.could_extract_minus_sign():
            return atom.parity * cls(-x)
        return None

    body = {"nargs": 1, "is_real": True, "fdiff": fdiff, "eval": classmethod(fold_sign)}
    return type(name, (sympy.Function,), body)


@cache
def _derivative(name: str) -> Any:
    from fastinfluence.spec.parse import parse

    return parse(ATOMS[name].derivative, ("x",))


@cache
def definition(name: str) -> Any:
    """Elementary SymPy expression of an atom, in the symbol ``x``."""
    from fastinfluence.spec.parse import parse

    text = ATOMS[name].definition
    if text.startswith("D("):
        return definition(text[2:-1]).diff(_x())
    return parse(text, ("x",))


def expand_definitions(expression: Any) -> Any:
    """The expression with every atom replaced by its elementary definition."""
    for name, cls in symbols().items():
        if not ATOMS[name].definition:
            continue
        expression = expression.replace(
            cls, lambda arg, name=name: definition(name).xreplace({_x(): arg})
        )
    return expression


def _x() -> Any:
    import sympy

    return sympy.Symbol("x", real=True)
