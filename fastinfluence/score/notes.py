"""The library's warnings, as notes of a command."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from fastinfluence.errors import FastInfluenceWarning


@contextmanager
def noted() -> Iterator[list[str]]:
    """A list that holds, once the block has ended, each warning of this library once."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FastInfluenceWarning)
        yield notes
    for one in caught:
        if not issubclass(one.category, FastInfluenceWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        elif str(one.message) not in notes:
            notes.append(str(one.message))
