"""From columns to numbers: kinds, missing values, categories, what is left out and said."""

import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from fastinfluence.audit import Options, audit, columns
from fastinfluence.audit.encode import encode
from fastinfluence.audit.target import read_target
from fastinfluence.errors import InputError

OPTIONS = Options("y", folds=2)
N = 12


def encoded(options=OPTIONS, **given):
    return encode(pa.table(given), options)


def column(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


def standard(values):
    values = np.asarray(values, float)
    return (values - values.mean()) / values.std()


NUMBERS = {
    "int": (pa.array([3, 1, 2] * 4), [3, 1, 2]),
    "float": (pa.array([0.5, 1.5, -2.0] * 4), [0.5, 1.5, -2.0]),
    "bool": (pa.array([True, False, True] * 4), [1, 0, 1]),
    "decimal": (pa.array([Decimal("1.5"), Decimal("2.5"), Decimal("0.5")] * 4), [1.5, 2.5, 0.5]),
    "date": (pa.array([datetime.date(2020, 1, d) for d in (3, 1, 2)] * 4), [3, 1, 2]),
    "time": (pa.array([datetime.time(h) for h in (3, 1, 2)] * 4), [3, 1, 2]),
    "timestamp": (
        pa.array([datetime.datetime(2020, 1, d) for d in (3, 1, 2)] * 4, pa.timestamp("ns", "UTC")),
        [3, 1, 2],
    ),
    "duration": (pa.array([3, 1, 2] * 4, pa.duration("ms")), [3, 1, 2]),
    "huge": (pa.array([1e300, -1e300, 0.0] * 4), [1, -1, 0]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_quantities_are_standardised(name):
    given, values = NUMBERS[name]
    out = encoded(a=given)
    assert out.names == ("a",)
    np.testing.assert_allclose(out.X[:, 0], standard(values * 4), rtol=1e-9)


def test_a_missing_number_becomes_the_median_and_is_marked():
    out = encoded(a=[1.0, None, 3.0, float("nan"), 5.0, float("inf")])
    assert out.names == ("a", "a is missing")
    np.testing.assert_array_equal(out.X[:, 1], [0, 1, 0, 1, 0, 1])
    np.testing.assert_allclose(out.X[:, 0], standard([1, 3, 3, 3, 5, 3]))


def test_one_value_or_none_leaves_the_mark_only():
    out = encoded(a=[2.0, None] * 3)
    assert out.names == ("a is missing",)


def test_a_column_named_like_a_mark_is_kept():
    out = encoded(a=[1.0, None, 3.0, 4.0], **{"a is missing": [1.0, 2.0, 5.0, 2.0]})
    assert out.names == ("a", "a is missing", "a is missing")


@pytest.mark.parametrize("missing", [None, "", " ", "NA", "?"])
def test_a_missing_text_is_a_category(missing):
    out = encoded(a=["x", "y", "y", missing] * 3)
    assert out.names == ("a = missing", "a = x", "a = y")
    np.testing.assert_array_equal(out.X[:4], [[0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_texts_of_every_type(kind):
    out = encode(pa.table({"a": pa.array(["x", " y ", "y"] * 4, kind)}), OPTIONS)
    assert out.names == ("a = y",)
    np.testing.assert_array_equal(out.X[:3, 0], [0, 1, 1])


def test_dictionaries_with_different_chunks():
    chunks = [pa.array(["b", "a"] * 3).dictionary_encode(), pa.array(["c"] * 3).dictionary_encode()]
    found = columns.codes(pa.chunked_array(chunks))
    assert found.labels == ("a", "b", "c")
    np.testing.assert_array_equal(found.codes, [1, 0, 1, 0, 1, 0, 2, 2, 2])


def test_codes_are_categories_where_asked_for():
    options = Options("y", folds=2, category=("a", "b"))
    out = encoded(options, a=[1, 2, 10, None] * 3, b=[0.5, 1.0, 2.0, 2.0] * 3)
    assert out.names[:4] == ("a = missing", "a = 1", "a = 10", "a = 2")
    assert out.names[4:] == ("b = 0.5", "b = 1", "b = 2")


def test_rare_categories_are_merged_and_that_is_said():
    values = [c for c in "abcdef" for _ in range(9)] + ["rare1", "rare2", "rare3", "rare3"]
    out = encoded(Options("y", max_categories=4), a=values)
    assert out.names == ("a = d", "a = e", "a = f", "a = other")
    (notice,) = out.notices
    assert "a: the 3 commonest" in notice
    assert "6 merged" in notice


LEFT_OUT = {
    "constant number": ([5] * N, "constant"),
    "constant text": (["x"] * N, "constant"),
    "no value": ([None] * N, "without any value"),
    "no text": ([""] * N, "without any value"),
    "names": ([f"name {i}" for i in range(N)], "nearly every row"),
    "row counter": (list(range(100, 100 + N)), "counting the rows"),
    "lists": ([[1, 2]] * N, "neither numbers nor text"),
    "bytes": ([b"x", b"y"] * 6, "neither numbers nor text"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_useless_columns_are_left_out_and_named(name):
    values, reason = LEFT_OUT[name]
    out = encoded(bad=values, x=[1.0, 2.0, 4.0] * 4)
    assert out.names == ("x",)
    (notice,) = out.notices
    assert reason in notice
    assert notice.endswith("bad")


def test_names_can_be_insisted_on():
    out = encoded(Options("y", category=("a",)), a=[f"name {i}" for i in range(N)])
    assert len(out.names) == N


@pytest.mark.parametrize("name", LEFT_OUT)
def test_nothing_left_is_an_error(name):
    with pytest.raises(InputError, match="no column is left"):
        encoded(bad=LEFT_OUT[name][0])


def test_the_target_and_dropped_columns_are_not_seen():
    out = encoded(Options("y", drop=("b",)), y=[1, 2, 4] * 4, a=[1, 2, 4] * 4, b=[1, 2, 4] * 4)
    assert out.names == ("a",)


TARGETS = {
    "texts": (["a", "b"] * 6, {}, "classify", "b"),
    "booleans": ([True, False] * 6, {}, "classify", "true"),
    "two numbers": ([2, 10] * 6, {}, "classify", "10"),
    "two numbers, as asked": ([2, 10] * 6, {"task": "regress"}, "regress", ""),
    "few numbers": ([1, 2, 10] * 4, {}, "regress", ""),
    "few numbers, one class": ([1, 2, 10] * 4, {"positive": "10"}, "classify", "10"),
    "floats, one class": ([1.0, 2.0, 10.0] * 4, {"positive": "2"}, "classify", "2"),
    "numbers": ([0.5 * i for i in range(N)], {}, "regress", ""),
    "smaller class, as asked": (["a", "b"] * 6, {"positive": "a"}, "classify", "a"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_target_chooses_the_model(name):
    values, given, task, positive = TARGETS[name]
    target = read_target(column(values), Options("y", **given))
    assert (target.task, target.positive) == (task, positive)
    labels = [str(v).lower().removesuffix(".0") for v in values]
    if task == "classify":
        np.testing.assert_array_equal(target.y, [label == positive for label in labels])
    else:
        np.testing.assert_allclose(target.centre + target.unit * target.y, values)
    stated = name in ("two numbers", "few numbers")
    assert len(target.notices) == int(stated)


@pytest.mark.parametrize(
    "values", [["a", None, "b", "NA"] * 4, [1.5, None, 2.5, float("nan")] * 4 + [0.5] * 3]
)
def test_rows_without_a_target_are_left_out(values):
    target = read_target(column(values), Options("y", folds=2))
    assert set(target.rows) == {i for i in range(len(values)) if i >= 16 or i % 2 == 0}


def test_a_table_of_another_library():
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    given = {"x": [1.0, 2.0, 4.0, 3.0] * 5, "c": list("abcab") * 4, "y": list("uvuu") * 5}
    arrow, *others = (
        audit(make(given), Options("y")) for make in (pa.table, pandas.DataFrame, polars.DataFrame)
    )
    for other in others:
        np.testing.assert_array_equal(other.scores.harm, arrow.scores.harm)
