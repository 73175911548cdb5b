"""Pointwise programs printed as CUDA C, held against the CPU's to the last digits."""

import sys
from pathlib import Path

import numpy as np
import pytest
from cuda import host_module

from fastinfluence.errors import InputError, LossError
from fastinfluence.kernels import printers, translate
from fastinfluence.kernels.cpu import pointwise as cpu
from fastinfluence.kernels.cuda import pointwise
from fastinfluence.kernels.program import OPS, Builder, PointwiseProgram, Step
from fastinfluence.spec import activations, losses

on_host = host_module.on_host

RNG = np.random.default_rng(5)
SIZES = np.concatenate([
    [0.0, 1e-300, 1e-12, 0.2499, 0.25, 0.5, np.log(2), 1.0, 2.0, 36.7, 709.7, 745.2, 800.0],
    10.0 ** RNG.uniform(-8, 0, 60), RNG.uniform(0, 40, 150), RNG.uniform(0, 800, 150),
])  # fmt: skip
F = np.concatenate([SIZES, -SIZES])
CHOSEN = ["logistic", "probit", "cloglog", "poisson", "negative_binomial", "huber", "smooth_hinge"]
CHOSEN += ["smooth_quantile", "squared_hinge"]
SAMPLES = {sample.loss.name: sample for sample in losses.registry()}


def everything() -> PointwiseProgram:
    """Return a program of every operation; logical ones work on comparisons, as in any loss."""
    builder = Builder()
    left, right = builder.emit("lt", "f", "y"), builder.emit("gt", "f", "-2.0")
    args = {"and": (left, right), "or": (left, right), "not": (left,), "where": (left, "f", "y")}
    plain = ("f", "y", "0.75")
    outputs = {op: builder.emit(op, *args.get(op, plain[:n])) for op, n in OPS.items()}
    return builder.finish("everything", (), outputs)


def agree(program, params, f, y, outputs=None):
    """Check that every output is the same number on both backends, or the same infinity."""
    outputs = tuple(program.outputs) if outputs is None else outputs
    with np.errstate(all="ignore"):
        found = pointwise.evaluate(program, params, f, y, outputs)
        expected = cpu.evaluate(program, params, f, y, outputs)
    for name, got, right in zip(outputs, found, expected, strict=True):
        assert got.dtype == right.dtype
        assert got.shape == right.shape
        np.testing.assert_allclose(got, right, rtol=1e-13, atol=0, err_msg=name)


@pytest.mark.usefixtures("on_host")
@pytest.mark.parametrize("y", [0.0, 1.3])
def test_every_operation(y):
    agree(everything(), np.zeros(0), F, np.full(len(F), y))


def test_fused_products(monkeypatch):
    """NVRTC contracts a*b + c into one operation; the digits that cancel then are others."""
    info = Path("/proc/cpuinfo")
    if not info.exists() or " fma " not in info.read_text() or host_module.compiler() is None:
        pytest.skip("needs g++ and an x86 processor with fused multiply-add, under Linux")
    fused = ["-ffp-contract=fast" if "contract" in flag else flag for flag in host_module.FLAGS]
    monkeypatch.setattr(host_module, "FLAGS", [*fused, "-O2", "-mfma"])
    monkeypatch.setitem(sys.modules, "cupy", host_module.stand_in())
    agree(everything(), np.zeros(0), F, np.full(len(F), 1.3))


@pytest.mark.usefixtures("on_host")
@pytest.mark.parametrize("name", CHOSEN)
def test_losses(name):
    sample = SAMPLES[name]
    f = np.concatenate([F, np.array(sample.f)])
    y = np.resize(np.array(sample.y, dtype=float), len(f))
    agree(sample.loss.program, sample.loss.param_values, f, y)


@pytest.mark.usefixtures("on_host")
@pytest.mark.parametrize("name", ["tanh", "gelu"])
def test_activations(name):
    activation = activations.make(name)
    agree(activation.program, activation.param_values, F, np.zeros(len(F)))


@pytest.mark.usefixtures("on_host")
@pytest.mark.parametrize("shape", [(0,), (1,), (5, 3), (0, 3), (300, 2)])
@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("label", [np.float32, np.float64])
def test_shapes_and_types(shape, real, label):
    loss = losses.huber(delta=1.0)
    f, y = RNG.normal(size=shape).astype(real), RNG.normal(size=shape[0]).astype(label)
    agree(loss.program, loss.param_values, f, y, ("d1", "value"))


@pytest.mark.usefixtures("on_host")
def test_a_kernel_may_write_over_its_input():
    loss = losses.logistic()
    F1, y = RNG.normal(size=(9, 2)), np.ones(9)
    expected = loss.evaluate(F1, y)[0]
    pointwise.kernel(loss.program, ("value",))(F1, y, loss.param_values, F1)
    np.testing.assert_allclose(F1, expected, rtol=1e-14)


@pytest.mark.usefixtures("on_host")
def test_names_that_mean_something_in_c():
    """Parameters of a loss are any identifier of Python's."""
    steps = (Step("int", "mul", ("F", "double")), Step("n", "add", ("int", "θ")))
    program = PointwiseProgram('a "name" */ \n \\', ("double", "θ", "F"), steps, (("value", "n"),))
    params, f = np.array([2.0, 3.0, 5.0]), np.zeros(3)
    (found,) = pointwise.evaluate(program, params, f, f, ("value",))
    np.testing.assert_array_equal(found, 5.0 * 2.0 + 3.0)


@pytest.mark.usefixtures("on_host")
def test_wrong_shapes_are_refused():
    loss = losses.huber(delta=1.0)
    with pytest.raises(InputError, match="shapes"):
        pointwise.evaluate(loss.program, loss.param_values, np.ones(3), np.ones(4), ("value",))
    with pytest.raises(InputError, match="parameters"):
        pointwise.evaluate(loss.program, np.ones(3), np.ones(3), np.ones(3), ("value",))


def test_the_table_of_cuda_prints_every_operation():
    assert printers.CUDA.keys() == OPS.keys()


def test_a_wrong_table_is_seen(monkeypatch):
    """The comparison fails where one operation prints as another."""
    if host_module.compiler() is None:
        pytest.skip("g++ is not installed: it runs the CUDA kernels on the CPU")
    monkeypatch.setitem(sys.modules, "cupy", host_module.stand_in())
    monkeypatch.setitem(printers.CUDA, "expm1", "exp({0}) - 1.0")
    builder = Builder()
    program = builder.finish("wrong", (), {"value": builder.emit("expm1", "f")})
    with pytest.raises(AssertionError):
        agree(program, np.zeros(0), np.array([1e-9]), np.zeros(1))


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    while x > 1.0:\n        x = x - 1.0\n    return x",
        "def f(x):\n    return math.gamma(x)",
        "def f(x):\n    return x ** 2.0",
        "def f(x):\n    for k in range(3):\n        x = x + 1.0\n    return x",
        "def f(x):\n    if x > 0.0:\n        x = 1.0\n    else:\n        x = 2.0\n    return x",
        "def f(x):\n    return 0.0 < x < 1.0",
        "def f(x):\n    return x[0]",
    ],
)
def test_python_that_is_not_understood_is_refused(text):
    with pytest.raises(LossError, match="no CUDA for"):
        translate.functions(text)


def test_a_function_brings_those_it_calls():
    have = translate.functions(
        "def a(x):\n    return x\ndef b(x):\n    return a(x)\ndef c(x):\n    return b(a(x))"
    )
    assert translate.needed(["c"], have) == ["a", "b", "c"]
