"""Going on from what is there: what is kept, what is written again, what is refused."""

import json

import numpy as np
import pytest
import refusal
from cases import CASES, build

import fastinfluence as fi
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.files import FolderLock

N, D, T = 200, 4, 3
RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(N, D)), RNG.integers(0, 2, size=N).astype(float)
W, OFFSET, THETA = RNG.uniform(0.5, 2.0, size=N), RNG.normal(size=N) / 9, RNG.normal(size=D + 1)
X_TEST, Y_TEST = RNG.normal(size=(T, D)), np.array([0.0, 1.0, 1.0])


def model(spec=None, X=X, y=Y, theta=THETA, w=W, offset=OFFSET, **options):
    spec = spec or fi.GLM("logistic", l2=0.1)
    out = object.__new__(fi.Influence)
    settings = {"solver": "auto", "damping": 0.0, "curvature": "hessian", "progress": None}
    from fastinfluence.influence.base import Settings
    from fastinfluence.problem import Problem

    out._setup(Problem.build(spec, X, y, w, offset), theta, Settings.of(**{**settings, **options}))
    return out


def score(infl, folder, X_test=X_TEST, effect="removal", resume=True, rows=32):
    sink = fi.ParquetSink(folder, resume=resume, rows_per_part=rows)
    return infl.on_loss(X_test, Y_TEST[: len(X_test)], effect, sink, np.zeros(len(X_test)))


