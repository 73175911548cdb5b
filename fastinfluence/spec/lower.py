"""SymPy expressions lowered to the steps of a pointwise program."""

from collections.abc import Iterable
from functools import reduce
from typing import Any

from fastinfluence.errors import LossError
from fastinfluence.kernels.program import OPS, Builder

_RELATIONS = {
    "StrictLessThan": "lt",
    "LessThan": "le",
    "StrictGreaterThan": "gt",
    "GreaterThan": "ge",
}
_UNBOUNDED = frozenset({"exp", "expm1", "cosh", "sinh", "log", "log1p", "log1mexp", "bose"})
_JUNCTIONS = {"And": "and", "Or": "or"}


class Lowering:
    """Writes expressions into one :class:`Builder`, sharing equal parts between them."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.done: dict[Any, str] = {}

    def operand(self, e: Any) -> str:
        """Operand that holds the value of an expression."""
        if e not in self.done:
            self.done[e] = self._lower(e)
        return self.done[e]

    def _lower(self, e: Any) -> str:
        if e.is_Symbol:
            return str(e.name)
        if e.is_number:
            return _number(e)
        if e.is_Add:
            return self._add(e)
        if e.is_Mul:
            return self._mul(e)
        if e.is_Pow:
            return self._pow(e)
        if e.is_Piecewise:
            return self._piecewise(e)
        return self._call(e)

    def _call(self, e: Any) -> str:
        name = type(e).__name__
        args = [self.operand(a) for a in e.args]
        if name in _RELATIONS:
            return self.builder.emit(_RELATIONS[name], *args)
        if name in _JUNCTIONS:
            return self._chain(_JUNCTIONS[name], args)
        if name == "ITE":
            test, yes, no = args
            other = self.builder.emit("and", self.builder.emit("not", test), no)
            return self.builder.emit("or", self.builder.emit("and", test, yes), other)
        if name == "Abs":
            return self.builder.emit("abs", *args)
        if name == "sign":
            return self._sign(args[0])
        if OPS.get(name.lower() if name == "Not" else name) != len(args):
            raise LossError(f"{name} has no compiled form; rewrite the loss without it")
        return self.builder.emit(name.lower() if name == "Not" else name, *args)

    def _sign(self, x: str) -> str:
        emit = self.builder.emit
        negative = emit("where", emit("lt", x, "0.0"), "-1.0", "0.0")
        return emit("where", emit("gt", x, "0.0"), "1.0", negative)

    def _chain(self, op: str, operands: Iterable[str]) -> str:
        return reduce(lambda a, b: self.builder.emit(op, a, b), operands)

    def _add(self, e: Any) -> str:
        """Positive terms first, so that negative ones become subtractions.

        Terms of parameters alone are summed apart: 1/2 - tau must not pass through f.
        """
        fixed = [t for t in e.args if not {"f", "y"} & {s.name for s in t.free_symbols}]
        if 1 < len(fixed) < len(e.args):
            moving = e.func(*(t for t in e.args if t not in fixed))
            return self.builder.emit("add", self.operand(moving), self.operand(e.func(*fixed)))
        plus: list[Any] = []
        minus: list[Any] = []
        for term in _ordered(e.args):
            (minus if term.could_extract_minus_sign() else plus).append(term)
        if not plus:
            return self.builder.emit("neg", self.operand(-e))
        total = self._chain("add", map(self.operand, plus))
        for term in minus:
            total = self.builder.emit("sub", total, self.operand(-term))
        return total

    def _mul(self, e: Any) -> str:
        if e.could_extract_minus_sign():
            return self.builder.emit("neg", self.operand(-e))
        label, rest = _split(e)
        if label is None:
            return self._product(e.args)
        return self.builder.emit("zmul", self.operand(label), self.operand(rest))

    def _product(self, factors: Iterable[Any]) -> str:
        over = [x for x in _ordered(factors) if not _is_inverse(x)]
        under = [1 / x for x in _ordered(factors) if _is_inverse(x)]
        top = self._chain("mul", map(self.operand, over)) if over else "1.0"
        if not under:
            return top
        return self.builder.emit("div", top, self._chain("mul", map(self.operand, under)))

    def _pow(self, e: Any) -> str:
        base, exponent = e.args
        if _is_inverse(e):
            return self.builder.emit("div", "1.0", self.operand(1 / e))
        if exponent.is_Integer and exponent <= 64:
            return self._power(self.operand(base), int(exponent))
        if exponent.is_Rational and exponent.q == 2 and exponent <= 32:
            root = self.builder.emit("sqrt", self.operand(base))
            whole = int(exponent.p) // 2
            if not whole:
                return root
            return self.builder.emit("mul", self._power(self.operand(base), whole), root)
        return self.builder.emit("pow", self.operand(base), self.operand(exponent))

    def _power(self, base: str, n: int) -> str:
        if n == 1:
            return base
        half = self._power(base, n // 2)
        square = self.builder.emit("mul", half, half)
        return self.builder.emit("mul", square, base) if n % 2 else square

    def _piecewise(self, e: Any) -> str:
        import sympy

        *cases, (last, final) = e.args
        if final != sympy.true:
            raise LossError("a piecewise loss must say what it is everywhere")
        value = self.operand(last)
        for branch, test in reversed(cases):
            value = self.builder.emit("where", self.operand(test), self.operand(branch), value)
        return value


def _ordered(args: Iterable[Any]) -> list[Any]:
    from sympy import default_sort_key

    return sorted(args, key=default_sort_key)


def _number(e: Any) -> str:
    if not e.is_real:
        raise LossError(f"the loss holds the constant {e}, which is not real")
    try:
        value = float(e)
    except OverflowError:
        value = float("inf")
    if value in (float("inf"), float("-inf")):
        raise LossError("the loss holds a constant beyond the range of float64; rescale it")
    return repr(value)


def _is_inverse(e: Any) -> bool:
    return bool(e.is_Pow and e.exp.is_number and e.exp.is_negative)


def _split(e: Any) -> tuple[Any, Any] | tuple[None, None]:
    """Factors free of f that can be 0 at some label, and the rest, which may overflow.

    Their product must be 0 where the label factor is, also when the rest is infinite: the label 0
    switches a term off however large it is.
    """
    inner = [x for x in e.args if any(s.name == "f" for s in x.free_symbols)]
    outer = [x for x in e.args if x not in inner]
    label = [x for x in outer if _can_vanish(x)]
    if not label or not any(map(_can_overflow, inner)):
        return None, None
    return e.func(*label), e.func(*inner, *(x for x in outer if x not in label))


def _can_vanish(x: Any) -> bool:
    return any(s.name == "y" for s in x.free_symbols) and not x.is_nonzero


def _can_overflow(x: Any) -> bool:
    """Whether a factor may be infinite for a moderate f; the other functions stay finite."""
    import sympy

    nodes = list(sympy.preorder_traversal(x))
    return any(type(n).__name__ in _UNBOUNDED or _is_inverse(n) for n in nodes)
