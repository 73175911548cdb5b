"""The script behind ``make gpu``, on the stand-in and tables of a few rows."""

import numpy as np
import pytest
from cuda.host_module import compiler
from cuda.standin import ON_HARDWARE, installed
from script import FOLDER, load_script

from fastinfluence.backend import CUDA

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="g++ runs the CUDA sources"),
    pytest.mark.skipif(ON_HARDWARE, reason="the script itself runs there"),
]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """The module, beside the one that it imports."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return load_script("gpu.py")


def test_it_writes_the_page(script, tmp_path, monkeypatch, capsys) -> None:
    """Every part of the table, and the rest of the page as it was."""
    page = tmp_path / "gpu.md"
    page.write_text(f"# before\n{script.BEGIN}old\n{script.END}after\n")
    monkeypatch.setattr(script, "PAGE", page)
    with installed():
        assert script.main(["--small", "--no-tests"]) == 0
    text = page.read_text()
    assert text.startswith("# before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    for part in ("device copy", "H·V, 1 column, dense float32", "top 10", "LiSSA, 5 × 8 steps"):
        assert part in text
    assert text.count("✓") == text.count("`") / 2  # one for each kernel
    assert text.count("pointwise: ") > 10
    assert capsys.readouterr().out.strip() in text


def test_a_wrong_kernel_is_above(script, monkeypatch) -> None:
    """Seen to fail once: a kernel that forgets a row."""
    with installed():
        kernels = CUDA.kernels.glm
        right = kernels.linear_block
        monkeypatch.setattr(kernels, "linear_block", lambda X, v, out: right(X[:-1], v, out[:-1]))
        rows = script.correctness(script.SMALL)
    assert [row[0] for row in rows if row[3] != "✓"] == 2 * ["`glm.linear_block`"]


def test_without_a_device_it_says_so(script, capsys, monkeypatch) -> None:
    """One clear line, and a status that is not zero."""
    with installed() as (cp, _):
        cp.cuda.runtime.getDeviceCount = lambda: 0
        assert script.main([]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "finds no GPU" in told.err


def test_fresh_inputs_each_time(script) -> None:
    """Another seed, another error."""
    with installed():
        first, second = ([error for *_, error in script.errors(67, seed)] for seed in (1, 2))
    assert not np.array_equal(first, second)
