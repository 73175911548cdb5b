"""Pictures of a page: matplotlib's own SVG, made fit to stand inside HTML."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from fastinfluence.report.html import Child, Html, el, legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#000000"
"""Drawn in this colour is what the page's own text colour shall replace."""
DPI = 150


class Picture(NamedTuple):
    """What to draw, and what to say about it: in a word to those who cannot see it, and below."""

    draw: Callable[[], Axes]
    alternative: str
    caption: Child


def gallery(pictures: Iterable[Picture], prefix: str) -> Html:
    """Pictures side by side where the page is wide; ``prefix`` tells their parts apart."""
    made = [
        el(
            "figure",
            svg(one.draw(), one.alternative, f"{prefix}{k}"),
            el("figcaption", one.caption),
        )
        for k, one in enumerate(pictures)
    ]
    return el("div", made, class_="pictures")


def svg(ax: Axes, alternative: str, prefix: str) -> Html:
    """The figure of an Axes as an ``svg`` element, in the colours of the page around it.

    The same picture gives the same text: names of parts are counted, not drawn at random.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    _paint(figure)
    kept = io.StringIO()
    undated = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(kept, format="svg", metadata=undated, transparent=True, dpi=DPI)
    text = kept.getvalue()
    text = text[text.index("<svg") :]
    width, height = figure.get_size_inches() * 72
    label = escape(legible(alternative))
    head = (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}" '
        f'fill="currentColor" style="max-width:{width * 1.25:.0f}px;'
        f'stroke-linejoin:round;stroke-linecap:butt" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    text = re.sub(r"<svg[^>]*>", lambda _: head, text, count=1)
    text = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.S)
    return Html(_renamed(text, prefix).replace(INK, "currentColor").strip())


def _renamed(text: str, prefix: str) -> str:
    """Names of parts that no other picture of the page has."""
    names = {name: f"{prefix}-{k}" for k, name in enumerate(re.findall(r'\bid="([^"]+)"', text))}
    uses = re.compile(r'(\bid="|xlink:href="#|url\(#)([^")]+)')
    return uses.sub(lambda found: found[1] + names.get(found[2], found[2]), text)


def _paint(figure: Figure) -> None:
    """Texts and axes in ink, whatever the defaults of the process are; coloured words stay."""
    from matplotlib.colors import to_hex
    from matplotlib.text import Text

    greys = {"#000000", "#ffffff"}
    for text in figure.findobj(Text):
        if to_hex(text.get_color()) in greys:
            text.set_color(INK)
    for axes in figure.axes:
        axes.tick_params(which="both", color=INK, labelcolor=INK)
        for spine in axes.spines.values():
            spine.set_edgecolor(INK)
