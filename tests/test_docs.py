"""Every Python block of the README and the docs runs, page by page, in one namespace."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```python[ \t]*\n(?P<code>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    line: int  # of its first line of code, in the page
    code: str


def python_blocks(text: str) -> list[Block]:
    return [
        Block(text.count("\n", 0, match.start("code")) + 1, match["code"])
        for match in FENCE.finditer(text)
    ]


def run_page(blocks: list[Block], page: str) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": "__docs__"}
    for block in blocks:
        padded = "\n" * (block.line - 1) + block.code  # tracebacks show the page's own lines
        exec(compile(padded, page, "exec"), namespace)
    return namespace


def pages() -> list[Path]:
    docs = (page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts)
    return [ROOT / "README.md", *sorted(docs)]


PAGES = [page for page in pages() if python_blocks(page.read_text(encoding="utf-8"))]


def device() -> AbstractContextManager[object]:
    """Return a device for the page about them: the stand-in of tests/cuda."""
    from cuda.host_module import compiler
    from cuda.standin import installed

    if compiler() is None:
        pytest.skip("g++ is not installed: it runs the CUDA kernels on the CPU")
    return installed()


NEEDS = {"torch.md": "torch", "jax.md": "jax", "dask.md": "distributed"}
"""Pages that need more than the tests do."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_runs(page, tmp_path, monkeypatch):
    if page.name in NEEDS:
        needed = NEEDS[page.name]
        pytest.importorskip(needed, reason=f"{page.name} needs {needed}, which is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    with device() if page.name == "gpu.md" else nullcontext():
        run_page(python_blocks(page.read_text(encoding="utf-8")), str(page))


def test_the_pages_with_examples_are_found():
    names = {page.name for page in PAGES}
    assert {"README.md", "quickstart.md", "conventions.md", "add_a_loss.md"} <= names


def test_blocks_of_a_page_share_names_and_keep_their_line_numbers():
    page = "# T\n\n```python\na = 1\n```\n\n```console\n$ no\n```\n\n```python\nb = a + 1\n```\n"
    blocks = python_blocks(page)
    assert [block.line for block in blocks] == [4, 12]
    assert run_page(blocks, "page")["b"] == 2


def test_a_failing_block_fails():
    with pytest.raises(AssertionError):
        run_page(python_blocks("```python\nassert 1 == 2\n```\n"), "page")
