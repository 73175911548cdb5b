"""Every kind of sparse matrix a caller may hold is taken as it is, and never changed."""

import numpy as np
import pytest
from scipy import sparse

import fastinfluence as fi

N, D = 30, 4
RNG = np.random.default_rng(3)
X = np.where(RNG.random((N, D)) < 0.5, RNG.normal(size=(N, D)), 0.0)
X[5] = 0.0
Y = (X.sum(axis=1) + RNG.normal(size=N) > 0).astype(int)
SPEC = fi.GLM("logistic", l2=0.1)


def scores(table, y=Y):
    infl = fi.Influence.fit(SPEC, table, y, tol=1e-11)
    return infl.on_loss(table, y)


EXPECTED = scores(X)


def shuffled():
    """Return X with the entries of every row out of order."""
    out = sparse.csr_array(X)
    for a, b in zip(out.indptr[:-1], out.indptr[1:], strict=True):
        out.indices[a:b] = out.indices[a:b][::-1].copy()
        out.data[a:b] = out.data[a:b][::-1].copy()
    out.has_sorted_indices = False
    return out


def halves(kind):
    """Return X with every number stored as two halves."""
    once = sparse.coo_array(X)
    row, column = np.tile(once.row, 2), np.tile(once.col, 2)
    if kind == "coo":
        return sparse.coo_array((np.tile(once.data / 2, 2), (row, column)), shape=X.shape)
    order = np.argsort(row, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=N))])
    data = np.tile(once.data / 2, 2)[order]
    return sparse.csr_matrix((data, column[order], ends), shape=X.shape)


def with_zeros():
    """Return X with a stored zero in every place."""
    everywhere = np.tile(np.arange(D), N), np.arange(0, N * D + 1, D)
    return sparse.csr_array((X.ravel().copy(), *everywhere), shape=X.shape)


def long_indices():
    out = sparse.csr_array(X)
    out.indices, out.indptr = out.indices.astype(np.int64), out.indptr.astype(np.int64)
    return out


def roomy():
    """Return X in arrays longer than what they hold."""
    out = sparse.csr_array(X)
    out.data = np.append(out.data, [np.nan, np.inf])
    out.indices = np.append(out.indices, [99, -7]).astype(np.int32)
    return out


def frozen():
    """Return X in memory that may not be written to."""
    out = sparse.csr_array(X)
    for part in (out.data, out.indices, out.indptr):
        part.flags.writeable = False
    return out


TABLES = {
    **{
        f"{kind}_{form}": lambda kind=kind, form=form: getattr(sparse, f"{kind}_{form}")(X)
        for kind in ("csr", "csc", "coo", "lil", "bsr", "dok")
        for form in ("array", "matrix")
    },
    "unsorted": shuffled,
    "duplicates": lambda: halves("csr"),
    "duplicates, coo": lambda: halves("coo"),
    "explicit zeros": with_zeros,
    "int64 indices": long_indices,
    "spare room": roomy,
    "read-only": frozen,
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name):
    table = TABLES[name]()
    parts = [getattr(table, part).copy() for part in ("data", "indices") if hasattr(table, part)]
    np.testing.assert_allclose(scores(table), EXPECTED, rtol=1e-8, atol=1e-12)
    for part, before in zip(("data", "indices"), parts, strict=False):
        np.testing.assert_array_equal(getattr(table, part), before)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint16, bool])
def test_other_numbers(dtype):
    whole = np.round(2 * X).astype(dtype)
    dense = whole.astype(np.float64)
    np.testing.assert_allclose(scores(sparse.csr_array(whole)), scores(dense), atol=1e-10)


def test_single_precision_is_kept():
    infl = fi.Influence.fit(SPEC, sparse.csr_array(X.astype(np.float32)), Y)
    assert infl._problem.rows.dtype == np.float32
    np.testing.assert_allclose(infl.on_loss(X, Y), EXPECTED, rtol=1e-4, atol=1e-6)


def test_memory_is_shared():
    table = sparse.csr_array(X)
    infl = fi.Influence.fit(SPEC, table, Y)
    assert np.shares_memory(infl._problem.rows.take(slice(None)).data, table.data)


def changed(value):
    out = sparse.csr_array(X)
    out.data[7] = value
    return out


def corrupt(part, at, value):
    out = sparse.csr_array(X)
    getattr(out, part)[at] = value
    return out


ROW = int(sparse.coo_array(X).row[7])
COLUMN = int(sparse.coo_array(X).col[7])
WRONG = {
    "nan": (lambda: changed(np.nan), ["nan", f"row {ROW}", f"'x{COLUMN}'"]),
    "infinity": (lambda: changed(-np.inf), ["-inf", f"row {ROW}", f"'x{COLUMN}'"]),
    "no columns": (lambda: sparse.csr_array((N, 0)), ["no columns"]),
    "no rows": (lambda: sparse.csr_array((0, D)), ["no rows"]),
    "complex": (lambda: sparse.csr_array(X.astype(complex)), ["complex"]),
    "column too large": (lambda: corrupt("indices", 3, D), ["column", f"{D - 1}"]),
    "negative column": (lambda: corrupt("indices", 3, -1), ["column", "0"]),
    "falling indptr": (lambda: corrupt("indptr", 4, 0), ["indptr"]),
    "indptr too long": (lambda: corrupt("indptr", -1, 999), ["valid"]),
    "rows missing": (lambda: sparse.csr_array(X[1:]), ["29", "30"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tables(name):
    make, words = WRONG[name]
    with pytest.raises(fi.InputError) as caught:
        fi.Influence.fit(SPEC, make(), Y)
    for word in words:
        assert word in str(caught.value)


def test_wrong_test_rows():
    infl = fi.Influence.fit(SPEC, sparse.csr_array(X), Y)
    with pytest.raises(fi.InputError, match="X_test has 3 columns"):
        infl.on_loss(sparse.csr_array(X[:, :3]), Y)
    with pytest.raises(fi.InputError, match=f"X_test holds nan in row {ROW}"):
        infl.on_loss(changed(np.nan), Y)


def test_nothing_but_zeros():
    """Only the intercept can say anything of the labels."""
    table = sparse.csr_matrix((N, D))
    infl = fi.Influence.fit(SPEC, table, Y)
    share = Y.mean()
    np.testing.assert_allclose(infl.theta[:-1], 0.0, atol=1e-12)
    np.testing.assert_allclose(infl.theta[-1], np.log(share / (1 - share)), rtol=1e-9)
    dense = fi.Influence.fit(SPEC, np.zeros((N, D)), Y)
    np.testing.assert_allclose(infl.self_influence(), dense.self_influence(), rtol=1e-9)


def test_start_without_an_intercept():
    """A loss with a bounded domain starts from a least-squares solution of either storage."""
    spec = fi.GLM(fi.families.poisson(link="identity"), l2=0.01, fit_intercept=False)
    counts = RNG.poisson(3.0, size=N)
    table = np.abs(X) + 0.5 * (np.arange(D) == 0)
    table[5, 1] = 1.0
    fitted = fi.Influence.fit(spec, sparse.csr_array(table), counts)
    np.testing.assert_allclose(fitted.theta, fi.Influence.fit(spec, table, counts).theta, rtol=1e-7)
