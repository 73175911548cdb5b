"""What is wrong with a streamed table is one error, which names file, column and row."""

import subprocess
import sys

import numpy as np
import pytest
import refusal
from stream_cases import ROOM, pa, parquet, pq, small_blocks, write

import fastinfluence as fi

N, LATE = 60, 47
"""Row 47 is row 7 of the third file."""
pytestmark = pytest.mark.usefixtures(small_blocks.__name__)
csv_writer = pytest.importorskip("pyarrow.csv")


def columns(**changes):
    rng = np.random.default_rng(1)
    out = {
        "x0": rng.normal(size=N),
        "town": np.array(["Ayr", "Bath", "Cork"])[np.arange(N) % 3],
        "x1": rng.normal(size=N),
        "y": (rng.random(N) < 0.5).astype(float),
        "w": rng.uniform(0.5, 2.0, N),
        "o": 0.1 * rng.normal(size=N),
    }
    return {**out, **changes}


def with_entry(name, value, row=LATE):
    """The columns with one entry replaced; None makes it null."""
    values = list(columns()[name])
    values[row] = value
    return columns(**{name: pa.array(values)})


def fit(table, spec=None):
    return fi.Influence.fit(spec or fi.GLM("logistic", l2=0.1), table)


def changed_part(folder, change, k=2):
    """The table with one of its files rewritten."""
    write(folder, columns())
    path = folder / f"p{k}.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    return fi.rows.parquet(folder, "y", weight="w", offset="o", max_memory=ROOM)


