"""HTML from Python values: everything is escaped unless it was made here."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from html import escape
from typing import Any, TypeAlias

import numpy as np

LONGEST = 300
"""Characters of one of the user's texts at most; the cut is marked."""
MISSING = "–"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"


def el(name: str, *children: Child, **attributes: str | None) -> Html:
    """An element: children that are no :class:`Html` are escaped, attributes always.

    An attribute of None is left out, and a trailing underscore dropped: ``class_="wide"``.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(legible(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Children one after the other."""
    return Html("".join(_one(child) for child in children))


def _one(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return str(child)
    return escape(legible(child)) if isinstance(child, str) else join(child)


def legible(text: str) -> str:
    """The text without what no HTML page may hold: control characters, halves of surrogates."""
    return "".join("\ufffd" if _forbidden(c) else c for c in text)


def _forbidden(c: str) -> bool:
    if c in "\n\t":
        return False
    return unicodedata.category(c) in ("Cc", "Cs") or (ord(c) & 0xFFFE) == 0xFFFE


def shown(value: Any, longest: int = LONGEST) -> str:
    """A value of the user's on one line, cut where it is very long."""
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return MISSING
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    text = " ".join(str(value).split())
    if not text:
        return MISSING
    return text if len(text) <= longest else text[: longest - 1] + "…"


def user(value: Any, longest: int = LONGEST) -> Html:
    """A value of the user's, isolated so that right-to-left text reorders nothing beside it."""
    return el("bdi", shown(value, longest))


def number(value: float, digits: int = 3, column: bool = False) -> str:
    """A number for reading, with a true minus sign; in a column with its last zeros."""
    if not math.isfinite(value):
        return MISSING if math.isnan(value) else ("∞" if value > 0 else "−∞")
    text = f"{value:#.{digits}g}".rstrip(".") if column else f"{value:.{digits}g}"
    return text.replace("-", "−")
