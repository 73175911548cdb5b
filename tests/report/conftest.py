"""Pages are checked before anything is read from them."""

from __future__ import annotations

import pytest
from report_faults import Parsed, faults, parse

from fastinfluence.report import pictures
from fastinfluence.report.html import el


@pytest.fixture
def sound():
    """Return what parses a page and fails where it is not sound."""

    def check(page: str) -> Parsed:
        assert faults(page) == []
        assert page.startswith("<!DOCTYPE html>")
        page.encode()  # no half of a surrogate
        return parse(page)

    return check


@pytest.fixture
def without_pictures(monkeypatch):
    """Leave the pictures of a page out, where its words are looked at: drawing takes longest."""
    monkeypatch.setattr(pictures, "svg", lambda *_: el("svg"))
