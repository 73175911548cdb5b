"""What each column of a table is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastinfluence.errors import InputError


@dataclass(frozen=True)
class Roles:
    """Columns by name: what is predicted, from what, and what each row weighs."""

    target: str
    features: tuple[str, ...]
    weight: str | None = None
    offset: str | None = None
    id: str | None = None
    every: bool = False
    """Whether the features are all columns without another role."""

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        target: str,
        features: Sequence[str] | None,
        weight: str | None,
        offset: str | None,
        id: str | None,
    ) -> Roles:
        """Checked against the table's columns; all that are left are features by default.

        Raises
        ------
        InputError
            Naming a column that is not there, or that has two roles.
        """
        for role, given in (("target", target), ("weight", weight), ("offset", offset), ("id", id)):
            if not isinstance(given, str) and (given is not None or role == "target"):
                raise InputError(f"{role}={given!r} is no name of a column")
        others = [name for name in (target, weight, offset, id) if name is not None]
        named = listed_names(features)
        chosen = [n for n in names if n not in others] if named is None else named
        for name in (*others, *chosen):
            if name not in names:
                known = ", ".join(map(repr, names[:12])) + (", …" if len(names) > 12 else "")
                raise InputError(f"the table has no column {name!r}: it has {known}")
        used = others + chosen
        double = [name for name in used if list(names).count(name) > 1]
        if double:
            raise InputError(f"the table has several columns named {double[0]!r}: rename them")
        twice = sorted({name for name in used if used.count(name) > 1})
        if twice:
            raise InputError(f"column {twice[0]!r} is named twice: give each column one role")
        if not chosen:
            raise InputError("no column is left for the features: name them with features=[…]")
        return cls(target, tuple(chosen), weight, offset, id, every=named is None)

    @property
    def used(self) -> list[str]:
        """Every column that is read."""
        others: list[Any] = [self.target, self.weight, self.offset, self.id]
        return [*self.features, *(name for name in others if name is not None)]


def listed_names(features: Any) -> list[str] | None:
    """A list of names as the caller gives it; InputError for anything else."""
    if features is None:
        return None
    if isinstance(features, str):
        raise InputError(f'features={features!r} is one name: give a list, ["{features}"]')
    try:
        names = list(features)
    except TypeError as error:
        raise InputError(f"features={features!r} is no list of names") from error
    return names
