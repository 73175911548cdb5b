"""Hostile versions of good inputs: of bytes, of JSON documents, of lines of text."""

import copy
import json
import random
from typing import Any

BYTES = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b'"',
    b"\n",
    b"\r",
    b",",
    b"NaN",
    b"-1e999",
    b"PAR1",
)
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, -1e-308, float("nan"),
           float("inf"), float("-inf"))  # fmt: skip
LEAVES = (None, True, False, "", "x", "é\u202e\x00", "../../etc/passwd", "__class__", "9" * 400,
          [], {}, [[]], {"": None}, [None], "NaN", "inf", "f", "__import__('os').system('true')",
          *NUMBERS)  # fmt: skip
PIECES = (
    "f", "y", "a", "b", "pi", "0", "1", "2", "0.5", "1e300", "1e-300", "1e15", "16", "1j", "True",
    "+", "-", "*", "/", "**", "^", "%", "//", "@", "(", ")", ",", " ", "<", "<=", ">", ">=", "==",
    "exp", "log", "sqrt", "abs", "tanh", "sinh", "cosh", "atan", "sin", "cos", "min", "max",
    "where", "softplus", "sigmoid", "logcosh", "log1p", "expm1", "(", ")", "[", "]", "{", "}",
    "lambda", ":", ":=", ".", "__class__", "__import__", "'os'", "eval", "exec", "f'{f}'", "if",
    "else", "for", "in", "not", "and", "or", "yield", "await", "*", "**", "#", "\\", "\n", "\t",
    "\x00", "é", "ﬀ", "𝑓", "\u202e", "9" * 50, "(" * 60, "-" * 80, "import", "print", "=", ";",
)  # fmt: skip
WORDS = (
    "f", "y", "a", "2", "0.5", "1e-3", "3", "(y - f)", "exp(f)", "softplus(-y*f)", "log(1 + f**2)",
    "abs(f - y)", "max(f, 0)", "where(f > y, f - y, a*(y - f))", "sqrt(1 + (f - y)**2)", "pi",
    "tanh(f)", "cos(y)", "min(f, y)", "f**2",
)  # fmt: skip


def some_bytes(good: bytes, rng: random.Random) -> bytes:
    """Good bytes with a few changes, or cut off."""
    out = bytearray(good)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(6)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at:at] = rng.choice(BYTES)
        elif kind == 2:
            del out[at : at + rng.choice((1, 2, 8, 64))]
        elif kind == 3:
            out[at:at] = out[at : at + rng.choice((1, 4, 32, 256))]
        elif kind == 4:
            out[at : at + 4] = rng.randbytes(4)
        elif rng.random() < 0.3:
            del out[at:]
    return bytes(out)


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of every node."""
    own = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree if isinstance(tree, list) else ())
    )
    return [path, *(place for key, value in own for place in _places(value, (*path, key)))]


def a_document(good: Any, rng: random.Random) -> Any:
    """A good JSON document with a few nodes replaced, dropped, doubled or renamed."""
    out = copy.deepcopy(good)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        path = rng.choice(_places(out))
        if not path:
            if rng.random() < 0.02:
                return rng.choice(LEAVES)
            continue
        parent = out
        for key in path[:-1]:
            parent = parent[key]
        key, kind = path[-1], rng.randrange(7)
        if kind < 4:
            parent[key] = copy.deepcopy(rng.choice(LEAVES))
        elif kind == 4:
            del parent[key]
        elif isinstance(parent, list):
            parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(parent[key]))
        else:
            parent[rng.choice(("extra", "__init__", str(key).upper()))] = parent.pop(key)
    return out


def json_bytes(good: Any, rng: random.Random) -> bytes:
    """A hostile document as text, itself damaged now and then."""
    text = json.dumps(a_document(good, rng)).encode()
    return some_bytes(text, rng) if rng.random() < 0.2 else text


def an_expression(rng: random.Random) -> str:
    """Text that may be a loss: grown by rules, of loose pieces, or grown and then damaged."""
    kind = rng.random()
    if kind < 0.4:
        return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 14)))
    text = _grown(rng, 3)
    return text if kind < 0.7 else some_bytes(text.encode(), rng).decode("utf-8", "replace")


def _grown(rng: random.Random, depth: int) -> str:
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(WORDS)
    left, right = _grown(rng, depth - 1), _grown(rng, depth - 1)
    kind = rng.randrange(6)
    if kind == 4:
        return f"{rng.choice(('exp', 'log', 'sqrt', 'tanh', 'abs', 'atan'))}({left})"
    if kind == 5:
        return f"({left})**{rng.choice(('2', '-1', '0.5', 'a', '17', right))}"
    return f"({left} {'+-*/'[kind]} {right})"
