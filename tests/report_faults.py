"""A page taken apart: tags, texts, links, and whatever would reach the network."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "path", "use", "image", "rect", "line"}
REMOTE = re.compile(r"""(?:https?:)?//[\w.]|url\((?!['"]?#)|@import|expression\(""")
FETCHING = ("script", "iframe", "link", "object", "img")
NAMESPACES = ("http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg")


@dataclass
class Parsed(HTMLParser):
    """Every element of a page, and its text."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]


def parse(page: str) -> Parsed:
    parsed = Parsed()
    parsed.feed(page)
    parsed.close()
    return parsed


def faults(page: str) -> list[str]:
    """Return what a self-contained page without scripts must not have."""
    parsed = parse(page)
    found = [f"</{tag}> closes nothing" for tag in parsed.unbalanced]
    found += [f"<{tag}> stays open" for tag in parsed.open]
    found += [
        f"<{t}>" for t, _ in parsed.tags if t in ("script", "iframe", "link", "object", "img")
    ]
    found += [f"attribute {n}" for _, attrs in parsed.tags for n in attrs if n.startswith("on")]
    ids = parsed.values("id")
    found += [f"id {name} twice" for name in set(ids) if ids.count(name) > 1]
    links = [link for link in parsed.values("href") + parsed.values("xlink:href")]
    inner = [link for link in links if not link.startswith("data:image/png;base64,")]
    found += [f"link {link}" for link in inner if link.removeprefix("#") not in ids]
    uses = re.findall(r"url\(#([^)]+)\)", page)
    found += [f"use of {name}" for name in uses if name not in ids]
    bare = re.sub(r"data:image/png;base64,[\w+/=\s]+", "", page)
    for namespace in NAMESPACES:
        bare = bare.replace(f'"{namespace}"', "")
    found += [f"remote: {part}" for part in REMOTE.findall(bare)]
    return found
