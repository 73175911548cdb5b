"""A whole page in one file: no scripts, nothing fetched, readable on a phone and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from fastinfluence.report.html import Child, Html, el, join


class Section(NamedTuple):
    """One part of a page: the anchor, the heading, and what stands below it."""

    anchor: str
    heading: str
    body: Sequence[Child]


def page(title: str, lead: Child, sections: Sequence[Section], foot: Child) -> str:
    """The text of a page; ``lead`` stands above a list of the sections."""
    style = files("fastinfluence.report").joinpath("page.css").read_text(encoding="utf-8")
    head = [
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        el("title", title),
        el("style", Html(style)),
    ]
    links = [el("li", el("a", part.heading, href=f"#{part.anchor}")) for part in sections]
    body = [
        el("header", el("h1", title), lead),
        el("nav", el("ul", links), aria_label="Sections"),
        el("main", [_section(part) for part in sections]),
        el("footer", foot),
    ]
    return f"<!DOCTYPE html>\n{el('html', el('head', head), el('body', body), lang='en')}\n"


def _section(part: Section) -> Html:
    return el("section", el("h2", part.heading), join(part.body), id=part.anchor)
