"""Every public name tells its parameters, what comes back and what it raises."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fastinfluence as fi
from fastinfluence import plots

MODULES = (fi.targets, fi.rows, fi.solvers, plots, fi.losses, fi.families, fi.activations)
HEADING = re.compile(r"^(\w+)\n-{3,}$", re.MULTILINE)
NEVER_RAISES = {"choose", "evaluate", "most_harmful", "most_suspicious", "of", "takes_weights"}
"""They refuse nothing of their own; what is asked before them does."""
FOR_THE_LIBRARY = {
    *("about", "open", "prepare"),
    *("from_line", "from_table", "gauge_start", "l2_vector", "n_params", "param_names"),
    *("shapes", "shared_l2"),
}
"""What the library asks of a sink, a solver, a spec: a line each, their protocols say the rest."""
REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
SHOWN = re.compile(r"^\.\. autoclass:: fastinfluence\.(\S+)$", re.MULTILINE)


def heads(doc: str) -> set[str]:
    return set(HEADING.findall(inspect.cleandoc(doc)))


def names(module: Any) -> list[str]:
    return list(getattr(module, "__all__", None) or (n for n in dir(module) if n[0] != "_"))


def public() -> Iterator[tuple[str, Any]]:
    """Every public function, method and class, with a name for messages."""
    own = ((name, getattr(fi, name)) for name in fi.__all__)
    yield from ((name, thing) for name, thing in own if not inspect.ismodule(thing))
    for module in MODULES:
        short = module.__name__.rpartition(".")[2]
        for name in names(module):
            thing = getattr(module, name)
            factory = type(thing).__name__ == "Factory"  # fi.losses.huber, …: called like a class
            if factory:
                yield f"{short}.{name}", type(thing).__call__
            elif inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{short}.{name}", thing
    for name in dir(fi.Influence):
        if not name.startswith("_"):
            yield f"Influence.{name}", inspect.getattr_static(fi.Influence, name)


def shown() -> Iterator[tuple[str, Any]]:
    """Every class that the reference shows beside those of ``fi``, and its public methods."""
    for place in SHOWN.findall(REFERENCE.read_text(encoding="utf-8")):
        module, _, name = place.rpartition(".")
        owner = getattr(importlib.import_module(f"fastinfluence.{module}"), name)
        yield place, owner
        yield from methods(place, owner)
    for name in ("GLM", "MLP", "Oracle", "Loss", "TopK", "Total", "ParquetSink", "ParquetScores"):
        yield from methods(name, getattr(fi, name))


def methods(place: str, owner: type) -> Iterator[tuple[str, Any]]:
    for name in dir(owner):
        if name.startswith("_") or name in FOR_THE_LIBRARY:
            continue
        value = inspect.getattr_static(owner, name)
        home = next(kind for kind in owner.__mro__ if name in vars(kind))
        call = isinstance(value, property) or function(value) is not None
        if call and home.__module__.startswith("fastinfluence"):
            yield f"{place}.{name}", value


def function(thing: Any) -> Callable[..., Any] | None:
    """The function behind a method, or None for what is no call."""
    found = getattr(thing, "__func__", thing)
    return found if inspect.isfunction(found) else None


def missing(name: str, thing: Any) -> list[str]:
    """What a docstring leaves untold."""
    doc = thing.__doc__ if isinstance(thing, property) else inspect.getdoc(thing)
    if not doc:
        return ["a docstring"]
    call = function(thing)
    if call is None:
        return list(missing_of_class(thing, doc))
    return list(missing_of_call(name, call, doc))


def missing_of_class(thing: Any, doc: str) -> Iterator[str]:
    if not inspect.isclass(thing) or issubclass(thing, BaseException | Warning):
        return
    protocol = getattr(thing, "_is_protocol", False)
    fields = [] if protocol else list(inspect.signature(thing).parameters)
    if fields and not heads(doc) & {"Parameters", "Attributes"}:
        yield "Parameters or Attributes"
    yield from (f"the field {f}" for f in fields if not re.search(rf"\b{f}\b", doc))


def missing_of_call(name: str, call: Callable[..., Any], doc: str) -> Iterator[str]:
    signature = inspect.signature(call)
    told = heads(doc)
    given = [p for p in signature.parameters if p not in ("self", "cls")]
    if given and "Parameters" not in told:
        yield "Parameters"
    yield from (f"the parameter {p}" for p in given if not re.search(rf"\b{p}\b", doc))
    if signature.return_annotation not in (None, "None") and "Returns" not in told:
        yield "Returns"
    if given and "Raises" not in told and not NEVER_RAISES & {name, name.rpartition(".")[2]}:
        yield "Raises"


EVERY = {**dict(public()), **dict(shown())}


@pytest.mark.parametrize("name", EVERY)
def test_it_is_told(name):
    assert missing(name, EVERY[name]) == []


def test_what_is_public_is_found():
    assert {"GLM", "Influence.on_loss", "Influence.theta", "targets.auc", "rows.csv"} <= set(EVERY)
    assert {"solvers.CG", "plots.index_plot", "losses.huber", "attack", "load"} <= set(EVERY)
    assert {"removal.Removal.on_loss", "diagnostics.Diagnostics.leverage"} <= set(EVERY)


def test_what_is_untold_is_seen():
    def silent(x: int) -> int:
        """Return x."""
        return x

    def nearly(x: int) -> int:
        """Return what is given.

        Parameters
        ----------
        y : int

        Returns
        -------
        int
        """
        return x

    class Thing:
        """Nothing told."""

        def __init__(self, size: int) -> None:
            self.size = size

    assert missing("silent", silent) == ["Parameters", "Returns", "Raises"]
    assert missing("nearly", nearly) == ["the parameter x", "Raises"]
    assert missing("Thing", Thing) == ["Parameters or Attributes", "the field size"]
