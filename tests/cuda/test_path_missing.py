"""A machine without a device, or with a part of one: one error that says which part."""

import copy
import pickle
import sys

import numpy as np
import pytest
from cuda.standin import ON_HARDWARE, installed

import fastinfluence as fi
from fastinfluence import cli
from fastinfluence.backend import CPU, CUDA

pytestmark = pytest.mark.skipif(ON_HARDWARE, reason="takes parts of the stand-in away")

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 1, 0])


def _ask() -> None:
    fi.Influence(fi.GLM("logistic", l2=1.0), X, Y, np.zeros(3), device="cuda")


def _refused(capsys: pytest.CaptureFixture[str], part: str) -> None:
    """The error and `fastinfluence info` say the same."""
    with pytest.raises(fi.DeviceError, match=part) as caught:
        _ask()
    assert "pip install 'fastinfluence[cuda13]'" in str(caught.value)
    assert isinstance(caught.value, RuntimeError)
    assert cli.main(["info"]) == cli.OK
    assert str(caught.value) in capsys.readouterr().out


def test_no_cupy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    _refused(capsys, "CuPy is missing")


def test_no_driver(capsys: pytest.CaptureFixture[str]) -> None:
    with installed() as (cp, _):

        def fails() -> int:
            raise cp.cuda.runtime.CUDARuntimeError("cudaErrorInsufficientDriver")

        cp.cuda.runtime.getDeviceCount = fails
        _refused(capsys, "driver is missing or too old .*cudaErrorInsufficientDriver")


def test_no_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    with installed() as (cp, _):
        cp.cuda.runtime.getDeviceCount = lambda: 0
        _refused(capsys, "finds no GPU")


def test_no_compiler(capsys: pytest.CaptureFixture[str]) -> None:
    with installed() as (cp, _):

        def fails() -> tuple[int, int]:
            raise ImportError("libnvrtc.so.13")

        cp.cuda.nvrtc.getVersion = fails
        _refused(capsys, "NVRTC is missing .*libnvrtc")


def test_everything_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with installed():
        assert cli.main(["info"]) == cli.OK
    assert "cuda:0, stand-in, 1024 GiB, CuPy" in capsys.readouterr().out


def test_a_copied_or_pickled_backend_is_the_same_one() -> None:
    for backend in (CPU, CUDA):
        assert copy.deepcopy(backend) is backend
        assert pickle.loads(pickle.dumps(backend)) is backend


def test_unknown_device() -> None:
    with pytest.raises(fi.InputError, match="device='gpu' is unknown: use one of cpu, cuda"):
        fi.Influence(fi.GLM("logistic"), X, Y, np.zeros(3), device="gpu")
