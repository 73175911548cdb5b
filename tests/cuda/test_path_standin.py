"""The stand-in itself: it refuses what CuPy refuses, and counts what crosses."""

from typing import Any

import numpy as np
import pytest
from cuda.standin import ON_HARDWARE, installed
from cuda.standin.array import REAL

pytestmark = pytest.mark.skipif(ON_HARDWARE, reason="about the stand-in")


@pytest.fixture
def played():
    """The module and its account."""
    with installed() as both:
        yield both


HOST = np.arange(3.0)
REFUSED = {
    "adding the host's": lambda x: x + HOST,
    "adding to the host's": lambda x: HOST + x,
    "product with the host's": lambda x: HOST @ x,
    "where with the host's": lambda x: np.where(x > 0, x, HOST),
    "joining the host's": lambda x: np.concatenate([x, HOST]),
    "asarray": np.asarray,
    "contiguous": np.ascontiguousarray,
    "an index of the host's": lambda x: x[np.array([0, 1])],
    "a mask of the host's": lambda x: x[HOST > 1],
    "storing the host's": lambda x: x.__setitem__(slice(None), HOST),
    "where= of a ufunc": lambda x: np.add(x, x, where=x > 0),
    "reduce of a ufunc": np.add.reduce,
    "a format": lambda x: f"{x[0]:.2f}",
    "read-only": lambda x: setattr(x.flags, "writeable", False) or x.flags.nothing,
}
UNKNOWN = {
    "block": lambda x: np.block([x, x]),
    "spacing": np.spacing,
    "initial=": lambda x: x.max(initial=0.0),
    "initial= of a function": lambda x: np.max(x, initial=0.0),
}
"""Names and arguments that the real CuPy lacks."""


@pytest.mark.parametrize("what", REFUSED)
def test_it_refuses(what: str, played: Any) -> None:
    x = played[0].arange(3.0)
    with pytest.raises((TypeError, AttributeError)):
        REFUSED[what](x)


@pytest.mark.skipif(REAL is None, reason="CuPy says what it has")
@pytest.mark.parametrize("what", UNKNOWN)
def test_it_knows_what_cupy_has(what: str, played: Any) -> None:
    x = played[0].arange(3.0)
    with pytest.raises(TypeError):
        UNKNOWN[what](x)


def test_it_counts(played: Any) -> None:
    cp, ledger = played
    x = cp.asarray(HOST)
    assert (ledger.up, ledger.down) == ([24], [])
    total = x.sum()
    assert isinstance(total, cp.ndarray)
    assert total.ndim == 0
    assert float(total) == 3.0
    assert bool((x[1:] > 0).all())
    assert ledger.reads == 2
    np.testing.assert_array_equal(cp.asnumpy(x + 1), HOST + 1)
    assert ledger.down == [24]
    with ledger.of() as seen:
        x.tolist()
    assert (seen.reads, ledger.reads) == (3, 5)


def test_memory_ends_and_comes_back(played: Any) -> None:
    cp, ledger = played
    ledger.limit = ledger.held + 1000
    x = cp.zeros(100)
    with pytest.raises(cp.cuda.memory.OutOfMemoryError, match="allocating 800 bytes"):
        cp.zeros(100)
    del x
    assert cp.zeros(100).shape == (100,)


def test_new_memory_holds_nothing_of_use(played: Any) -> None:
    assert np.isnan(played[0].empty(4).get()).all()


def test_copies_wait_until_somebody_does(played: Any) -> None:
    cp, _ = played
    stream, event, x = cp.cuda.Stream(), cp.cuda.Event(), cp.zeros(3)
    x.set(HOST, stream=stream)
    event.record(stream)
    assert float(x.sum()) == 0.0
    cp.cuda.get_current_stream().wait_event(event)
    assert float(x.sum()) == 3.0


def test_half_a_factor_without_errstate(played: Any) -> None:
    import cupyx

    A = -played[0].eye(2)
    assert np.linalg.cholesky(A).shape == (2, 2)
    with cupyx.errstate(linalg="raise"), pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(A)
