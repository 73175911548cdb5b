"""What is shipped is what would be derived, and built-in losses need no SymPy."""

import json
import subprocess
import sys

import pytest

from fastinfluence.errors import LossError
from fastinfluence.kernels.program import PointwiseProgram
from fastinfluence.spec import library
from fastinfluence.spec.derive import derive, refuse_undefined
from fastinfluence.spec.line import Line

TABLE = library.table_lines()
FRESH = ("squared", "logistic", "gamma", "pseudo_huber", "poisson", "huber", "tweedie")


def test_no_shipped_program_is_stale():
    assert set(library.shipped()) <= set(TABLE), "run: python -m fastinfluence.spec.derive"


def test_every_line_is_shipped():
    """A line added a moment ago works without this; a release ships it."""
    missing = [TABLE[key][0] for key in set(TABLE) - set(library.shipped())]
    if missing:
        pytest.skip(f"derived when first used: {', '.join(missing)}; `make generate` ships it")


@pytest.mark.parametrize("name", FRESH)
def test_shipped_programs_are_what_is_derived(name):
    key, (_, line) = next(item for item in TABLE.items() if item[1][0] == name)
    shipped = PointwiseProgram.from_json({**library.shipped()[key], "name": name})
    assert derive(name, line) == shipped


def test_an_edited_line_is_derived_anew(monkeypatch):
    line = Line("(f - y)**2", "real")
    assert line.key not in library.shipped()
    assert library.program("mine", line).outputs["d2"] == "2.0"
    library.shipped.cache_clear()
    monkeypatch.setattr(library, "FILE", "missing.json")
    assert library.shipped() == {}
    library.shipped.cache_clear()


def test_generate_writes_a_readable_file(tmp_path, monkeypatch):
    line = Line("(f - y)**2", "real")
    monkeypatch.setattr(library, "table_lines", lambda: {line.key: ("mine", line)})
    assert library.generate(tmp_path / "programs.json") == 1
    data = json.loads((tmp_path / "programs.json").read_text())
    assert PointwiseProgram.from_json(data[line.key]).outputs["d2"] == "2.0"


def test_built_in_losses_import_no_sympy():
    code = (
        "import sys\n"
        "from fastinfluence.spec import losses, families\n"
        "losses.smooth_hinge(t=1e-3).program, families.gamma(link='inverse').source\n"
        "print([m for m in ('sympy', 'mpmath', 'numba') if m in sys.modules])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_derivatives_that_are_no_functions_are_refused():
    import sympy

    x = sympy.Symbol("x", real=True)
    function = sympy.Function("g")(x)
    for bad in (sympy.DiracDelta(x), sympy.Heaviside(x), function.diff(x), sympy.I * x):
        with pytest.raises(LossError):
            refuse_undefined(bad + x)
