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
        others = [name for name in (target, weight, offset, id) if name is not None]
        if isinstance(features, str):
            raise InputError(f'features={features!r} is one name: give a list, ["{features}"]')
        chosen = [n for n in names if n not in others] if features is None else list(features)
        for name in (*others, *chosen):
            if name not in names:
                known = ", ".join(map(repr, names[:12])) + (", …" if len(names) > 12 else "")
                raise InputError(f"the table has no column {name!r}: it has {known}")
        used = others + chosen
        twice = sorted({name for name in used if used.count(name) > 1})
        if twice:
            raise InputError(f"column {twice[0]!r} is named twice: give each column one role")
        if not chosen:
            raise InputError("no column is left for the features: name them with features=[…]")
        return cls(target, tuple(chosen), weight, offset, id)

    @property
    def used(self) -> list[str]:
        """Every column that is read."""
        others: list[Any] = [self.target, self.weight, self.offset, self.id]
        return [*self.features, *(name for name in others if name is not None)]
