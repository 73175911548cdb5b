"""What is wrong with a streamed table is one error, which names file, column and row."""

import numpy as np
import pytest
import refusal
from stream_cases import ROOM, columns, fit, pa, parquet, pq, small_blocks, write

import fastinfluence as fi

N, LATE = 60, 47
"""Row 47 is row 7 of the third file."""
pytestmark = pytest.mark.usefixtures(small_blocks.__name__)


def with_entry(name, value, row=LATE):
    """The columns with one entry replaced; None makes it null."""
    values = list(columns()[name])
    values[row] = value
    return columns(**{name: pa.array(values)})


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


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_gap_among_the_categories_themselves(missing):
    """A dictionary may hold a null or NaN, and a row its code."""
    codes = np.zeros(N, dtype=int)
    codes[LATE] = 1
    town = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array([1.0, missing, 3.0]))
    table = pa.table(columns(town=town))
    words = ["'town' is missing in row 47"]
    refusal.check(lambda: fit(fi.rows.arrow(table, "y", max_memory=ROOM)), words)


def test_names_that_would_collide():
    table = pa.table(columns(**{"town=Ayr": columns()["x0"]}))
    refusal.check(lambda: fit(fi.rows.arrow(table, "y", max_memory=ROOM)), ["'town=Ayr'", "rename"])
