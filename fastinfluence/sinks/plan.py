"""How a dataset of scores is laid out, decided before the first row is scored."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.fingerprints import of_json
from fastinfluence.inputs import listed
from fastinfluence.lazy import cached_property
from fastinfluence.sinks.question import Question

FORMAT = 1
"""Raised whenever older versions of the library could not read what newer ones write."""
SCORES_PER_PART = 1 << 22
"""Scores that wait in memory for their part to be complete: 32 MiB."""
FEWEST_ROWS, MOST_ROWS = 1 << 8, 1 << 20
CHANGED = {
    "X": "the training rows",
    "quantities": "what is asked about (the test rows, or the solution for them)",
    "format": "the format of the dataset",
    "library": "the version of fastinfluence",
    "cuts": "the rows of each part",
    "id_type": "the names of the rows",
    "ids": "the names of the rows",
    "outputs": "the classes",
    "n_tests": "the number of test rows",
    "n_rows": "the number of training rows",
}
"""Entries of a manifest and its fingerprints whose names do not speak for themselves."""


def default_cuts(
    within: Sequence[int], n_tests: int, rows_per_part: int | None = None
) -> tuple[int, ...]:
    """First rows of the parts, and n: from t and the cuts that no part may straddle."""
    rows = int(np.clip(SCORES_PER_PART // max(n_tests, 1), FEWEST_ROWS, MOST_ROWS))
    rows = rows_per_part or rows
    starts = [k for first, last in pairwise(within) for k in range(first, last, rows)]
    return (*starts, within[-1])


@dataclass(frozen=True)
class Plan:
    """The parts of a dataset, its columns, and what it must agree with.

    Attributes
    ----------
    cuts : tuple of int
        First rows of the parts, and n.
    scores : tuple of str
        Names of the columns of scores.
    manifest : dict
        All of it as a JSON document.
    """

    cuts: tuple[int, ...]
    scores: tuple[str, ...]
    manifest: dict[str, Any]

    @classmethod
    def of(
        cls,
        question: Question,
        n_tests: int,
        n_rows: int,
        cuts: Sequence[int],
        ids: tuple[str, str] | None,
    ) -> Plan:
        """The plan for scores of ``n_tests`` quantities.

        ``ids`` are the type and the fingerprint of the rows' names, where they have any.
        """
        scores = question.column_names(n_tests)
        id_type, id_print = ids or (None, None)
        manifest = {
            "format": FORMAT,
            "library": version("fastinfluence"),
            "method": question.method,
            "effect": question.effect,
            "sign": question.sign,
            "settings": dict(question.settings),
            "n_rows": n_rows,
            "n_tests": n_tests // max(len(question.outputs), 1),
            "outputs": list(question.outputs),
            "columns": ["row", *(["id"] if id_type else []), *scores],
            "id_type": id_type,
            "cuts": list(cuts),
            "fingerprints": {**question.fingerprints(), "ids": id_print},
        }
        return cls.read(manifest)

    @classmethod
    def read(cls, manifest: dict[str, Any]) -> Plan:
        """The plan that a manifest tells; ValueError or KeyError where it tells none."""
        first = 2 if manifest["id_type"] else 1
        cuts, columns = tuple(manifest["cuts"]), tuple(manifest["columns"])
        for name in ("library", "method", "effect", "sign"):
            _checked(isinstance(manifest[name], str), name)
        for name in ("settings", "fingerprints"):
            _checked(isinstance(manifest[name], dict), name)
        _checked(all(type(cut) is int for cut in cuts) and len(cuts) > 1, "cuts")
        rising = all(one < other for one, other in pairwise(cuts))
        _checked(rising and cuts[0] >= 0, "cuts")
        for name in ("columns", "outputs"):
            _checked(_names(manifest[name]), name)
        n_tests = manifest["n_tests"]
        wide = max(len(manifest["outputs"]), 1)
        _checked(type(n_tests) is int and 0 < n_tests * wide == len(columns) - first, "n_tests")
        return cls(cuts, columns[first:], manifest)

    def __len__(self) -> int:
        """Number of parts."""
        return len(self.cuts) - 1

    @cached_property
    def stamp(self) -> bytes:
        """What every part says about itself, and by which it is known to be of this plan."""
        told = {name: self.manifest[name] for name in ("library", "method", "effect", "sign")}
        return json.dumps({**told, "manifest": of_json(self.manifest)}).encode()

    def rows(self, part: int) -> tuple[int, int]:
        """First row of a part, and the first after it."""
        return self.cuts[part], self.cuts[part + 1]

    def file_name(self, part: int) -> str:
        """Name of a part's file: the names sort in the order of the rows."""
        start, stop = self.rows(part)
        return f"scores-{start:012d}-{stop:012d}.parquet"

    def parts_of(self, start: int, stop: int) -> range:
        """The parts that hold some of the rows from ``start`` to ``stop``."""
        if stop <= start:
            return range(0)
        return range(bisect_right(self.cuts, start) - 1, bisect_left(self.cuts, stop))


def _checked(right: bool, name: str) -> None:
    if not right:
        raise ValueError(f"{name!r} is nothing that a plan of scores holds")


def _names(value: Any) -> bool:
    """Whether a value is a list of text."""
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def refuse_changed(plan: Plan, found: dict[str, Any], where: str) -> None:
    """InputError naming all in which a dataset that was begun differs from a plan."""
    mine, theirs = _flat(plan.manifest), _flat(found)
    changed = [name for name in mine | theirs if mine.get(name) != theirs.get(name)]
    if changed:
        told = listed(list(dict.fromkeys(_told(name, mine, theirs) for name in changed)))
        raise InputError(
            f"{where} cannot be resumed, because these have changed since it was begun: {told}. "
            "Give what it was begun with, or choose another folder"
        )


def _flat(manifest: dict[str, Any]) -> dict[str, Any]:
    """One level, without what follows from the rest."""
    nested, implied = ("settings", "fingerprints"), ("sign", "columns")
    plain = {k: value for k, value in manifest.items() if k not in (*nested, *implied)}
    return {**plain, **manifest.get("settings", {}), **manifest.get("fingerprints", {})}


def _told(name: str, mine: dict[str, Any], theirs: dict[str, Any]) -> str:
    words = CHANGED.get(name, name)
    old, new = theirs.get(name), mine.get(name)
    short = all(
        isinstance(value, (str, int, float)) and len(str(value)) < 60 for value in (old, new)
    )
    return f"{words} (was {old}, is {new})" if short else words
