"""Printed kernels: complete tables, loop-invariant work hoisted, valid text."""

import ast

import pytest

from fastinfluence.errors import LossError
from fastinfluence.kernels import printers
from fastinfluence.kernels.program import OPS, Builder, PointwiseProgram, Step

KERNELS = ("kernel_table", "kernel_rows", "kernel")


def test_the_table_prints_every_operation_with_its_arguments():
    assert set(printers.NUMBA) == set(OPS)
    for op, n in OPS.items():
        names = [f"arg{k}" for k in range(n)]
        tree = ast.parse(printers.NUMBA[op].format(*names), mode="eval")
        assert {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} >= set(names)


def test_work_is_done_in_the_outermost_loop_that_allows_it():
    builder = Builder()
    log_a, root_y = builder.emit("log", "a"), builder.emit("sqrt", "y")
    total = builder.emit("add", builder.emit("mul", log_a, root_y), builder.emit("exp", "f"))
    program = builder.finish("nested", ("a",), {"value": total})
    text = printers.numba_source(program, ("value",))
    table = text[text.index("def kernel_table") : text.index("def kernel_rows")]
    indent = {
        word: len(line) - len(line.lstrip())
        for line in table.splitlines()
        for word in ("math.log(a)", "math.sqrt(y)", "math.exp(f)")
        if word in line
    }
    assert indent == {"math.log(a)": 4, "math.sqrt(y)": 8, "math.exp(f)": 12}


def test_only_needed_atoms_and_their_helpers_are_copied():
    builder = Builder()
    program = builder.finish("one", (), {"value": builder.emit("log_ndtr2", "f")})
    text = printers.numba_source(program, ("value",))
    names = [n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    assert names == ["mills_fraction", "atom_log_ndtr1", "atom_log_ndtr2", *KERNELS]
    assert '"""log' not in text


def test_an_unknown_operation_is_refused():
    bad = PointwiseProgram("bad", (), (Step("t0", "system", ("f",)),), (("value", "t0"),))
    with pytest.raises(LossError, match="system"):
        printers.numba_source(bad, ("value",))


def test_scalar_text_is_a_plain_function():
    builder = Builder()
    program = builder.finish("one", ("a",), {"value": builder.emit("mul", "a", "f")})
    namespace = {}
    exec(printers.scalar_source(program), namespace)
    assert namespace["point"](3.0, 0.0, 2.0) == (6.0,)
