"""Rewriting into stable atoms, before anything is differentiated.

SymPy's derivative of log(1 + e^f) overflows at f = 710 and is 0 too early on the other side. Each
rule below replaces an elementary form by an atom that keeps its digits everywhere.
"""

from typing import Any

from fastinfluence.spec.atoms import symbols


def stabilise(expression: Any) -> Any:
    """The same function of f and y, written in atoms wherever a rule applies."""
    import sympy

    for _ in range(3):  # a rewritten part may let its parent match
        before = expression
        expression = expression.replace(sympy.log, log_rule)
        expression = expression.replace(symbols()["log1p"], lambda u: log_rule(1 + u))
        expression = expression.replace(sympy.Pow, pow_rule)
        expression = expression.replace(sympy.Mul, mul_rule)
        expression = expression.replace(sympy.Add, add_rule)
        if expression == before:
            break
    return expression


def reflect(expression: Any) -> Any:
    """softplus(-u) = softplus(u) - u and sigmoid(-u) = 1 - sigmoid(u), so that terms may meet."""
    atoms = symbols()
    softplus, sigmoid = atoms["softplus"], atoms["sigmoid"]
    expression = expression.replace(
        softplus, lambda u: softplus(-u) + u if u.could_extract_minus_sign() else softplus(u)
    )
    return expression.replace(
        sigmoid, lambda u: 1 - sigmoid(-u) if u.could_extract_minus_sign() else sigmoid(u)
    )


def log_rule(a: Any) -> Any:
    """Logarithm of sums with exponentials, of sigmoid, softplus, cosh and the normal integral."""
    import sympy

    at, log = symbols(), sympy.log
    if a.is_Mul:
        loose = [x for x in a.args if isinstance(x, sympy.exp)]
        rest = a.func(*(x for x in a.args if x not in loose))
        if loose and rest.is_positive:
            return sum(x.args[0] for x in loose) + log_rule(rest)
    for outer, inner, sign in (("softplus", "logsoftplus", 1), ("ndtr", "log_ndtr", 1)):
        if isinstance(a, at[outer]):
            return at[inner](sign * a.args[0])
    if isinstance(a, at["sigmoid"]):
        return -at["softplus"](-a.args[0])
    if isinstance(a, sympy.cosh):
        return at["logcosh"](a.args[0])
    if a.has(at["erf"], at["erfc"]):
        return _log_erf(a)
    if isinstance(a, at["expm1"] | sympy.exp) or not _sum(a, at):
        return log(a)
    return _log_sum(_sum(a, at))


def _sum(a: Any, at: Any) -> Any:
    """The argument as an expanded sum with -expm1 written out, or None."""
    if isinstance(-a, at["expm1"]):
        import sympy

        return 1 - sympy.exp((-a).args[0])
    expanded = a.expand()
    return expanded if expanded.is_Add else None


def _log_erf(a: Any) -> Any:
    import sympy

    at, w = symbols(), sympy.Wild("w")
    erf, erfc = at["erf"](w), at["erfc"](w)
    for pattern, sign in (((1 + erf) / 2, 1), ((1 - erf) / 2, -1), (erfc / 2, -1)):
        match = a.expand().match(pattern.expand())
        if match:
            return at["log_ndtr"](sign * sympy.sqrt(2) * match[w])
    return sympy.log(a)


def _log_sum(a: Any) -> Any:
    import sympy

    at, log = symbols(), sympy.log
    powers = [_exponential(t) for t in a.args]
    found = [p for p in powers if p is not None]
    rest = a - sum(k * sympy.exp(w) for k, w in found)
    if len(found) == 2 and rest == 0 and all(k.is_positive for k, _ in found):
        (k1, w1), (k2, w2) = found
        return w2 + log(k2) + at["softplus"](w1 - w2 + log(k1) - log(k2))
    if len(found) == 1 and rest.is_positive:
        k, w = found[0]
        if k.is_positive:
            return log(rest) + at["softplus"](w + log(k) - log(rest))
        if k == -1 and rest == 1:
            return _log_complement(w)
    if sympy.S.One in a.args:
        return at["log1p"](a - 1)
    return log(a)


def _log_complement(w: Any) -> Any:
    """log(1 - e^w)."""
    import sympy

    at = symbols()
    if isinstance(-w, sympy.exp):
        return at["cloglog"]((-w).args[0])
    return at["log1mexp"](w) if w.is_negative else sympy.log(-at["expm1"](w))


