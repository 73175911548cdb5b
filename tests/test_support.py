"""The tables of what is supported: asked here as on the page, and compared."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import fastinfluence as fi

pytest.importorskip("dask.array", reason="one column of the tables is Dask's")
EXTENSIONS = Path(__file__).resolve().parents[1] / "docs" / "_ext"
CONSTRUCTORS = {"fit", "from_estimator", "from_torch"}
FACTS = {"theta", "spec", "n_rows", "gradient_norm", "relative_gradient"}


@pytest.fixture(scope="module")
def support():
    sys.path.insert(0, str(EXTENSIONS))
    try:
        yield importlib.import_module("support")
    finally:
        sys.path.remove(str(EXTENSIONS))


def relative(found, expected):
    found, expected = (np.asarray(a, dtype=float) for a in (found, expected))
    return np.abs(found - expected).max() / np.abs(expected).max()


def test_no_question_is_left_out(support):
    asked = set(support.QUESTIONS)
    public = {name for name in dir(fi.Influence) if not name.startswith("_")}
    assert public - CONSTRUCTORS - FACTS == asked


def test_rows_and_oracles_answer_as_dense_rows_do(support):
    dense, oracle = next(iter(support.MODELS)), list(support.MODELS)[-1]
    for question in support.QUESTIONS:
        expected = support.answer(dense, question)
        assert not isinstance(expected, str), expected
        for kind in (*support.STORAGES, oracle):
            found = support.answer(kind, question)
            assert isinstance(found, str) or relative(found, expected) < 1e-7, (kind, question)


def test_only_these_are_refused(support):
    refused = {
        (kind, question)
        for kind in (*support.MODELS, *support.STORAGES)
        for question in support.QUESTIONS
        if isinstance(support.answer(kind, question), str)
    }
    of_a_line = {"diagnostics", "cross_validation", "prediction_interval"}
    expected = {(k, q) for k in (*list(support.MODELS)[1:], "Dask") for q in of_a_line}
    assert refused == expected | {(list(support.MODELS)[-1], "save")}


@pytest.mark.parametrize("solver", ["CG()", 'Direct("dual")', "CG(preconditioner=Nystrom())"])
def test_solvers_agree(support, solver):
    for kind in (*support.MODELS, *support.STORAGES):
        found = support.solved(kind, solver)
        wanted = support.solved(kind, "Direct()")
        assert isinstance(found, str) or relative(found, wanted) < 1e-9, kind


def test_noisy_solvers_are_near(support):
    """Four recursions, or fifty solves: tens of per cent."""
    for kind in (*support.MODELS, *support.STORAGES):
        pairs = {
            "LiSSA()": support.solved(kind, "Direct()"),
            "LiSSA(scale=20)": support.solved(kind, "Direct()"),
            "self_influence(sketch=50)": support.answer(kind, "self_influence"),
        }
        for solver, wanted in pairs.items():
            found = support.solved(kind, solver)
            if not isinstance(found, str):
                assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.8, (kind, solver)


def test_the_proofs_exist_and_ask(support):
    pages = [support.models(), support.rows(), support.solvers()]
    cells = {cell.strip("`") for page in pages for row in page.rows[1:] for cell in row[1:]}
    files = {cell for cell in cells if cell.endswith(".py")}
    assert len(files) > 10
    assert all((support.TESTS / file).is_file() for file in files)
    unknown = {c for c in cells - files if c not in ("yes", "not asked") and "no (" not in c}
    assert unknown == set()


def test_a_question_nobody_asks_has_no_proof_of_its_own(support):
    assert support.proof("never_asked", ("influence", "cuda/test_path")) == support.EVERY
    assert support.proof("on_loss", ("influence",)).startswith("influence/")
