"""The tables of what is supported: asked here as on the page, and compared."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
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


def questions():
    return importlib.import_module("questions")  # beside support, which loaded it


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


@pytest.fixture(params=range(4), ids=["GLM", "multinomial", "MLP", "Oracle"])
def asked(support, request):
    """A model of each kind: what one question says must follow from what another does."""
    return questions().model(list(support.MODELS)[request.param])


def close(found, expected, rtol=1e-7):
    assert relative(found, expected) < rtol


def test_weights_are_removals_turned_round(asked):
    infl, X, y = asked
    close(infl.on_weights(X, y), -infl.on_loss(X, y))  # every weight is one


def test_covariance_is_the_sum_of_moves(asked):
    moves = asked.infl.on_params(np.arange(asked.infl.n_rows))
    moves = moves - moves.mean(axis=0)
    close(asked.infl.covariance(), moves.T @ moves)


def penalised(spec, more):
    """The same spec with a little more l2 wherever there is some."""
    if isinstance(spec, fi.Oracle):
        return fi.Oracle(**spec.calls, l2=[l2 + more * (l2 > 0) for l2 in spec.l2])
    return replace(spec, l2=spec.l2 + more)


def test_l2_is_the_slope_of_refits(asked):
    infl, X, y = asked
    step, rows = 1e-5, questions().table(3 if infl.spec.loss.name == "multinomial" else 2)
    up, down = (
        fi.Influence.fit(penalised(infl.spec, more), rows.X, rows.y, theta=infl.theta).theta
        for more in (step, -step)
    )
    test = infl._problem.test_rows(X, y)
    losses = infl._engine.test_losses(test, np.column_stack([up, down]))
    l2 = infl.spec.l2_vector(X.shape[1], infl._problem.n_outputs)
    found = infl.on_l2(X, y, per_coefficient=True)[:, l2 > 0].sum(axis=1)
    close(found, (losses[:, 0] - losses[:, 1]) / (2 * step), 1e-5)


def test_validation_is_scores_beside_removals(asked):
    infl, X, y = asked
    found = infl.validate(X, y, rows=[1, 2, 3])
    close(found.predicted, infl.on_loss(X, y).sum(axis=0)[[1, 2, 3]])
    exact = infl.leave_one_out([1, 2, 3], method="exact")
    close(found.actual, exact.on_loss(X, y).sum(axis=0))


def test_subsets_are_the_largest_scores_and_a_refit(asked):
    infl, target = asked.infl, fi.targets.coefficient(0)
    scores = infl.on_function(target)[0]
    found = infl.most_influential_subset(target, 3)
    assert list(found.rows) == list(np.argsort(-scores)[:3])
    close(found.predicted, scores[found.rows].sum())
    close(found.actual, infl.without(found.rows).theta[0] - infl.theta[0], 1e-5)
    flip = infl.smallest_flip(target, steps=1)
    close(flip.attempts[0].predicted, scores[flip.attempts[0].rows].sum())
    close(flip.actual, infl.without(flip.rows).theta[0] - infl.theta[0], 1e-4)
