"""What sections are made of: facts, notes, tables, code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fastinfluence.report.html import Child, Html, el, join, shown, user

NAME, VALUE = 60, 140
"""Characters of a column's name and of a value in a row's own values at most."""


class Value(NamedTuple):
    """One of a row's own values; ``mark`` says in a sign how it stands out, if it does."""

    name: Any
    value: Any
    mark: str = ""


class Line(NamedTuple):
    """One row of a ranking: its cells, and its own values below."""

    cells: Sequence[Child]
    values: Sequence[Value] = ()
    more: int = 0
    """Values that there was no room for."""


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Names and what is known of them."""
    body = [el("div", el("dt", name), el("dd", value)) for name, value in pairs]
    return el("dl", body, class_="facts")


def tiles(pairs: Iterable[tuple[str, str]]) -> Html:
    """A few large numbers with a word each."""
    body = [el("div", el("strong", value), el("span", word)) for word, value in pairs]
    return el("div", body, class_="tiles")


def paragraph(*text: Child) -> Html:
    """A paragraph."""
    return el("p", *text)


def notes(texts: Iterable[Child], kind: str) -> Html:
    """A list of notices, of class "warning", "note" or "good"."""
    return el("ul", [el("li", text) for text in texts], class_=f"notes {kind}")


def code(text: str) -> Html:
    """A block of code or a command."""
    return el("pre", el("code", text))


def table(heads: Sequence[str], lines: Sequence[Line], caption: Child) -> Html:
    """A ranking: the first two columns are place and row, the others numbers or words."""
    head = el("tr", [el("th", word, scope="col") for word in heads])
    body = [join(_line(line, heads)) for line in lines]
    inner = [el("caption", caption), el("thead", head), [el("tbody", line) for line in body]]
    return el("div", el("table", inner, class_="rows"), class_="scroll", tabindex="0")


def _line(line: Line, heads: Sequence[str]) -> Iterable[Html]:
    pairs = zip(heads, line.cells, strict=True)
    yield el("tr", [el("td", cell, data_head=head or None) for head, cell in pairs])
    if line.values:
        chips = [_chip(value) for value in line.values]
        more = el("span", f"and {line.more} more", class_="more") if line.more else None
        inner = el("div", chips, more, class_="values")
        yield el("tr", el("td", inner, colspan=str(len(heads))), class_="own")


def _chip(value: Value) -> Html:
    mark = el("b", value.mark) if value.mark else None
    look = "value marked" if value.mark else "value"
    name, own = user(value.name, NAME), user(value.value, VALUE)
    return el("span", el("i", name), " ", mark, own, class_=look)


def definitions(meanings: Iterable[tuple[str, str]]) -> Html:
    """What columns mean: name, then meaning."""
    body = [(el("dt", shown(name)), el("dd", meaning)) for name, meaning in meanings]
    return el("dl", body, class_="meanings")
