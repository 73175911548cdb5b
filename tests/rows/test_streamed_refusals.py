"""Streamed tables that cannot be described, and models that take none: one error each."""

import subprocess
import sys

import numpy as np
import pytest
import refusal
from stream_cases import ROOM, columns, fit, pa, parquet, small_blocks, write

import fastinfluence as fi

N, LATE = 60, 47
pytestmark = pytest.mark.usefixtures(small_blocks.__name__)
csv_writer = pytest.importorskip("pyarrow.csv")


DESCRIBED = {
    "features as text": ({"features": "x0"}, ["features='x0'", "list"]),
    "features twice": ({"features": ["x0", "x0"]}, ["'x0'", "twice"]),
    "features unknown": ({"features": ["x0", "x9"]}, ["'x9'", "'town'"]),
    "no features": ({"features": []}, ["features"]),
    "features by number": ({"features": 3}, ["features=3"]),
    "target as a feature": ({"features": ["x0", "y"]}, ["'y'", "twice"]),
    "target unknown": ({"target": "z"}, ["'z'"]),
    "no target": ({"target": None}, ["target=None"]),
    "weights as a list": ({"weight": ["w"]}, ["weight=['w']"]),
    "weights that are the target": ({"weight": "y"}, ["'y'", "twice"]),
    "weights of text": ({"weight": "town"}, ["'town'", "weight", "number"]),
    "no size": ({"max_memory": "lots"}, ["max_memory='lots'", "2GB"]),
    "a negative size": ({"max_memory": -5}, ["max_memory=-5"]),
    "nothing": ({"max_memory": 0}, ["max_memory=0"]),
    "nan": ({"max_memory": np.nan}, ["max_memory=nan"]),
    "true": ({"max_memory": True}, ["max_memory=True"]),
    "too small": ({"max_memory": "1kB"}, ["max_memory=1 kB", "too small", "give"]),
}


@pytest.mark.parametrize("case", DESCRIBED)
def test_descriptions(tmp_path, case):
    options, words = DESCRIBED[case]
    refusal.check(lambda: fit(parquet(tmp_path, columns(), **options)), words)


def test_the_memory_asked_for_is_enough(tmp_path):
    with pytest.raises(fi.FastInfluenceError, match=r"give ([\d.]+ kB)") as caught:
        fit(parquet(tmp_path, columns(), max_memory="1kB"))
    size = str(caught.value).split("give ")[1].split(",")[0]
    assert np.isfinite(fit(parquet(tmp_path, columns(), max_memory=size)).theta).all()


PATHS = {
    "none": (None, ["paths=None"]),
    "no list": ([], ["paths", "empty"]),
    "a number": (5, ["paths=5"]),
    "nothing there": ("nowhere/*.parquet", ["no file", "nowhere"]),
}


@pytest.mark.parametrize("case", PATHS)
def test_paths(case):
    paths, words = PATHS[case]
    refusal.check(lambda: fi.rows.parquet(paths, target="y"), words)


def oracle():
    return fi.Oracle(
        gradient=lambda theta, X, y: X, hvp=lambda theta, X, y, V: V,
        row_dot=lambda theta, X, y, S: S, n_params=2,
    )  # fmt: skip


MODELS = {
    "y": (lambda t: fi.Influence.fit(fi.GLM("logistic"), t, np.ones(N)), ["y", "target="]),
    "weights": (
        lambda t: fi.Influence.fit(fi.GLM("logistic"), t, sample_weight=np.ones(N)),
        ["sample_weight", "weight="],
    ),
    "offset": (
        lambda t: fi.Influence.fit(fi.GLM("logistic"), t, offset=np.ones(N)),
        ["offset", "offset="],
    ),
    "no theta": (lambda t: fi.Influence(fi.GLM("logistic"), t), ["theta"]),
    "short theta": (
        lambda t: fi.Influence(fi.GLM("logistic"), t, theta=np.zeros(3)),
        ["theta", "(3,)", "(6,)"],
    ),
    "cuda": (lambda t: fi.Influence.fit(fi.GLM("logistic"), t, device="cuda"), ["cuda", "stream"]),
    "device": (lambda t: fi.Influence.fit(fi.GLM("logistic"), t, device="tpu"), ["tpu", "cpu"]),
    "oracle": (lambda t: fi.Influence.fit(oracle(), t, theta=np.zeros(2)), ["oracle", "stream"]),
    "spec": (lambda t: fi.Influence.fit("logistic", t), ["spec", "GLM"]),
    "threads": (lambda t: fi.Influence.fit(fi.GLM("logistic"), t, n_threads=0), ["n_threads=0"]),
}


@pytest.mark.parametrize("case", MODELS)
def test_models(tmp_path, case):
    call, words = MODELS[case]
    table = parquet(tmp_path, {k: v for k, v in columns().items() if k not in "wo"})
    refusal.check(lambda: call(table), words)


X, Y = np.random.default_rng(2).normal(size=(N, 2)), np.arange(N) % 2


