"""A loss written as a line of text, read through a whitelist into SymPy; nothing is evaluated.

Python's own parser makes the tree; only the node types, names and functions below pass. Size,
nesting and constants are bounded before SymPy sees anything, so hostile text is refused quickly.
"""

import ast
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

from fastinfluence.errors import LossError
from fastinfluence.spec.atoms import ATOMS, symbols

MAX_LENGTH = 2000
MAX_NODES = 400
MAX_DEPTH = 40
MAX_EXPONENT = 16
MAX_CONSTANT = 1e15
MIN_CONSTANT = 1e-15

ELEMENTARY = ("exp", "log", "sqrt", "abs", "tanh", "sinh", "cosh", "atan", "sin", "cos")
ARITY = dict.fromkeys(ELEMENTARY, 1) | dict.fromkeys(ATOMS, 1) | {"min": 2, "max": 2, "where": 3}
CONSTANTS = ("pi",)
PUBLIC = tuple(sorted(n for n in ARITY if not n[-1].isdigit() or n == "sqrt1pm1"))
RESERVED = frozenset({*ARITY, *CONSTANTS, "f", "y", "x", "F", "params", "math", "i", "j"})

_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


def parse(text: str, names: Collection[str], assumptions: Mapping[str, str] | None = None) -> Any:
    """SymPy expression of a line.

    Parameters
    ----------
    text : str
        Arithmetic on `names`, numbers and ``pi``, the functions in :data:`ARITY`, and
        ``where(condition, a, b)`` with one comparison as its condition.
    names : collection of str
        Names that may occur.
    assumptions : mapping of str to str, optional
        ``"positive"`` or ``"nonzero"`` for names known to be so; every name is real.

    Raises
    ------
    LossError
        With the reason and what to write instead.
    """
    tree = check_syntax(text, names)
    known = assumptions or {}
    try:
        expression = _Builder({n: symbol(n, known.get(n)) for n in names}, text).build(tree)
    except (RecursionError, OverflowError, ArithmeticError, TypeError, ValueError) as error:
        if isinstance(error, LossError):
            raise
        raise LossError(f"{_short(text)} cannot be read as an expression ({error})") from None
    _check_values(expression, text)
    return _without_abs(expression)


@cache
def symbol(name: str, assumption: str | None = None) -> Any:
    """Real SymPy symbol; the same object for the same name and assumption."""
    import sympy

    return sympy.Symbol(name, real=True, **({assumption: True} if assumption else {}))


def check_syntax(text: str, names: Collection[str]) -> ast.expr:
    """Tree of the text, or LossError; takes microseconds and imports nothing."""
    if not isinstance(text, str):
        raise LossError(f"a loss is written as text, not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise LossError(f"the expression has {len(text)} characters; at most {MAX_LENGTH} are read")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise LossError(f"{_short(text)} is not an expression: {reason}") from None
    count = _check_node(tree, names, text, 1)
    if count > MAX_NODES:
        raise LossError(f"{_short(text)} has {count} parts; at most {MAX_NODES} are read")
    return tree


def names_used(text: str, names: Collection[str]) -> set[str]:
    """The names that occur in the text."""
    tree = check_syntax(text, names)
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & set(names)


def _check_node(node: ast.expr, names: Collection[str], text: str, depth: int) -> int:
    """Number of nodes below and including this one, each allowed."""
    if depth > MAX_DEPTH:
        raise LossError(f"{_short(text)} is nested deeper than {MAX_DEPTH} levels; name the parts")
    return 1 + sum(_check_node(child, names, text, depth + 1) for child in _children(node, names))


def _children(node: ast.expr, names: Collection[str]) -> list[ast.expr]:
    match node:
        case ast.Constant(value=value):
            _check_constant(value)
            return []
        case ast.Name(id=name):
            if name not in names and name not in CONSTANTS:
                raise LossError(f"unknown name {name!r}; {_known(names)}. Declare it in params=")
            return []
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return [operand]
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            _check_exponent(right)
            return [left, right]
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            return [left, right]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _call_arguments(name, args)
    if isinstance(node, ast.Compare):
        raise LossError("a comparison may stand only as the condition of where(condition, a, b)")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        raise LossError("'^' is not a power; write '**'")
    raise LossError(f"{type(node).__name__} is not allowed in a loss; write arithmetic only")


def _call_arguments(name: str, args: list[ast.expr]) -> list[ast.expr]:
    if name not in ARITY:
        raise LossError(f"unknown function {name!r}; there are {', '.join(PUBLIC)}")
    if len(args) != ARITY[name] or any(isinstance(a, ast.Starred) for a in args):
        raise LossError(f"{name} takes {ARITY[name]} argument(s), got {len(args)}")
    if name != "where":
        return args
    test = args[0]
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in _COMPARE):
        raise LossError("where(condition, a, b) takes one comparison with <, <=, > or >=")
    return [test.left, test.comparators[0], *args[1:]]


