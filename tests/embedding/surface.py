"""Everything public, found by looking: names, and what each takes.

As a program it writes the list that tests/embedding/test_public_api.py compares with.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
import types
from pathlib import Path
from typing import Any

import fastinfluence as fi

MODULES = ("activations", "families", "losses", "rows", "solvers", "targets", "audit", "plots")
RESULTS = (
    "attacks:Attack", "attacks:Step", "audit.score:Scores", "audit.target:Target",
    "crossval:CrossValidation", "diagnostics:Diagnostics", "fit:FitStatus", "flips:Attempt",
    "flips:Flip", "flips:InfluentialSubset", "influence.account:Report", "removal:Removal",
    "scoring:SketchedScores", "sinks:Ranking", "sinks:TopKResult", "validation:Agreement",
    "validation:Validation",
)  # fmt: skip
"""What methods return; their classes are not names of ``fi``."""

LIST = Path(__file__).with_name("public_api.txt")

Surface = dict[str, Any]


def names(module: types.ModuleType) -> list[str]:
    """Return what a module says it offers."""
    listed = getattr(module, "__all__", None) or dir(module)
    return sorted(name for name in listed if not name.startswith("_"))


def top_level() -> Surface:
    """Return every public function and class, by the name a user writes after ``fi.``."""
    found = {}
    for name in fi.__all__:
        value = getattr(fi, name)
        if not isinstance(value, types.ModuleType):
            found[name] = value
    for name in MODULES:
        module = importlib.import_module(f"fastinfluence.{name}") if name in ("audit", "plots") \
            else getattr(fi, name)  # fmt: skip
        found.update({f"{name}.{inner}": getattr(module, inner) for inner in names(module)})
    for place in RESULTS:
        module, name = place.split(":")
        found[place.replace(":", ".")] = getattr(
            importlib.import_module(f"fastinfluence.{module}"), name
        )
    return found


def members(owner: type) -> Surface:
    """Return the public attributes of a class that were written in this library."""
    found = {}
    for name in dir(owner):
        if name.startswith("_"):
            continue
        value = inspect.getattr_static(owner, name)
        defined = next(k for k in owner.__mro__ if name in vars(k))
        if defined.__module__.startswith("fastinfluence"):
            found[name] = value
    return found


def is_call(value: Any) -> bool:
    """Whether a member does something when it is called or read."""
    kinds = (
        types.FunctionType, classmethod, staticmethod, property, functools.cached_property,
    )  # fmt: skip
    return isinstance(value, kinds)


def unwrapped(value: Any) -> Any:
    """Return the function behind a class method or a static one."""
    return value.__func__ if isinstance(value, classmethod | staticmethod) else value


def arguments(value: Any) -> str:
    """Return the parameters of a call and their defaults, without the types."""
    parameters = inspect.signature(value).parameters.values()
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return re.sub(r" at 0x[0-9a-f]+", "", str(inspect.Signature(plain)))


def lines() -> list[str]:
    """Return one line for each public name, as the committed list has them."""
    out = []
    for name, value in top_level().items():
        if not inspect.isclass(value):
            callable_ = callable(value) and inspect.isfunction(value)
            out.append(f"{name}{arguments(value) if callable_ else ''}")
            continue
        bases = [b.__name__ for b in value.__mro__[1:] if b.__module__.startswith("fastinfluence")]
        takes = "" if issubclass(value, BaseException) or _is_protocol(value) else arguments(value)
        kind = f" <- {bases[0]}" if issubclass(value, BaseException) and bases else ""
        out.append(f"{name}{takes}{kind}")
        out += [f"{name}.{inner}" for inner in _attributes(value)]
    return sorted(set(out))


def _is_protocol(value: type) -> bool:
    return bool(getattr(value, "_is_protocol", False))


def _attributes(owner: type) -> list[str]:
    if issubclass(owner, BaseException):
        return []
    shown = set(getattr(owner, "__dataclass_fields__", ()))
    shown = {name for name in shown if not name.startswith("_")}
    for name, value in members(owner).items():
        if isinstance(value, types.FunctionType | classmethod | staticmethod):
            shown.discard(name)
            shown.add(name + arguments(unwrapped(value)))
        elif is_call(value) or name not in shown:
            shown.add(name)
    return sorted(shown)


if __name__ == "__main__":
    LIST.write_text("\n".join(lines()) + "\n", encoding="utf-8")
    print(f"{len(lines())} names written to {LIST}", file=sys.stderr)