def spoiled(values, at, value):
    out = np.array(values, dtype=float)
    out[at] = value
    return out


ARRAYS = {
    "nan": ((spoiled(X, (LATE, 1), np.nan), Y), {}, ["'x1'", "nan", "row 47"]),
    "nan target": ((X, spoiled(Y, LATE, np.nan)), {}, ["'y'", "nan", "row 47"]),
    "third label": ((X, spoiled(Y, LATE, 2)), {}, ["'y' is 2.0", "row 47", "label number 3"]),
    "negative weight": (
        (X, Y), {"weight": spoiled(np.ones(N), LATE, -1)}, ["'weight' is -1.0", "row 47"],
    ),
    "infinite offset": ((X, Y), {"offset": spoiled(Y, LATE, np.inf)}, ["'offset' is inf", "47"]),
    "text offset": ((X, Y), {"offset": ["a"] * N}, ["offset", "numbers"]),
    "complex weight": ((X, Y), {"weight": np.ones(N) + 1j}, ["weight", "complex"]),
    "short y": ((X, Y[1:]), {}, ["y", "59", "60"]),
    "no y": ((X, None), {}, ["y is needed"]),
    "names": ((X, Y), {"features": ["a"]}, ["features", "1", "2"]),
    "mixed labels": ((X, np.array([1, "a"] * (N // 2), dtype=object)), {}, ["ordered"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays(case):
    given, options, words = ARRAYS[case]
    refusal.check(lambda: fit(fi.rows.arrays(*given, **options, max_memory=ROOM)), words)


def reader(*batches, schema=None):
    return pa.RecordBatchReader.from_batches(schema or batches[0].schema, list(batches))


ONE = pa.record_batch({"a": [1.0, 2.0], "y": [0.0, 1.0]})
ARROW = {
    "no table": (lambda: 5, ["int", "arrays"]),
    "an array": (lambda: X, ["ndarray", "fi.rows.arrays"]),
    "no rows": (lambda: pa.table({"a": [1.0], "y": [0.0]}).slice(1), ["no rows"]),
    "no batches": (lambda: reader(schema=ONE.schema), ["no rows"]),
    "another schema": (lambda: reader(ONE, pa.record_batch({"a": [1], "y": [0]})), ["schema"]),
    "names twice": (lambda: pa.table([X[:, 0], X[:, 1], Y], names=["a", "y", "y"]), ["'y'"]),
}


@pytest.mark.parametrize("case", ARROW)
def test_arrow(case):
    make, words = ARROW[case]
    refusal.check(lambda: fi.rows.arrow(make(), target="y"), words)


CSV = {
    "text among numbers": ("1,a,oops,1", ["'x1'", "row 7 of", "1.csv", "oops"]),
    "a gap": ("1,a,,1", ["'x1' is missing", "row 7 of", "1.csv", "row 27 "]),
    "a short line": ("1,a", ["1.csv", "Expected 4 columns, got 2"]),
    "bytes": (b"1,\xe9,1,1", ["'town'", "row 7 of", "1.csv"]),
}


@pytest.mark.parametrize("case", CSV)
def test_csv(tmp_path, case):
    line, words = CSV[case]
    table = pa.table({name: columns()[name] for name in ("x0", "town", "x1", "y")})
    for k in range(3):
        csv_writer.write_csv(table.slice(20 * k, 20), tmp_path / f"{k}.csv")
    lines = (tmp_path / "1.csv").read_bytes().splitlines()
    lines[8] = line if isinstance(line, bytes) else line.encode()
    (tmp_path / "1.csv").write_bytes(b"\n".join(lines))
    roles = {"target": "y", "features": ["x1", "town"], "max_memory": ROOM}
    refusal.check(lambda: fit(fi.rows.csv(tmp_path, **roles)), words)


@pytest.mark.parametrize("text", ["", "x0,town,x1,y\n"])
@pytest.mark.parametrize("k", [0, 1])
def test_empty_csv(tmp_path, text, k):
    for j in range(2):
        (tmp_path / f"{j}.csv").write_text("x0,town,x1,y\n1,a,2,0\n2,b,1,1\n")
    (tmp_path / f"{k}.csv").write_text(text)
    refusal.check(lambda: fit(fi.rows.csv(tmp_path, target="y")), [f"{k}.csv"])


def test_another_delimiter(tmp_path):
    (tmp_path / "a.csv").write_text("x0;y\n1.5;0\n2.5;1\n")
    refusal.check(lambda: fi.rows.csv(tmp_path, target="y"), ["'y'", "x0;y"])
    refusal.check(lambda: fi.rows.csv(tmp_path, target="y", delimiter=";;"), ["delimiter"])


def test_without_pyarrow(tmp_path):
    """Where it is not installed, one error says what to install."""
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import fastinfluence as fi\n"
        f"try: fi.rows.parquet({str(write(tmp_path, columns()))!r}, target='y')\n"
        "except fi.FastInfluenceError as error: print(error)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install" in out.stdout
    assert "parquet" in out.stdout
