"""What a table brings beside numbers: an index, labels that are missing, columns no model takes."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

import fastinfluence as fi
from fastinfluence.audit import Options, audit

RNG = np.random.default_rng(0)
N = 120
FRAME = pd.DataFrame(RNG.normal(size=(N, 3)), columns=list("abc"))
Y = (FRAME.a + RNG.normal(size=N) > 0).astype(int).to_numpy()


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(Y),
        pd.date_range("2020-01-01", periods=N),
        pd.MultiIndex.from_arrays([Y, np.arange(N)]),
        pd.Index(RNG.normal(size=N), name="weight"),
    ],
    ids=["labels", "dates", "two levels", "numbers"],
)
def test_an_index_is_no_column(index):
    """Whatever it holds: the labels themselves, here, which would give everything away."""
    plain = fi.find_label_issues(FRAME, Y, l2=0.1)
    named = fi.find_label_issues(FRAME.set_index(index), Y, l2=0.1)
    np.testing.assert_array_equal(named.score, plain.score)
    table = FRAME.assign(y=Y)
    both = [audit(t, Options("y")).quality() for t in (table, table.set_index(index))]
    assert both[0] == both[1]


def test_a_sparse_table_is_scaled_as_a_dense_one():
    X = FRAME.to_numpy() + 5.0
    dense = fi.find_label_issues(X, Y, l2=0.02)
    found = fi.find_label_issues(csr_array(X), Y, l2=0.02)
    np.testing.assert_allclose(found.score, dense.score, rtol=1e-6, atol=1e-9)


def test_the_only_row_of_a_class_cannot_be_held_out():
    y = Y.copy()
    y[7] = 2
    found = fi.find_label_issues(FRAME.to_numpy(), y, folds=5)
    assert np.flatnonzero(np.isnan(found.score)).tolist() == [7]
    assert found.rows[-1] == 7


COLUMNS = {
    "two types": ([1, "a"] * (N // 2), "column o"),
    "large integers": ([10**30] * N, "cannot be read"),
    "complex": (FRAME.a + 1j, "column o"),
    "intervals": (pd.cut(FRAME.a, 3), "cannot be encoded"),
    "sparse": (pd.arrays.SparseArray([0.0, 1.0] * (N // 2)), "column o"),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_that_no_model_takes(kind):
    values, told = COLUMNS[kind]
    with pytest.raises(fi.InputError, match=told):
        fi.find_label_issues(FRAME.assign(o=values), Y)


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (np.where(np.arange(N) == 5, np.nan, Y), "missing in row 5, one of 1 such"),
        (pd.Series(["a", None] * (N // 2)), "missing in row 1"),
        (pd.Series([1, pd.NA] * (N // 2), dtype="Int64"), "missing in row 1"),
        ([(1, 2), (2, 3)] * (N // 2), "one dimension"),
        (np.zeros(N, dtype=int), r"one class only \(0\)"),
    ],
)
def test_labels_that_are_none(y, told):
    with pytest.raises(fi.InputError, match=told):
        fi.find_label_issues(FRAME, y)


def test_tables_of_arrow_and_names_that_are_numbers():
    expected = fi.find_label_issues(FRAME, Y, l2=0.1).score
    batch = pa.RecordBatch.from_pandas(FRAME)
    texts = pa.array(np.array(["no", "yes"])[Y].tolist())
    np.testing.assert_array_equal(fi.find_label_issues(batch, texts, l2=0.1).score, expected)
    numbered = FRAME.rename(columns={"c": 3})
    np.testing.assert_array_equal(fi.find_label_issues(numbered, Y, l2=0.1).score, expected)
    with pytest.raises(fi.InputError, match="more than one column named 'a'"):
        fi.find_label_issues(FRAME.set_axis(["a", "a", "b"], axis=1), Y)
    with pytest.raises(fi.InputError, match="the table is a Series"):
        fi.find_label_issues(FRAME.a, Y)


def test_what_is_no_model_and_what_are_no_scores():
    X = FRAME.to_numpy()
    for call in (fi.rank_harmful, fi.value_rows, fi.removal_curve):
        with pytest.raises(fi.InputError, match="first argument is a ndarray"):
            call(X, X, Y)
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, Y)
    found = fi.find_label_issues(infl)
    with pytest.raises(fi.InputError, match=r"LabelIssues: give a score.*\.score"):
        fi.removal_curve(infl, X, Y, order=found)
    with pytest.raises(fi.InputError, match=r"not \.rows"):
        fi.removal_curve(infl, X, Y, order=found.rows)


def test_a_single_random_order_is_a_draw_too():
    X = FRAME.to_numpy()
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, Y)
    curve = fi.removal_curve(infl, X, Y, fractions=[0, 0.1], draws=1)
    assert {name: table.shape for name, table in curve.loss.items()} == {
        "highest score first": (2,),
        "lowest score first": (2,),
        "at random": (2, 1),
    }
    assert len(curve.to_frame()) == 6
