"""What is not saved, and what is not loaded: other data, damaged, newer and hostile files."""

import errno
import io
import json
import pickle

import numpy as np
import pandas as pd
import pytest
import refusal
from cases import CASES, build

import fastinfluence as fi
from fastinfluence import files

B = build(next(c for c in CASES if c.name == "logistic weighted"))
DATA = {"X": B.X, "y": B.y, **B.data()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.npz"
    infl = B.influence(solver=fi.solvers.Direct())
    infl.self_influence()
    infl.save(path)
    return path


def load(path, **changed):
    return fi.load(path, **{**DATA, **changed})


# -- other data --------------------------------------------------------------------------


def moved(a):
    out = a.copy()
    out.flat[-1] = 0.75
    return out


def flipped():
    y = B.y.copy()
    y[-1] = 1 - y[-1]
    return y


OTHER = {
    "X": ({"X": moved(B.X)}, ["other data: X differ", "check=False"]),
    "order": ({"X": B.X[::-1], "y": B.y[::-1]}, ["X and y differ"]),
    "precision": ({"X": B.X.astype(np.float32)}, ["X differ", "precision"]),
    "y": ({"y": flipped()}, ["y differ"]),
    "weights": ({"sample_weight": moved(B.sample_weight)}, ["sample_weight differ", "class weig"]),
    "no weights": ({"sample_weight": None}, ["sample_weight differ"]),
    "no offset": ({"offset": None}, ["offset differ"]),
    "rows": ({"X": B.X[:-1], "y": B.y[:-1], "sample_weight": None, "offset": None},
             ["X has 59 rows of 4 columns", "60 of 4"]),
    "columns": ({"X": B.X[:, :-1]}, ["X has 60 rows of 3 columns"]),
    "labels": ({"y": np.where(B.y > 0, 2.0, 0.0)}, ["y holds the label 2.0"]),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_other_data(name, saved):
    changed, words = OTHER[name]
    refusal.check(lambda: load(saved, **changed), words)


def test_the_check_of_the_rows_can_be_left_out(saved):
    loaded = load(saved, X=moved(B.X), check=False)
    assert loaded.n_rows == B.case.n
    refusal.check(lambda: load(saved, X=B.X[:, :-1], check=False), ["3 columns"])


def test_other_column_names(tmp_path):
    frame = pd.DataFrame(B.X, columns=list("abcd"))
    fi.Influence(B.spec(), frame, B.y, B.theta, **B.data()).save(tmp_path / "model")
    turned = frame.rename(columns={"a": "b", "b": "a"})
    words = ["other columns", "'b' where 'a' was, 'a' where 'b' was"]
    refusal.check(lambda: load(tmp_path / "model", X=turned), words)


# -- files that are no good --------------------------------------------------------------


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        refusal.check(lambda path=path: load(path), [f"{path} is no file"])


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off(share, saved, tmp_path):
    data = saved.read_bytes()
    (tmp_path / "cut").write_bytes(data[: int(share * len(data))])
    refusal.check(lambda: load(tmp_path / "cut"), ["cut", "damaged", "was cut off"])


def test_a_file_with_a_flipped_bit(saved, tmp_path, rng):
    """Refused, or what flipped was none of the numbers (a date inside the container)."""
    data, refused = saved.read_bytes(), 0
    expected = load(saved).self_influence()
    for at in rng.integers(0, len(data), size=300):
        wrong = bytearray(data)
        wrong[at] ^= 1 << int(rng.integers(0, 8))
        (tmp_path / "wrong").write_bytes(wrong)
        try:
            loaded = load(tmp_path / "wrong")
        except fi.InputError:
            refused += 1
        else:
            np.testing.assert_array_equal(loaded.self_influence(), expected)
    assert refused > 200


def in_memory(save, array):
    file = io.BytesIO()
    save(file, array)
    return file.getvalue()


OTHERS = {
    "text": lambda path: path.write_text("theta = 1"),
    "array": lambda path: path.write_bytes(in_memory(np.save, np.arange(3))),
    "arrays": lambda path: path.write_bytes(in_memory(np.savez, np.arange(3))),
    "pickle": lambda path: path.write_bytes(pickle.dumps({"theta": [1.0]})),
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_something_else(name, tmp_path):
    OTHERS[name](tmp_path / "other")
    refusal.check(lambda: load(tmp_path / "other"), ["saved by fastinfluence"])


class Bomb:
    """Leaves a mark when it is unpickled."""

    exploded = False

    def __reduce__(self):
        return setattr, (Bomb, "exploded", True)


def test_nothing_in_a_file_is_run(saved, tmp_path):
    assert pickle.loads(pickle.dumps(Bomb())) is None
    assert Bomb.exploded, "the mark must be seen where pickles are read"
    Bomb.exploded = False
    with np.load(saved) as file:
        members = dict(file)
    with (tmp_path / "bomb").open("wb") as file:
        np.savez(file, **{**members, "theta": np.array([Bomb()], dtype=object)})
    refusal.check(lambda: load(tmp_path / "bomb"), ["cannot be read", "allow_pickle=False"])
    (tmp_path / "bomb").write_bytes(pickle.dumps(Bomb()))
    refusal.check(lambda: load(tmp_path / "bomb"), ["cannot be read"])
    assert not Bomb.exploded


def rewritten(saved, path, change):
    """Write the file with a changed document, and return its path."""
    with np.load(saved) as file:
        members = {name: file[name] for name in file.files}
    document = json.loads(members["document"].tobytes())
    change(document, members)
    members["document"] = np.frombuffer(json.dumps(document).encode(), dtype=np.uint8)
    with path.open("wb") as file:
        np.savez(file, **members)
    return path


def in_document(*keys, value):
    def change(document, members):
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


def without(name):
    return lambda document, members: (members if name in members else document).pop(name)


CODE = "__import__('os').system('touch /tmp/ran')"
CUSTOM = {"kind": "custom", "y_domain": [0, 1], "params": {}, "name": "x", "mean": None,
          "f_domain": [-1e308, 1e308]}  # fmt: skip
HOSTILE = {
    "newer format": (in_document("format", value=2), ["in format 2", "update fastinfluence"]),
    "kind": (in_document("kind", value="Model"), ["'Model'", "not 'Influence'"]),
    "model": (in_document("spec", "model", value="Tree"), ["'Tree' is unknown"]),
    "loss": (in_document("spec", "loss", "name", value="os"), ["no loss is called 'os'"]),
    "text": (in_document("spec", "loss", "text", value="f"), ["the loss logistic was 'f'"]),
    "code": (
        in_document("spec", "loss", value={**CUSTOM, "text": CODE}),
        ["not allowed in a loss"],
    ),
    "solver": (in_document("solver", "name", value="Popen"), ["'Popen' is unknown"]),
    "field": (in_document("solver", value={"name": "Direct", "rank": 3}), ["damaged", "rank"]),
    "damping": (in_document("damping", value=-1), ["damping=-1"]),
    "curvature": (in_document("curvature", value="flat"), ["curvature='flat'"]),
    "state": (in_document("prepared", "kind", value="magic"), ["'magic' is unknown"]),
    "no spec": (without("spec"), ["damaged", "spec"]),
    "no theta": (without("theta"), ["damaged", "theta"]),
    "no factor": (without("prepared.L"), ["damaged", "L"]),
    "document of another kind": (in_document("spec", value=[1]), ["damaged"]),
    "theta": (lambda d, m: m.update(theta=np.ones(2)), ["theta has shape (2,)"]),
    "matrix": (lambda d, m: m.update({"prepared.matrix": np.eye(2)}), ["matrix has shape (2, 2)"]),
    "L": (lambda d, m: m.update({"prepared.L": np.eye(2)}), ["L has shape (2, 2)"]),
    "fingerprint": (in_document("fingerprints", value={}), ["damaged"]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_documents_that_say_something_else(name, saved, tmp_path):
    change, words = HOSTILE[name]
    path = rewritten(saved, tmp_path / "model", change)
    refusal.check(lambda: load(path), words)


def test_an_unchanged_document_loads(saved, tmp_path):
    load(rewritten(saved, tmp_path / "model", lambda document, members: None))


# -- what is not saved -------------------------------------------------------------------


def oracle():
    def gradient(theta, X, y):
        return (X @ theta - y)[:, None] * X

    def hvp(theta, X, y, V):
        return X.T @ (X @ V)

    spec = fi.Oracle(gradient, hvp, l2=0.1, name="mine")
    return fi.Influence(spec, B.X, B.y, np.linalg.solve(B.X.T @ B.X / 60 + 0.1 * np.eye(4),
                                                        B.X.T @ B.y / 60))  # fmt: skip


def pipeline():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(B.X, B.y)
    return fi.Influence.from_estimator(model, B.X, B.y)


def lasso():
    from sklearn.linear_model import Lasso

    return fi.Influence.from_estimator(Lasso(0.01, tol=1e-10).fit(B.X, B.y), B.X, B.y)


def kernel():
    from sklearn.svm import SVC

    return fi.Influence.from_estimator(SVC().fit(B.X, B.y), B.X, B.y)


class OwnSolver:
    def prepare(self, operator):
        return fi.solvers.CG().prepare(operator)


UNSAVED = {
    "oracle": (oracle, ["callables of mine cannot be saved"]),
    "Pipeline": (pipeline, ["Pipeline", "from_estimator"]),
    "lasso": (lasso, ["l1 penalty", "from_estimator"]),
    "kernel": (kernel, ["kernel", "from_estimator"]),
    "solver": (lambda: B.influence(solver=OwnSolver()), ["OwnSolver is no solver", "fi.solvers"]),
    "preconditioner": (
        lambda: B.influence(solver=fi.solvers.CG(preconditioner=OwnSolver())),
        ["OwnSolver is no solver or preconditioner"],
    ),
}


@pytest.mark.parametrize("name", UNSAVED)
def test_functions_of_others_are_not_saved(name, tmp_path):
    make, words = UNSAVED[name]
    infl = make()
    refusal.check(lambda: infl.save(tmp_path / "model"), words)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_as_a_whole(saved, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    path.write_bytes(saved.read_bytes())

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        refusal.check(lambda: B.influence().save(path), ["No space left on device", "free some"])
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
    assert path.read_bytes() == saved.read_bytes()
    B.influence().save(path)
    assert path.read_bytes() != saved.read_bytes()
    refusal.check(lambda: B.influence().save(tmp_path / "no" / "model"), ["No such file"])
