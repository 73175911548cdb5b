"""What importing costs: seen from a fresh process, by what it loaded."""

import os
import subprocess
import sys

import pytest

HEAVY = ("numba", "sympy", "scipy.linalg", "sklearn", "pandas", "pyarrow", "matplotlib", "torch",
         "statsmodels", "dask", "polars", "mpmath", "llvmlite", "cupy", "cupyx")  # fmt: skip

DEVICE = ("cupy", "cupyx", "fastinfluence.kernels.cuda")

FIRST_SCORE = """
import numpy as np
import fastinfluence as fi
X = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, -1.0], [0.5, 0.5], [1.5, 1.0], [-1.0, 0.0]])
y = np.array([0, 1, 0, 1, 1, 0])
infl = fi.Influence(fi.GLM("logistic", l2=1e6), X, y, np.zeros(3))
assert infl.on_loss(X[:2], y[:2]).shape == (2, 6)
"""


def loaded_by(code: str, names: tuple[str, ...], *flags: str) -> list[str]:
    """Return which modules a fresh process holds after some code."""
    ask = f"\nimport sys\nprint(*[m for m in {names!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, *flags, "-c", code + ask],
        capture_output=True,
        text=True,
        timeout=300,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_loads_nothing_heavy():
    assert loaded_by("import fastinfluence", HEAVY) == []


def test_naming_what_is_public_loads_nothing_heavy():
    """`dir`, the version, the errors, and a spec by name are free too."""
    code = "import fastinfluence as fi; dir(fi); fi.FastInfluenceError; fi.FastInfluenceWarning"
    assert loaded_by(code, HEAVY) == []


def test_a_first_logistic_score_needs_no_sympy():
    names = ("sympy", "sklearn", "pandas", "pyarrow", "matplotlib", "mpmath", *DEVICE)
    assert loaded_by(FIRST_SCORE, names, "-W", "ignore") == []


def test_cupy_is_imported_when_a_device_is_asked_for():
    """And by `fastinfluence info`, which says what a device lacks."""
    asked = FIRST_SCORE.replace(
        "infl = ", "try: fi.Influence(fi.GLM('logistic'), X, y, np.zeros(3), device='cuda')\n"
        "except fi.DeviceError: pass\ninfl = "
    )  # fmt: skip
    assert "fastinfluence.kernels.cuda" in loaded_by(asked, DEVICE, "-W", "ignore")


def test_a_heavy_import_is_seen():
    assert loaded_by("import json, sympy", ("sympy", "sklearn")) == ["sympy"]


def test_importing_says_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import fastinfluence"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_leaves_the_process_as_it_was():
    code = """
import os, warnings, numpy as np
before = dict(os.environ), list(warnings.filters), np.geterr(), np.get_printoptions()
import fastinfluence
assert before == (dict(os.environ), list(warnings.filters), np.geterr(), np.get_printoptions())
"""
    assert loaded_by(code, ()) == []


PUBLIC = (
    "GLM", "Influence", "TopK", "Total", "Loss", "losses", "families", "solvers",
    "FastInfluenceError", "FastInfluenceWarning",
)  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names(name):
    import fastinfluence as fi

    assert name in dir(fi)
    assert name in fi.__all__
    assert getattr(fi, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    import fastinfluence as fi

    with pytest.raises(AttributeError, match="influnce"):
        _ = fi.influnce