def _check_constant(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LossError(f"{str(value)[:40]!r} is not a number")
    if not (value == 0 or MIN_CONSTANT <= abs(value) <= MAX_CONSTANT):
        raise LossError(f"a constant lies outside {MIN_CONSTANT:g}..{MAX_CONSTANT:g}; rescale")


def _check_exponent(node: ast.expr) -> None:
    """Powers of powers of numbers are refused before anyone computes them."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, int | float):
            if abs(part.value) > MAX_EXPONENT:
                raise LossError(f"exponents beyond {MAX_EXPONENT} are not read; use exp and log")
        elif isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow):
            raise LossError("a power inside an exponent is not read; use exp and log")


def _known(names: Collection[str]) -> str:
    return f"known here: {', '.join(sorted(names))}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _without_abs(expression: Any) -> Any:
    """SymPy turns sqrt(u**2) into Abs(u), whose second derivative is no function."""
    import sympy

    return expression.replace(
        sympy.Abs, lambda u: sympy.Piecewise((u, u >= 0), (-u, True), evaluate=False)
    )


def _check_values(expression: Any, text: str) -> None:
    import sympy

    bad = (sympy.nan, sympy.zoo, sympy.oo, -sympy.oo, sympy.I)
    if expression.has(*bad):
        raise LossError(f"{_short(text)} is infinite or complex wherever it is evaluated")


class _Builder:
    """Turns a checked tree into SymPy, node by node."""

    def __init__(self, names: Mapping[str, Any], text: str) -> None:
        import sympy

        self.sympy = sympy
        self.names = {"pi": sympy.pi, **names}
        self.text = text
        self.functions: dict[str, Callable[..., Any]] = {
            **{name: getattr(sympy, name) for name in ELEMENTARY if name not in ("abs", "tanh")},
            **symbols(),
            "tanh": lambda x: symbols()["tanhhalf"](2 * x),
            "abs": lambda x: self.piecewise(x >= 0, x, -x),
            "max": lambda a, b: self.piecewise(a >= b, a, b),
            "min": lambda a, b: self.piecewise(a <= b, a, b),
        }

    def piecewise(self, test: Any, yes: Any, no: Any) -> Any:
        return self.sympy.Piecewise((yes, test), (no, True))

    def build(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return self.sympy.Rational(repr(value))
            case ast.Name(id=name):
                return self.names[name]
            case ast.UnaryOp(op=op, operand=operand):
                return -self.build(operand) if isinstance(op, ast.USub) else self.build(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(op, self.build(left), self.build(right))
            case ast.Call(func=ast.Name(id="where"), args=[ast.Compare() as test, yes, no]):
                return self.piecewise(self.condition(test), self.build(yes), self.build(no))
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.functions[name](*map(self.build, args))
        raise LossError(f"{type(node).__name__} is not allowed in a loss")

    def binary(self, op: ast.operator, a: Any, b: Any) -> Any:
        match op:
            case ast.Add():
                return a + b
            case ast.Sub():
                return a - b
            case ast.Mult():
                return a * b
            case ast.Div():
                return a / b
        if b.is_number and abs(b) > MAX_EXPONENT:
            raise LossError(f"exponents beyond {MAX_EXPONENT} are not read; use exp and log")
        return a**b

    def condition(self, test: ast.Compare) -> Any:
        a, b = self.build(test.left), self.build(test.comparators[0])
        relations = {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}
        return relations[_COMPARE[type(test.ops[0])]]