WHERE = ["p2.parquet", "row 7 ", "row 47 "]
ENTRIES = [
    (name, value, told)
    for name in ("x0", "x1", "y", "w", "o")
    for value, told in ((np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (None, "missing"))
]
ENTRIES += [("town", None, "missing"), ("w", -2.0, "-2.0"), ("y", 3.0, "label number 3")]


@pytest.mark.parametrize(("name", "value", "told"), ENTRIES)
def test_a_late_entry(tmp_path, name, value, told):
    table = parquet(tmp_path, with_entry(name, value))
    refusal.check(lambda: fit(table), [f"column '{name}' is", told, *WHERE])


def test_the_first_of_many_is_named(tmp_path):
    """However many follow, and whichever thread meets them first."""
    values = columns()["x1"]
    values[23:] = np.nan
    table = parquet(tmp_path, columns(x1=values))
    for _ in range(5):
        refusal.check(lambda: fit(table), ["'x1'", "row 3 of", "p1.parquet", "row 23 "])


BELOW = np.where(np.arange(N) == LATE, -1.0, 2.0)
POISSON = fi.GLM("poisson", l2=0.1)
TARGETS = {
    "one label": (np.ones(N), None, ["column 'y'", "one label only", "1.0"]),
    "text for a number": (["a"] * N, POISSON, ["column 'y'", "string", "zero or positive"]),
    "dates": (np.full(N, "2020-01-01", "M8[D]"), POISSON, ["column 'y'", "date32", "zero or"]),
    "dates as labels": (np.full(N, "2020-01-01", "M8[D]"), None, ["column 'y'", "date32", "text"]),
    "below the domain": (BELOW, POISSON, ["column 'y' is -1.0", *WHERE, "zero or positive"]),
}


@pytest.mark.parametrize("case", TARGETS)
def test_targets(tmp_path, case):
    y, spec, words = TARGETS[case]
    table = parquet(tmp_path, columns(y=y))
    refusal.check(lambda: fit(table, spec), words)


def test_too_many_labels_are_not_collected(tmp_path, monkeypatch):
    monkeypatch.setattr("fastinfluence.surveys.MOST_CLASSES", 20)
    table = parquet(tmp_path, columns(y=np.arange(N)))
    words = ["column 'y' is 20 ", "row 0 of", "p1.parquet", "label number 21", "at most 20"]
    refusal.check(lambda: fit(table, fi.GLM("multinomial", l2=0.1)), words)


def test_too_many_categories_are_not_collected(tmp_path, monkeypatch):
    monkeypatch.setattr("fastinfluence.rows.survey.MOST_CATEGORIES", 20)
    table = parquet(tmp_path, columns(town=[f"t{k}" for k in range(N)]))
    refusal.check(lambda: fit(table), ["'town'", "more than 20 categories", "id="])


def test_weights_that_sum_to_nothing(tmp_path):
    table = parquet(tmp_path, columns(w=np.zeros(N)))
    refusal.check(lambda: fit(table), ["column 'w'", "sums to 0.0"])


PARTS = {
    "another type": (
        lambda t: t.set_column(0, "x0", t["x0"].cast(pa.float32())),
        ["'x0'", "float in", "p2.parquet", "double in", "p0.parquet"],
    ),
    "text for numbers": (
        lambda t: t.set_column(0, "x0", pa.array(["1"] * t.num_rows)),
        ["'x0'", "string in", "p2.parquet"],
    ),
    "a missing column": (lambda t: t.drop_columns(["x1"]), ["p2.parquet", "no column 'x1'"]),
    "a column more": (
        lambda t: t.append_column("x2", t["x1"]),
        ["p2.parquet", "a column 'x2'", "p0.parquet", "features="],
    ),
    "no rows": (lambda t: t.slice(0, 0), ["p2.parquet", "no rows"]),
}


@pytest.mark.parametrize("case", PARTS)
def test_a_part_unlike_the_others(tmp_path, case):
    change, words = PARTS[case]
    refusal.check(lambda: fit(changed_part(tmp_path, change)), words)


def test_columns_in_another_order_are_fine(tmp_path):
    found = fit(changed_part(tmp_path, lambda t: t.select(t.column_names[::-1])))
    assert found._problem.feature_names[-1] == "x1"


BYTES = {
    "empty": (lambda data: b"", ["cannot be read as Parquet"]),
    "cut off": (lambda data: data[: len(data) // 2], ["cannot be read as Parquet"]),
    "text": (lambda data: b"no Parquet at all, but text", ["cannot be read as Parquet"]),
    "spoiled": (
        lambda data: data[:4] + b"\xff" * 200 + data[204:],
        ["cannot be read in row group 0, from row 0 on"],
    ),
}


@pytest.mark.parametrize("case", BYTES)
def test_a_file_that_is_no_parquet(tmp_path, case):
    change, words = BYTES[case]
    path = write(tmp_path, columns()) / "p1.parquet"
    path.write_bytes(change(path.read_bytes()))
    refusal.check(lambda: fit(fi.rows.parquet(tmp_path, "y")), [str(path), *words])


CHANGES = {
    "fewer rows": lambda path, table: pq.write_table(table.slice(0, 9), path),
    "another value": lambda path, table: pq.write_table(
        table.set_column(0, "x0", pa.array(np.full(table.num_rows, np.nan))), path
    ),
    "gone": lambda path, table: path.unlink(),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_file_that_changes_between_passes(tmp_path, case):
    infl = fit(parquet(tmp_path, columns()))
    path = tmp_path / "p1.parquet"
    CHANGES[case](path, pq.read_table(path))
    refusal.check(infl.self_influence, [str(path), "changed"])


FRAME = {"x0": [0.0, 1.0], "town": ["Ayr", "Cork"], "x1": [0.5, 0.5]}
TEST_ROWS = {
    "a new category": ({"town": ["Ayr", "Deal"]}, ["'town'", "'Deal'", "row 1 of X_test"]),
    "a null": ({"x1": [0.5, None]}, ["'x1'", "X_test", "missing", "row 1"]),
    "no category": ({"town": [None, "Ayr"]}, ["'town'", "X_test", "missing", "row 0"]),
    "nan": ({"x1": [0.5, np.nan]}, ["'x1'", "X_test", "row 1"]),
    "text for numbers": ({"x1": ["a", "b"]}, ["'x1'", "X_test", "string"]),
    "numbers for text": ({"town": [1, 2]}, ["'town'", "row 0 of X_test"]),
}


@pytest.mark.parametrize("case", TEST_ROWS)
def test_test_rows(tmp_path, case):
    changes, words = TEST_ROWS[case]
    infl = fit(parquet(tmp_path, columns(), offset=None, features=["x0", "town", "x1"]))
    frame = pa.table({**FRAME, **changes})
    refusal.check(lambda: infl.on_loss(frame, [0, 1]), words)


def test_other_test_rows(tmp_path):
    infl = fit(parquet(tmp_path, columns(), offset=None, features=["x0", "town", "x1"]))
    frame = pa.table(FRAME)
    assert infl.on_loss(frame, [0, 1]).shape == (2, N)
    words = ["'town'", "X_test"]
    refusal.check(lambda: infl.on_loss(frame.drop_columns(["town"]), [0, 1]), words)
    refusal.check(lambda: infl.on_loss(np.zeros((2, 3)), [0, 1]), ["data frame", "town"])
    refusal.check(lambda: infl.on_loss(frame.slice(0, 0), []), ["X_test", "no rows"])
    with_offset = fit(parquet(tmp_path, columns()))
    refusal.check(lambda: with_offset.on_loss(frame, [0, 1]), ["offset_test"])


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
