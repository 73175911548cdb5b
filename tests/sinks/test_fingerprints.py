"""Fingerprints of tables: the same for the same numbers, another for any change."""

import numpy as np
import pytest
from scipy.sparse import csr_array

import fastinfluence as fi
from fastinfluence.fingerprints import of_array, of_arrays, of_json
from fastinfluence.rows.indexed import IndexedRows
from fastinfluence.rows.overlay import OverlayRows
from fastinfluence.rows.sources import as_rows
from fastinfluence.rows.view import RowView

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5_000, 60)) * (RNG.uniform(size=(5_000, 60)) < 0.4)  # two blocks

SAME = {
    "Fortran order": np.asfortranarray(X),
    "strided": np.repeat(X, 2, axis=1)[:, ::2],
    "byte-swapped": X.astype(X.dtype.newbyteorder()),
    "read-only": np.frombuffer(X.tobytes()).reshape(X.shape),
}


def changed(row, column, value):
    out = X.copy()
    out[row, column] = value
    return out


OTHER = {
    "first number": changed(0, 0, 7.0),
    "last number": changed(-1, -1, 7.0),
    "single precision": X.astype(np.float32),
    "two rows swapped": X[[1, 0, *range(2, len(X))]],
    "one row less": X[:-1],
    "another shape": X.reshape(len(X) // 2, -1),
    "sparse": csr_array(X),
}


def of(values):
    return as_rows(values).fingerprint()


@pytest.mark.parametrize("name", SAME)
def test_the_layout_in_memory_does_not_count(name):
    assert of(SAME[name]) == of(X)


@pytest.mark.parametrize("name", OTHER)
def test_any_change_counts(name):
    assert of(OTHER[name]) != of(X)


def test_sparse_rows():
    wide = csr_array(X)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert of(wide) == of(csr_array(X))
    moved = csr_array(X)
    moved.indices = moved.indices.copy()
    row = moved.indices[: moved.indptr[1]]
    row[-1] = min(set(range(60)) - set(row))
    assert of(moved) != of(csr_array(X))
    values = csr_array(X)
    values.data = values.data.copy()
    values.data[-1] += 1.0
    assert of(values) != of(csr_array(X))


@pytest.mark.parametrize("store", [np.asarray, csr_array])
def test_views_and_overlays_are_what_they_show(store):
    table = as_rows(store(X))
    kept = np.flatnonzero(RNG.uniform(size=len(X)) < 0.5)
    assert RowView(table, kept).fingerprint() == of(store(X[kept]))
    at = np.array([3_000, 7])
    new = RNG.normal(size=(2, 60))
    full = X.copy()
    full[at] = new
    over = OverlayRows(table, at, as_rows(new).take(slice(None)))
    assert over.fingerprint() == of(store(full))


def test_rows_of_an_oracle():
    images, y = RNG.normal(size=(30, 4, 4)), np.arange(30)
    first = IndexedRows(images, y, 8).fingerprint()
    assert IndexedRows(images.copy(), y.copy(), 5).fingerprint() == first
    assert IndexedRows(images.reshape(30, 16), y, 8).fingerprint() != first
    assert IndexedRows(images, y[::-1], 8).fingerprint() != first
    assert IndexedRows(images, None, 8).fingerprint() != first
    with pytest.raises(fi.UnsupportedError, match="X is a list that holds no plain numbers"):
        IndexedRows(["a", "b"], None, 8).fingerprint()


def test_arrays_and_documents():
    a = np.arange(6.0)
    assert of_array(a) == of_array(np.arange(12.0)[::2] / 2) != of_array(a.reshape(2, 3))
    assert of_array(a) != of_array(a.astype(int))
    assert of_array(np.empty((0, 3))) != of_array(np.empty((3, 0)))
    assert of_arrays([a, None]) != of_arrays([a]) != of_arrays([None, a])
    assert of_json({"a": 1, "b": [2.5]}) == of_json({"b": [2.5], "a": 1}) != of_json({"a": 1})
