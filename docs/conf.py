"""Sphinx configuration: no network, warnings are errors (`make docs`)."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "fastinfluence"
author = "The fastinfluence developers"
copyright = f"2026, {author}"
release = metadata.version("fastinfluence")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
    "registry_tables",
]
exclude_patterns = ["_build", "_ext", "gallery"]

html_theme = "furo"
html_title = f"fastinfluence {release}"

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autosummary_generate = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "gallery_built",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1e9,  # how long a script took says nothing to a reader
    "write_computation_times": False,
    "show_signature": False,
    "remove_config_comments": True,
}


def keep_bars(app, what, name, obj, options, lines):
    """Write |x| in a docstring as an absolute value, which reStructuredText would substitute."""
    for at, line in enumerate(lines):
        parts = line.split("`")  # odd parts are code
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        lines[at] = "`".join(parts)


def setup(app):
    """Run after numpydoc has laid the docstring out."""
    app.connect("autodoc-process-docstring", keep_bars, priority=900)
