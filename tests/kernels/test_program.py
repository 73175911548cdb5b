"""Programs: sharing, selection, JSON, identity."""

import pytest

from fastinfluence.errors import LossError
from fastinfluence.kernels.program import Builder, PointwiseProgram, Step


def sample():
    builder = Builder()
    square = builder.emit("mul", "f", "f")
    scaled = builder.emit("mul", "a", square)
    return builder.finish("sample", ("a",), {"value": scaled, "d1": builder.emit("exp", square)})


def test_equal_computations_share_a_step():
    builder = Builder()
    assert builder.emit("add", "f", "y") == builder.emit("add", "y", "f")
    assert builder.emit("sub", "f", "y") != builder.emit("sub", "y", "f")
    assert len(builder.steps) == 3


@pytest.mark.parametrize(
    ("op", "args", "operand"),
    [
        ("mul", ("1.0", "f"), "f"),
        ("mul", ("f", "1.0"), "f"),
        ("add", ("0.0", "f"), "f"),
        ("neg", ("2.0",), "-2.0"),
        ("div", ("f", "1.0"), "f"),
    ],
)
def test_trivial_operations_need_no_step(op, args, operand):
    builder = Builder()
    assert builder.emit(op, *args) == operand
    assert not builder.steps


def test_select_drops_what_is_not_needed():
    chosen = sample().select("d1")
    assert [s.op for s in chosen.steps] == ["mul", "exp"]
    assert list(chosen.outputs) == ["d1"]
    assert list(sample().select("d1", "value").outputs) == ["d1", "value"]
    with pytest.raises(LossError, match="no output 'd9'"):
        sample().select("d9")


def test_json_round_trip_and_digest():
    program = sample()
    again = PointwiseProgram.from_json(program.to_json())
    assert again == program
    assert again.digest == program.digest
    assert hash(again) == hash(program)
    assert program.digest == "979f56e38edc835ab913ae10aad11217"
    assert program.select("d1").digest != program.digest


@pytest.mark.parametrize(
    "step",
    [
        Step("t0", "system", ("f",)),
        Step("t0", "exp", ("f", "y")),
        Step("t0", "exp", ("unknown",)),
        Step("t0; import os", "exp", ("f",)),
        Step("t0", "exp", ("inf",)),
    ],
)
def test_programs_of_another_kind_are_refused(step):
    with pytest.raises(LossError):
        PointwiseProgram("bad", (), (step,), (("value", "t0"),)).validate()
