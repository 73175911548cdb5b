"""Scalar functions of ``kernels/cpu/atoms.py`` as CUDA C, translated from their Python source.

So there is one definition of each. What is understood is what that file uses: assignments, `if`,
`for` over `range`, `return`; arithmetic, comparisons, conditional expressions; calls of `math`,
`abs`, `max`, `int`, of one another; and NumPy's views between float64 and int64. Anything else
raises LossError, so that an addition to the file cannot print as something it is not.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fastinfluence.errors import LossError

BINARY: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.LShift: "<<",
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==",
}  # fmt: skip
CALLS = {
    "abs": "fabs",
    "max": "larger",
    "min": "smaller",
    "int": "(Int)",
    "np.int64": "(Int)",
    "np.float64": "",
}
CALLS |= {f"math.{name}": name for name in ("exp", "expm1", "log", "log1p", "sqrt", "copysign")}
CALLS |= {f"math.{name}": name for name in ("sin", "cos", "atan", "sinh", "cosh", "tanh")}
CALLS |= {f"math.{name}": name for name in ("erf", "erfc")}
VIEWS = {"np.int64": "__double_as_longlong", "np.float64": "__longlong_as_double"}

PRELUDE = """\
static __device__ double larger(double a, double b) { return b > a ? b : a; }
static __device__ double smaller(double a, double b) { return b < a ? b : a; }
"""


class Function(NamedTuple):
    """One function printed, and those of its file that it calls."""

    text: str
    callees: list[str]


def functions(python: str) -> dict[str, Function]:
    """Every function of a file of Python scalar functions, by name, in the file's order."""
    nodes = [node for node in ast.parse(python).body if isinstance(node, ast.FunctionDef)]
    known = {node.name for node in nodes}
    return {node.name: _function(node, known) for node in nodes}


def needed(wanted: list[str], have: Mapping[str, Function]) -> list[str]:
    """Names of the functions wanted and of all that they call, callees first."""
    out: list[str] = []
    for name in wanted:
        below = needed(have[name].callees, have)
        out += [callee for callee in [*below, name] if callee not in out]
    return out


def _function(node: ast.FunctionDef, known: set[str]) -> Function:
    arguments = [arg.arg for arg in node.args.args]
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    integers = set(_integers(node))
    local = dict.fromkeys(
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    )
    declared = [
        f"    {'Int' if name in integers else 'double'} {name};"
        for name in local
        if name not in arguments
    ]
    head = ", ".join(f"double {name}" for name in arguments)
    lines = [line for statement in body for line in _statement(statement)]
    text = "\n".join(
        [f"static __device__ double {node.name}({head})", "{", *declared]
        + [f"    {line}" for line in lines]
        + ["}"]
    )
    calls = (
        n.func.id
        for n in ast.walk(node)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in known
    )
    return Function(text, list(dict.fromkeys(calls)))


def _integers(function: ast.FunctionDef) -> Iterator[str]:
    """Names of whole numbers: counters of loops, and shifted bit patterns."""
    for node in ast.walk(function):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            yield node.target.id
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, ast.BinOp) and isinstance(value.op, ast.LShift):
                yield node.targets[0].id


def _statement(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Return) and node.value is not None:
        yield f"return {_print(node.value)};"
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        yield f"{node.targets[0].id} = {_print(node.value)};"
    elif isinstance(node, ast.If) and not node.orelse:
        yield f"if ({_print(node.test)}) {{"
        yield from _block(node.body)
    elif isinstance(node, ast.For) and isinstance(node.target, ast.Name):
        yield _loop(node.target.id, node.iter)
        yield from _block(node.body)
    else:
        raise _unknown(node)


def _block(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        for line in _statement(statement):
            yield f"    {line}"
    yield "}"


def _loop(name: str, node: ast.expr) -> str:
    """The head of a loop over ``range(start, stop, -step)``."""
    if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "range"):
        raise _unknown(node)
    if len(node.args) != 3 or not (step := _integer(node.args[2])).startswith("-"):
        raise _unknown(node)
    start, stop = (_integer(a) for a in node.args[:2])
    return f"for ({name} = {start}; {name} > {stop}; {name} += {step}) {{"


def _integer(node: ast.expr) -> str:
    """An expression inside `range`, where literals are whole numbers."""
    if isinstance(node, ast.BinOp):
        return f"({_integer(node.left)} {BINARY[type(node.op)]} {_integer(node.right)})"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"-{_integer(node.operand)}"
    if isinstance(node, ast.Constant):
        return str(node.value)
    return f"(Int){_print(node)}" if isinstance(node, ast.Name) else _print(node)


def _print(node: ast.expr) -> str:
    """An expression, in parentheses wherever it has parts."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return repr(float(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"(-{_print(node.operand)})"
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        return _binary(node.left, node.op, node.right)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _binary(node.left, node.ops[0], node.comparators[0])
    if isinstance(node, ast.IfExp):
        return f"({_print(node.test)} ? {_print(node.body)} : {_print(node.orelse)})"
    if isinstance(node, ast.Call):
        return _call(node)
    raise _unknown(node)


def _binary(left: ast.expr, op: ast.AST, right: ast.expr) -> str:
    return f"({_print(left)} {BINARY[type(op)]} {_print(right)})"


def _call(node: ast.Call) -> str:
    """``f(x)``, or ``np.float64(x).view(np.int64)``, the bits of x."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "view":
        if not isinstance(node.func.value, ast.Call):
            raise _unknown(node)
        inner = node.func.value.args[0]
        return f"{VIEWS[ast.unparse(node.args[0])]}({_print(inner)})"
    name = ast.unparse(node.func)
    if name == "np.int64" and isinstance(node.args[0], ast.Constant):
        return f"{node.args[0].value!r}LL"
    printed = ", ".join(_print(a) for a in node.args)
    if isinstance(node.func, ast.Name) and name not in CALLS:
        return f"{name}({printed})"
    if name not in CALLS:
        raise _unknown(node)
    return f"{CALLS[name]}({printed})"


def _unknown(node: ast.AST) -> LossError:
    return LossError(f"no CUDA for {ast.unparse(node)!r}, line {getattr(node, 'lineno', '?')}")
