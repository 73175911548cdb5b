"""Every built-in program against mpmath, in the scale and on the range the design states."""

import numpy as np
import pytest

from fastinfluence.errors import LossError
from fastinfluence.kernels.cpu.pointwise import evaluate
from fastinfluence.kernels.program import PointwiseProgram, Step
from fastinfluence.spec import families, losses
from fastinfluence.spec.check import check_accuracy, quick_points
from fastinfluence.spec.derive import differentiate, line_symbols, parse_line
from fastinfluence.spec.lower import Lowering
from fastinfluence.spec.measure import BOUND, reference, scaled_error

ROWS = [*losses.registry(), *families.registry()]
CORE = ("value", "d1", "d2", "d3", "value_y", "d1_y")


def grid(row):
    f, y = (a.ravel() for a in np.meshgrid(row.f, row.y))
    return np.ascontiguousarray(f), np.ascontiguousarray(y)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)
def test_compiled_program_keeps_its_digits(row):
    f, y = grid(row)
    outputs = tuple(row.loss.program.outputs)
    assert outputs[: len(CORE)] == CORE
    found = evaluate(row.loss.program, row.loss.param_values, f, y, outputs)
    truth = reference(row.loss.line_data, tuple(row.loss.params.values()))
    for k in range(len(f)):
        exact = truth.at(f[k], y[k])
        assert exact is not None, (f[k], y[k])
        for name, values in zip(outputs, found, strict=True):
            error = scaled_error(float(values[k]), *exact[name])
            assert error <= BOUND, (name, f[k], y[k], values[k], exact[name])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)
def test_float32_differs_by_the_rounding_of_its_storage_only(row):
    f, y = (a.astype(np.float32) for a in grid(row))
    keep = (f > row.loss.f_domain[0]) & (f < row.loss.f_domain[1])
    f, y = f[keep], y[keep]
    low = evaluate(row.loss.program, row.loss.param_values, f, y, CORE)
    wide = [a.astype(np.float64) for a in (f, y)]
    high = evaluate(row.loss.program, row.loss.param_values, *wide, CORE)
    for a, b in zip(low, high, strict=True):
        assert a.dtype == np.float32
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(a, b.astype(np.float32))


def wrong(program):
    """The same program with one sine too many in its first derivative."""
    result = dict(program.results)
    steps = (*program.steps, Step("slip", "sin", (result["d1"],)))
    return PointwiseProgram("wrong", program.params, steps, (("d1", "slip"),))


@pytest.mark.parametrize("row", losses.registry(), ids=lambda row: row.label)
def test_a_wrong_program_is_noticed(row):
    line, values = row.loss.line_data, tuple(row.loss.params.values())
    points = [p for p in quick_points(line) if abs(p[0]) > 0.1]
    truth = reference(line, values)
    check_accuracy("right", row.loss.program, truth, values, points)
    with pytest.raises(LossError, match="d1"):
        check_accuracy("wrong", wrong(row.loss.program), truth, values, points)


@pytest.mark.parametrize("name", ["logistic", "probit", "cloglog", "pseudo_huber"])
def test_textbook_formulas_without_rewriting_are_noticed(name):
    row = next(row for row in losses.registry() if row.loss.name == name)
    line, values = row.loss.line_data, tuple(row.loss.params.values())
    truth = reference(line, values)
    s = line_symbols(line)
    loss, _ = parse_line(line)
    from fastinfluence.spec.atoms import expand_definitions

    naive = differentiate(expand_definitions(loss), None, s, None, line.y)
    lowering = Lowering()
    operands = {key: lowering.operand(e) for key, e in naive.items()}
    program = lowering.builder.finish("naive", line.names, operands)
    with pytest.raises(LossError, match=r"digits|overflows"):
        check_accuracy("naive", program, truth, values, quick_points(line))


@pytest.mark.parametrize(
    ("got", "truth", "scale", "passes"),
    [
        (float("nan"), 0.0, 1.0, False),
        (1.0, 1.0 + 1e-15, 1.0, True),
        (1.0, 1.0 + 1e-11, 1.0, False),
        (0.0, 1e-320, 1e-320, True),
        (1e-300, 1e-320, 1e-320, False),
        (float("inf"), 1.0, 1.0, False),
        (0.0, 1e-300, 1e-300, False),
    ],
)
def test_scaled_error_follows_the_contract(got, truth, scale, passes):
    assert (scaled_error(got, truth, scale) <= BOUND) is passes
