"""The places of a module where a small mistake can be made."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

SWAPPED: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
Change = tuple[str, Callable[[], None]]


def changes(node: ast.AST) -> Iterator[Change]:
    """What can be changed in a node itself, each with a word on it."""
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPPED:
        new = SWAPPED[type(node.op)]
        yield f"{type(node.op).__name__} → {new.__name__}", lambda: setattr(node, "op", new())
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        other = SWAPPED[type(node.ops[0])]
        told = f"{type(node.ops[0]).__name__} → {other.__name__}"
        yield told, lambda: node.ops.__setitem__(0, other())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        told = "−x → x" if isinstance(node.op, ast.USub) else "not x → x"
        yield told, lambda: _drop_operator(node)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        new_value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield f"{node.value} → {new_value}", lambda: setattr(node, "value", new_value)
    elif isinstance(node, ast.IfExp):
        yield "the other branch", lambda: _exchange(node)


def _exchange(node: ast.IfExp) -> None:
    node.body, node.orelse = node.orelse, node.body


def _drop_operator(node: ast.UnaryOp) -> None:
    """−x → +x; not x → not not x."""
    if isinstance(node.op, ast.USub):
        node.op = ast.UAdd()
    else:
        node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)


def places(tree: ast.Module) -> list[tuple[ast.AST, Change]]:
    """Every change in the bodies of functions, annotations and texts apart."""
    found = []
    for function in _functions(tree):
        for node in _inside(function):
            found += [(node, change) for change in changes(node)]
    return found


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    outer = [tree.body]
    while outer:
        for node in outer.pop():
            if isinstance(node, ast.FunctionDef):
                yield node
            elif isinstance(node, ast.ClassDef):
                outer.append(node.body)


def _inside(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Nodes of the body; what only serves types and messages is left out."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert) or (
            isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("warn", "cast")
        ):
            continue
        yield node
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            waiting += [v for v in (value if isinstance(value, list) else [value])
                        if isinstance(v, ast.AST)]  # fmt: skip
