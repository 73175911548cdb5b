"""Compiled pointwise kernels over arrays."""

import threading

import numpy as np
import pytest

from fastinfluence.errors import InputError
from fastinfluence.kernels.cpu.pointwise import evaluate, kernel
from fastinfluence.spec import losses


@pytest.fixture
def loss():
    return losses.huber(delta=1.0)


def test_kernel_has_the_stated_signature(loss):
    F = np.array([[0.5, 3.0], [-2.0, 0.1]])
    y = np.array([0.0, 1.0])
    value, d1 = np.empty_like(F), np.empty_like(F)
    kernel(loss.program, ("value", "d1"))(F, y, loss.param_values, value, d1)
    r = F - y[:, None]
    np.testing.assert_allclose(d1, np.clip(r, -1, 1))
    np.testing.assert_allclose(value, np.where(abs(r) <= 1, r**2 / 2, abs(r) - 0.5))


def test_kernels_are_made_once_and_read_parameters_at_run_time(loss):
    other = losses.huber(delta=2.0)
    assert kernel(loss.program, ("d1",)) is kernel(other.program, ("d1",))
    (d1,) = evaluate(other.program, other.param_values, np.array([9.0]), np.zeros(1), ("d1",))
    assert d1[0] == 2.0


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3), (0,), (0, 3), (5, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_and_dtype_are_kept(loss, shape, dtype):
    f = np.ones(shape, dtype)
    for out in evaluate(loss.program, loss.param_values, f, np.zeros(shape[0]), ("d1", "d2")):
        assert out.shape == shape
        assert out.dtype == dtype


def test_other_layouts_and_types_are_normalised(loss):
    f = np.arange(12.0).reshape(3, 4)
    y = [0, 1, 2]
    expected = evaluate(loss.program, loss.param_values, f, np.array(y, float), ("value",))[0]
    for other in (np.asfortranarray(f), f.astype(int), f.tolist(), np.repeat(f, 2, axis=0)[::2]):
        found = evaluate(loss.program, loss.param_values, other, y, ("value",))[0]
        np.testing.assert_array_equal(found, expected)


def test_wrong_shapes_are_refused(loss):
    with pytest.raises(InputError, match="shapes"):
        evaluate(loss.program, loss.param_values, np.ones(3), np.ones(4), ("value",))
    with pytest.raises(InputError, match="shapes"):
        evaluate(loss.program, loss.param_values, np.ones((1, 1, 1)), np.ones(1), ("value",))
    with pytest.raises(InputError, match="parameters"):
        evaluate(loss.program, np.ones(3), np.ones(3), np.ones(3), ("value",))


def test_threads_may_ask_for_the_same_kernel_at_once():
    loss = losses.logcosh()
    found = []

    def work():
        found.append(
            evaluate(loss.program, loss.param_values, np.ones(3), np.zeros(3), ("d3", "d1"))
        )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for pair in found[1:]:
        np.testing.assert_array_equal(pair, found[0])
