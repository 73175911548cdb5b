"""The two kernel packages are one interface: the same functions with the same arguments."""

import inspect
from importlib import import_module

import pytest

MODULES = ["csr", "glm", "lissa", "mlp", "multinomial", "multinomial_lissa", "pointwise", "scores"]
HELPERS = {"curve_row"}
"""Compiled functions of the CPU's that only its own kernels call."""


def functions(package, name):
    """Return the argument names of each public function that a module defines."""
    module = import_module(f"fastinfluence.kernels.{package}.{name}")
    plain = {key: getattr(value, "py_func", value) for key, value in vars(module).items()}
    return {
        key: list(inspect.signature(value).parameters)
        for key, value in plain.items()
        if not key.startswith("_")
        and key not in HELPERS
        and callable(value)
        and getattr(value, "__module__", None) == module.__name__
        and not inspect.isclass(value)
    }


@pytest.mark.parametrize("name", MODULES)
def test_every_function_of_the_cpu_is_there(name):
    here, there = functions("cpu", name), functions("cuda", name)
    assert here
    assert {key: there.get(key) for key in here} == here