def contents(folder):
    """Return the bytes of all files but the lock."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != FolderLock.NAME}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    score(model(), folder)
    return contents(folder)


@pytest.fixture
def begun(whole, tmp_path):
    """Return a folder in which every other part is missing."""
    folder = tmp_path / "scores"
    folder.mkdir()
    for k, name in enumerate(sorted(whole)):
        if k % 2 or not name.endswith(".parquet"):
            (folder / name).write_bytes(whole[name])
    return folder


def test_what_is_missing_is_added(begun, whole):
    kept = {p.name: p.stat().st_mtime_ns for p in begun.glob("*.parquet")}
    assert 0 < len(kept) < len(whole) - 1
    scores = score(model(), begun)
    assert contents(begun) == whole
    assert {name: (begun / name).stat().st_mtime_ns for name in kept} == kept
    np.testing.assert_array_equal(
        scores.read(), model().on_loss(X_TEST, Y_TEST, offset_test=np.zeros(T))
    )


def test_nothing_is_scored_twice(begun, whole, monkeypatch):
    score(model(), begun)
    infl = model()
    monkeypatch.setattr(GLMEngine, "row_dot", lambda *_: pytest.fail("a row was scored again"))
    score(infl, begun)
    assert contents(begun) == whole


def test_to_resume_nothing_is_to_begin(tmp_path, whole):
    score(model(), tmp_path / "new", resume=True)
    assert contents(tmp_path / "new") == whole


def test_damaged_parts_are_written_again(begun, whole):
    first, second, *_ = sorted(begun.glob("*.parquet"))
    first.write_bytes(first.read_bytes()[:-9])
    second.write_bytes(b"")
    score(model(), begun)
    assert contents(begun) == whole


def test_parts_of_another_dataset_are_not_taken_for_ours(begun, whole, tmp_path):
    score(model(theta=THETA / 2), tmp_path / "other")
    name = min(p.name for p in begun.glob("*.parquet"))
    (begun / name).write_bytes((tmp_path / "other" / name).read_bytes())
    score(model(), begun)
    assert contents(begun) == whole


def test_what_killed_writers_left_is_removed(begun, whole):
    for name in ("scores-000000000000-000000000032.parquet", "_manifest.json"):
        (begun / f".{name}.0123456789ab.tmp").write_bytes(b"half")
    score(model(), begun)
    assert contents(begun) == whole


def test_a_writer_killed_before_its_manifest_leaves_an_empty_folder(tmp_path, whole):
    (tmp_path / "._manifest.json.0123456789ab.tmp").write_bytes(b"half")
    (tmp_path / FolderLock.NAME).touch()
    score(model(), tmp_path, resume=False)
    assert contents(tmp_path) == whole


def moved(a, at=-1):
    out = a.copy()
    out.flat[at] = 0.25
    return out


def flipped():
    y = Y.copy()
    y[-1] = 1 - y[-1]
    return y


CHANGES = {
    "X": (lambda: model(X=moved(X)), ["the training rows"]),
    "single precision": (lambda: model(X=X.astype(np.float32)), ["the training rows"]),
    "y": (lambda: model(y=flipped()), [" y"]),
    "weights": (lambda: model(w=moved(W)), ["sample_weight"]),
    "offset": (lambda: model(offset=moved(OFFSET)), ["offset"]),
    "theta": (lambda: model(theta=moved(THETA)), ["theta", "what is asked about"]),
    "l2": (lambda: model(fi.GLM("logistic", l2=0.2)), ["spec"]),
    "loss": (lambda: model(fi.GLM("probit", l2=0.1)), ["spec"]),
    "damping": (lambda: model(damping=0.5), ["damping (was 0.0, is 0.5)"]),
    "curvature": (lambda: model(curvature="fisher"), ["curvature (was hessian, is fisher)"]),
    "solver": (lambda: model(solver=fi.solvers.CG()),
               ["solver (was Direct(form='primal'), is CG("]),
    "rows": (lambda: model(X=X[:-1], y=Y[:-1], w=W[:-1], offset=OFFSET[:-1]),
             ["the number of training rows (was 200, is 199)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_model_is_refused(name, begun):
    make, words = CHANGES[name]
    before = contents(begun)
    refusal.check(lambda: score(make(), begun), ["cannot be resumed", "have changed", *words])
    assert contents(begun) == before


ASKED = {
    "test rows": ({"X_test": X_TEST + 1}, ["what is asked about"]),
    "fewer test rows": ({"X_test": X_TEST[:2]}, ["the number of test rows (was 3, is 2)"]),
    "effect": ({"effect": "upweight"}, ["effect (was removal, is upweight)"]),
    "parts": ({"rows": 30}, ["the rows of each part"]),
}


@pytest.mark.parametrize("name", ASKED)
def test_another_question_is_refused(name, begun):
    given, words = ASKED[name]
    refusal.check(lambda: score(model(), begun, **given), ["cannot be resumed", *words])


def test_another_method_is_refused(begun):
    sink = fi.ParquetSink(begun, resume=True, rows_per_part=32)
    refusal.check(lambda: model().self_influence(out=sink), ["method (was on_loss, is self_inf"])


def test_another_version_is_refused(begun):
    path = begun / "_manifest.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "library": "0.0.9"}))
    words = [f"the version of fastinfluence (was 0.0.9, is {fi.__version__})"]
    refusal.check(lambda: score(model(), begun), words)
    path.write_text(json.dumps({**found, "format": 99, "library": "9.0"}))
    refusal.check(lambda: score(model(), begun), ["written by fastinfluence 9.0", "update"])


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}'])
def test_a_folder_of_something_else_is_refused(resume, text, tmp_path):
    (tmp_path / "_manifest.json").write_text(text)
    words = ["no readable _manifest.json"] if resume else ["is not empty", "resume=True"]
    refusal.check(lambda: score(model(), tmp_path, resume=resume), words)
    assert contents(tmp_path) == {"_manifest.json": text.encode()}


def test_nothing_is_overwritten_unasked_and_nothing_solved_first(begun, monkeypatch):
    before, infl = contents(begun), model()
    monkeypatch.setattr(type(infl), "_solve", lambda *_: pytest.fail("solved in vain"))
    refusal.check(lambda: score(infl, begun, resume=False), ["is not empty", "resume=True"])
    assert contents(begun) == before


def test_one_writer_at_a_time(begun, whole):
    lock = FolderLock(begun)
    before = contents(begun)
    refusal.check(lambda: score(model(), begun), ["being written to by another process"])
    assert contents(begun) == before
    lock.release()
    score(model(), begun)
    assert contents(begun) == whole


def test_an_interrupted_pass_gives_the_folder_up(tmp_path, whole):
    """Also while the traceback of the interrupt is kept, as notebooks do."""

    def interrupt(phase, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        score(model(progress=interrupt), tmp_path)
    assert caught.tb is not None
    score(model(), tmp_path)
    assert contents(tmp_path) == whole


def test_an_incomplete_dataset_is_not_read_as_one(begun):
    words = ["lacks 3 of its 7 parts, first scores-000000000032", "resume=True"]
    refusal.check(lambda: fi.ParquetScores.open(begun), words)


def test_a_manifest_that_was_changed_by_hand(begun):
    for text in ('{"format": 1}', '{"format": 1, "id_type": null, "cuts": 3, "columns": []}'):
        (begun / "_manifest.json").write_text(text)
        refusal.check(lambda: fi.ParquetScores.open(begun), ["_manifest.json is damaged"])
        refusal.check(lambda: score(model(), begun), ["cannot be resumed"])


def test_a_complete_dataset_is_opened_later(begun):
    scores = score(model(), begun)
    again = fi.ParquetScores.open(str(begun))
    assert again == scores
    np.testing.assert_array_equal(again.read(), scores.read())


def test_labels_of_the_rows_count(tmp_path):
    import pandas as pd

    b = build(CASES[0])

    def named(labels):
        frame = pd.DataFrame(b.X, index=labels)
        infl = fi.Influence(b.spec(), frame, b.y, b.theta)
        return infl.self_influence(out=fi.ParquetSink(tmp_path, resume=True))

    labels = [f"row {i}" for i in range(b.case.n)]
    named(labels)
    named(labels)
    refusal.check(lambda: named([*labels[:-1], "other"]), ["the names of the rows"])
    refusal.check(lambda: named(None), ["the names of the rows"])


def test_a_damaged_part_is_named_when_it_is_read(tmp_path):
    done = model().self_influence(out=fi.ParquetSink(tmp_path / "s", rows_per_part=100))
    done.parts[1].write_bytes(done.parts[1].read_bytes()[:-20])
    refusal.check(done.read, (done.parts[1].name, "resume=True"))
