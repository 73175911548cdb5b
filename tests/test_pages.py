"""What the guides must name, held against the library."""

from __future__ import annotations

import re
from pathlib import Path

import fastinfluence as fi

DOCS = Path(__file__).resolve().parents[1] / "docs"
QUESTIONS = (DOCS / "which_call.md").read_text(encoding="utf-8")


def public(owner: object) -> set[str]:
    return {name for name in dir(owner) if not name.startswith("_")}


def named(text: str, before: str) -> set[str]:
    """Every NAME of ``before.NAME`` in a page, outside words."""
    return set(re.findall(rf"(?<!\w){re.escape(before)}\.(\w+)", text))


def test_every_question_is_on_the_page_of_questions():
    told = named(QUESTIONS, "infl") | named(QUESTIONS, "fi.Influence")
    assert public(fi.Influence) - told == set()


def test_every_target_is_on_the_page_of_questions():
    targets = set(fi.targets.__all__) - {"Target"}  # the protocol
    assert targets - named(QUESTIONS, "fi.targets") == set()


def test_what_the_page_names_exists():
    calls = named(QUESTIONS, "infl") | named(QUESTIONS, "fi.Influence")
    assert calls - public(fi.Influence) == set()
    assert named(QUESTIONS, "fi") - {"Influence"} <= set(fi.__all__)


def test_a_name_that_is_missing_is_seen():
    assert named("`infl.fit(x)`, `fi.Influence.load`", "infl") == {"fit"}
    assert named("xinfl.fit", "infl") == set()
