"""Hostile and mistaken text is refused with LossError, whatever it is."""

import pytest

from fastinfluence.errors import LossError
from fastinfluence.spec.derive import derive
from fastinfluence.spec.line import Line
from fastinfluence.spec.parse import parse

NAMES = ("f", "y")

HOSTILE = {
    "import": "__import__('os').system('true')",
    "attribute": "f.__class__",
    "subscript": "f[0]",
    "lambda": "(lambda: f)()",
    "comprehension": "[f for f in y]",
    "walrus": "(f := 2)",
    "conditional": "f if y else 1",
    "string": "'a'*9",
    "fstring": "f'{f}'",
    "keyword": "exp(x=f)",
    "star": "max(*f)",
    "tower": "9**9**9*f",
    "tower in disguise": "9**(9*(9**9))*f",
    "large exponent": "f**1000000",
    "large constant": "1e300*f",
    "huge integer": "9" * 1500 + "*f",
    "infinite literal": "1e999*f",
    "complex": "1j*f",
    "boolean": "True*f",
    "comparison": "f < y",
    "chained comparison": "where(0 < f < 1, f, y)",
    "xor": "f^2",
    "modulo": "f % 2",
    "matrix": "f @ y",
    "two statements": "f; y",
    "assignment": "f = y",
    "empty": "",
    "newline": "f +\ny",
    "null": "f\x00",
    "unclosed": "exp(f",
    "unknown name": "g*f",
    "unknown function": "gamma(f)",
    "wrong arity": "exp(f, y)",
    "nested brackets": "(" * 900 + "f" + ")" * 900,
    "nested minus": "-" * 1900 + "f",
    "nested calls": "exp(" * 150 + "f" + ")" * 150,
    "long sum": "f+" * 900 + "f",
    "long": "f*" * 500_000 + "f",
    "no text": 3,
    "bytes": b"f",
    "none": None,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused(text):
    with pytest.raises(LossError):
        parse(text, NAMES)


def test_an_error_quotes_a_bounded_part_of_the_text():
    with pytest.raises(LossError) as caught:
        parse("f+" * 900 + "f", NAMES)
    assert len(str(caught.value)) < 200


def test_roots_of_squares_become_piecewise():
    assert not parse("sqrt((f-y)**2)", NAMES).atoms(__import__("sympy").Abs)


@pytest.mark.parametrize("text", ["cloglog3(f)", "log_ndtr3(f)", "logsoftplus2(f)"])
def test_atoms_past_their_last_derivative_are_refused(text):
    with pytest.raises(LossError, match="derivative"):
        derive("deep", Line(text, "real"))
