"""The public names and what they take are those of the committed list: no change by accident."""

import pytest

pytest.importorskip("matplotlib", reason="the list holds the plots")
pytest.importorskip("pyarrow", reason="the list holds the audit")

from embedding import surface


def difference(listed, found):
    """Return what was taken away or changed, and what is new."""
    gone = [f"- {line}" for line in sorted(set(listed) - set(found))]
    return gone + [f"+ {line}" for line in sorted(set(found) - set(listed))]


def test_public_names_are_those_of_the_list():
    listed = surface.LIST.read_text(encoding="utf-8").splitlines()
    changed = difference(listed, surface.lines())
    told = "meant? run `make api`, and see the deprecation policy in CONTRIBUTING.md"
    assert not changed, "\n".join([told, *changed])


def test_a_changed_default_and_a_lost_name_are_seen():
    found = surface.lines()
    wrong = [line.replace("damping=0.0", "damping=0.1") for line in found if line != "Total()"]
    changed = difference(wrong, found)
    assert "+ Total()" in changed
    assert any(line.startswith("- Influence(") for line in changed)
    assert difference(found, found) == []