def _exponential(term: Any) -> Any:
    """(k, w) of k e^w with k free of exponentials, or None."""
    import sympy

    factors = [x for x in sympy.Mul.make_args(term) if isinstance(x, sympy.exp)]
    if len(factors) != 1:
        return None
    k = term / factors[0]
    return None if k.has(sympy.exp) else (k, factors[0].args[0])


def pow_rule(base: Any, exponent: Any) -> Any:
    """1/(c + k e^w) as a sigmoid."""
    import sympy

    if exponent.is_Integer and exponent.is_negative and base.is_Add and len(base.args) == 2:
        parts = [_exponential(t) for t in base.args]
        if sum(p is not None for p in parts) == 1:
            k, w = next(p for p in parts if p is not None)
            c = base - k * sympy.exp(w)
            if k.is_positive and c.is_positive:
                shifted = w + sympy.log(k) - sympy.log(c)
                return (symbols()["sigmoid"](-shifted) / c) ** (-exponent)
    return base**exponent


def mul_rule(*factors: Any) -> Any:
    """Product with its exponentials merged, and merged into sigmoids: infinity times 0 otherwise.

    e^a e^b = e^(a+b);  e^a sigmoid(-a-c) = e^-c sigmoid(a+c);  e^a dsigmoid(a+c) = e^-c
    sigmoid(a+c)^2;  softplus(u) e^(k logsoftplus(u)) = e^((k+1) logsoftplus(u)).
    """
    import sympy

    if not any(isinstance(x, sympy.exp) for x in factors):
        return sympy.Mul(*factors)
    rest = [x for x in factors if not isinstance(x, sympy.exp)]
    total = collected(sum(x.args[0] for x in factors if isinstance(x, sympy.exp)))
    for k, x in enumerate(rest):
        merged = _absorb(total, x)
        if merged is not None:
            rest[k], total = merged
            total = collected(total)
    return sympy.Mul(*rest, sympy.exp(total))


def _absorb(a: Any, factor: Any) -> tuple[Any, Any] | None:
    """``factor * e^a`` as (factor, exponent) with f gone from the exponent, or None."""
    at = symbols()
    if isinstance(factor, at["sigmoid"]):
        u = factor.args[0]
        return (at["sigmoid"](-u), a + u) if _is_fixed(a + u) else None
    if isinstance(factor, at["softplus"]):
        log = at["logsoftplus"](factor.args[0])
        return (factor / factor, a + log) if a.has(log) else None
    if isinstance(factor, at["dsigmoid"]):
        u = factor.args[0]
        for sign in (1, -1):
            if _is_fixed(a - sign * u):
                return at["sigmoid"](sign * u) ** 2, a - sign * u
    return None


def _is_fixed(exponent: Any) -> bool:
    return not any(s.name in ("f", "y", "x") for s in exponent.expand().free_symbols)


def collected(e: Any) -> Any:
    """A sum with the terms in f together, so that equal exponents look equal."""
    import sympy

    by = [s for s in e.free_symbols if s.name == "f"]
    return sympy.collect(e.expand(), by) if by else e.expand()


def add_rule(*terms: Any) -> Any:
    """Differences from one (sqrt, exp, sigmoid, Phi), and log Phi(u) - log Phi(-u)."""
    import sympy

    at = symbols()
    for term in (t for t in terms if isinstance(t, at["log_ndtr"])):
        other = -at["log_ndtr"](-term.args[0])
        if other in terms:
            odds = at["logit_ndtr"](term.args[0])
            return sympy.Add(odds, *(t for t in terms if t not in (term, other)))
    one = next((t for t in terms if t in (1, -1)), None)
    if one is None:
        return sympy.Add(*terms)
    for term in terms:
        merged = _with_one(one, term, at)
        if merged is not None:
            return sympy.Add(merged, *(t for t in terms if t is not term and t is not one))
    return sympy.Add(*terms)


def _with_one(one: Any, term: Any, at: Any) -> Any:
    """``one + term`` as an atom, or None."""
    import sympy

    inner = -one * term  # one + term = one * (1 - inner)
    if isinstance(inner, at["sigmoid"] | at["ndtr"]):
        return one * type(inner)(-inner.args[0])
    if isinstance(inner, sympy.exp):
        return -one * at["expm1"](inner.args[0])
    if isinstance(-inner, at["expm1"]):
        return one * sympy.exp((-inner).args[0])
    root = inner.is_Pow and inner.exp == sympy.S.Half and inner.base.is_Add
    if root and sympy.S.One in inner.base.args:
        return -one * at["sqrt1pm1"](inner.base - 1)
    return None
