"""Stable functions: every table knows each of them, and each keeps its digits."""

import mpmath
import numpy as np
import pytest

from fastinfluence.kernels import printers
from fastinfluence.kernels.program import OPS, Builder
from fastinfluence.spec.atoms import ATOMS, definition, symbols
from fastinfluence.spec.measure import interpret

STABLE = [name for name, atom in ATOMS.items() if atom.definition]
X = (-800.0, -300.0, -40.0, -9.0, -4.1, -2.0, -1.99, -0.7, -0.31, -1e-3, -1e-9)
X += (*(-x for x in X), 0.0, 0.25, 1.5)


def computed(name, x):
    builder = Builder()
    program = builder.finish(name, (), {"value": builder.emit(name, "f")})
    return float(interpret(program)(x, 0.0)[0])


@pytest.mark.parametrize("name", STABLE)
def test_atoms_against_their_definition(name):
    import sympy

    x = sympy.Symbol("x", real=True)
    exact = definition(name)
    call, slope = (sympy.lambdify(x, e, modules="mpmath") for e in (exact, exact.diff(x)))
    low, high = ATOMS[name].domain
    for value in (v for v in X if low < v < high):
        with mpmath.workdps(1100):
            truth, steep = call(mpmath.mpf(value)), slope(mpmath.mpf(value))
        got = computed(name, value)
        assert not np.isnan(got), value
        if abs(truth) < 1e-307 or abs(truth) > 1e308:
            assert abs(got) < 1e-307 or abs(got) > 1e308
        else:
            assert abs(got - truth) <= 2e-14 * (abs(truth) + abs(value * steep)), value


@pytest.mark.parametrize("name", [name for name in STABLE if ATOMS[name].derivative])
def test_derivative_rule_is_the_derivative_of_the_definition(name):
    import sympy

    from fastinfluence.spec.atoms import expand_definitions
    from fastinfluence.spec.parse import parse

    x = sympy.Symbol("x", real=True)
    rule = expand_definitions(parse(ATOMS[name].derivative, ("x",)))
    call = sympy.lambdify(x, [rule, definition(name).diff(x)], modules="mpmath")
    for value in (-1.3, -0.2):
        with mpmath.workdps(40):
            left, right = call(mpmath.mpf(value))
        assert abs(left - right) < 1e-30 * (1 + abs(left))


def test_every_atom_is_an_operation_with_a_printed_form():
    assert set(symbols()) <= set(OPS)
    assert set(printers.NUMBA) == set(OPS)
    for name in STABLE:
        if name not in ("log1p", "expm1"):
            assert f"atom_{name}" in printers._functions()
