"""The exponential that vectorises, and what is made of it: to the last bits, at every size."""

import ast
import math

import mpmath
import numba
import numpy as np
import pytest

from fastinfluence.kernels import cache, printers
from fastinfluence.kernels.cpu import atoms, pointwise
from fastinfluence.kernels.program import Builder

RNG = np.random.default_rng(3)
SIZES = np.concatenate([
    [0.0, 5e-324, 1e-310, 1e-200, 708.3, 708.5, 740.0, 745.1, 745.2, 760.0, 800.0, 1e9, np.inf],
    0.5 * np.log(2) * np.arange(1, 200),  # where k changes, and beside it
    np.nextafter(0.5 * np.log(2) * np.arange(1, 200), 0.0),
    10.0 ** RNG.uniform(-300, -2, 300), 10.0 ** RNG.uniform(-3, 0, 1000), RNG.uniform(0, 40, 1500),
    RNG.uniform(0, 750, 500),
])  # fmt: skip
EXACT = {
    "decay": lambda a: mpmath.exp(-a),
    "decay_less_one": lambda a: mpmath.expm1(-a),
    "log1p_below_one": mpmath.log1p,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "dsigmoid": lambda x: mpmath.exp(-x) / (1 + mpmath.exp(-x)) ** 2,
    "tanhhalf": lambda x: mpmath.tanh(x / 2),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}
ULPS = {"decay": 2, "decay_less_one": 3, "log1p_below_one": 3}


def program_of(name):
    builder = Builder()
    return builder.finish(name, (), {"value": builder.emit(name, "f")})


def values(name, x):
    if name in ULPS:
        with np.errstate(invalid="ignore"):
            return np.array([float(getattr(atoms, name)(np.float64(v))) for v in x])
    return pointwise.evaluate(program_of(name), np.zeros(0), x, np.zeros(len(x)), ("value",))[0]


def in_ulps(name, x):
    found, worst = values(name, x), 0.0
    with mpmath.workdps(40):
        for v, got in zip(x, found, strict=True):
            truth = EXACT[name](mpmath.mpf(float(v)))
            unit = max(math.ulp(float(truth)), 5e-324)
            worst = max(worst, float(abs(mpmath.mpf(float(got)) - truth) / unit))
    return worst


@pytest.mark.parametrize("name", EXACT)
def test_last_bits(name):
    x = SIZES
    if name == "log1p_below_one":
        x = np.concatenate([SIZES[SIZES <= 1.0], [1.0]])
    elif name not in ULPS:
        x = np.concatenate([SIZES, -SIZES])
    assert in_ulps(name, x) <= ULPS.get(name, 8)


def test_a_wrong_coefficient_is_seen(monkeypatch):
    monkeypatch.setattr(atoms, "short_expm1", lambda r: np.expm1(r) * (1 + 1e-15))
    assert in_ulps("decay_less_one", SIZES) > 3


@pytest.mark.parametrize("name", ["sigmoid", "dsigmoid", "tanhhalf", "softplus"])
def test_nan_stays_nan_and_infinities_have_limits(name):
    low, high, bad = values(name, np.array([-np.inf, np.inf, np.nan]))
    limits = {"sigmoid": (0, 1), "dsigmoid": (0, 0), "tanhhalf": (-1, 1), "softplus": (0, np.inf)}
    assert (low, high) == limits[name]
    assert np.isnan(bad)


@pytest.mark.parametrize("name", ["sigmoid", "dsigmoid", "tanhhalf", "softplus"])
def test_loops_over_them_work_on_several_numbers(name):
    """No call is left in the loop, and the machine code multiplies vectors."""
    text = printers.numba_source(program_of(name), ("value",))
    assert not [
        n.func.attr
        for n in ast.walk(ast.parse(text))
        if isinstance(n, ast.Call)
        and isinstance(n.func, ast.Attribute)
        and n.func.attr in ("exp", "expm1", "log1p", "tanh")
    ]
    module = cache.load(text, name)
    for made, shape in ((module.kernel_table, (4, 64)), (module.kernel_rows, (64, 1))):
        kernel = numba.njit(nogil=True, error_model="numpy")(made.py_func)
        F = RNG.normal(size=shape)
        kernel(F, np.zeros(len(F)), np.zeros(0), np.empty_like(F))
        assert "fmul <" in kernel.inspect_llvm(kernel.signatures[0])
