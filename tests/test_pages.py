"""What the guides must name, held against the library."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import fastinfluence as fi
from fastinfluence import errors, plots

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


def test_every_function_is_on_the_page_of_questions():
    functions = {name for name in fi.__all__ if inspect.isfunction(getattr(fi, name))}
    assert {"find_label_issues", "load"} <= functions
    assert functions - named(QUESTIONS, "fi") == set()


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


REFERENCE = (DOCS / "api.md").read_text(encoding="utf-8")
DIRECTIVE = re.compile(r"^\.\. auto(?:class|function):: (\S+)$", re.MULTILINE)


def test_the_reference_has_every_public_name_and_none_twice():
    directives = DIRECTIVE.findall(REFERENCE)
    assert len(directives) == len(set(directives))
    last = [name.rpartition(".")[2] for name in directives]
    drawn = {name for name in plots.__all__ if name.islower()}  # the others are colours and words
    own = {name for name in fi.__all__ if not inspect.ismodule(getattr(fi, name))}
    own -= set(dir(errors))  # a module of its own below
    assert "automodule:: fastinfluence.errors" in REFERENCE
    assert "automodule:: fastinfluence.targets" in REFERENCE
    wanted = own | drawn | set(fi.solvers.__all__) | set(fi.rows.__all__)
    assert wanted - set(last) == set()


def quoted(page: str) -> list[str]:
    """The messages that a page's table of warnings and errors quotes, piece by piece."""
    table = page.partition("| it says |")[2].partition("\n\n")[0]
    messages = re.findall(r"\*([^*|]+)\*", table)
    return [piece.strip() for message in messages for piece in message.split("…")]


def library_text() -> str:
    """Every string of the library, those that go on in the next line made whole."""
    folder = Path(fi.__file__).parent
    text = "\n".join(file.read_text(encoding="utf-8") for file in folder.rglob("*.py"))
    return re.sub(r'"\n\s*f?"', "", text)


def test_the_messages_that_are_explained_are_the_librarys():
    pieces = [piece for piece in quoted((DOCS / "solvers.md").read_text("utf-8")) if piece]
    assert len(pieces) > 10
    text = library_text()
    assert [piece for piece in pieces if piece not in text] == []
