"""`fastinfluence info`: what a bug report needs."""

from __future__ import annotations

import argparse
import os
import platform
import re
from importlib import metadata

# Imported name -> distribution, where the two differ.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "cupy": "cupy-cuda13x"}
OF_DEVELOPERS = ("test", "cuda-compile", "peers", "docs", "dev")


def extra_of(module: str) -> str | None:
    """Return the first extra that installs `module`, or None; `cli` first, commands need it."""
    top = module.partition(".")[0]
    wanted = DISTRIBUTIONS.get(top, top)
    extras = requirements()
    names = sorted(extras, key=lambda extra: extra != "cli")
    return next((name for name in names if name and wanted in extras[name]), None)


def requirements() -> dict[str, list[str]]:
    """Read from the installed metadata what each extra brings; "" holds what is always needed."""
    out: dict[str, list[str]] = {}
    for line in metadata.requires("fastinfluence") or []:
        name, extra = _parsed(line)
        if name != "fastinfluence" and extra not in OF_DEVELOPERS:
            out.setdefault(extra, []).append(name)
    return out


def _parsed(requirement: str) -> tuple[str, str]:
    name = re.match(r"[\w.-]+", requirement)
    extra = re.search(r"""extra\s*==\s*['"]([\w-]+)['"]""", requirement)
    return (name[0] if name else ""), (extra[1] if extra else "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`info` takes no options."""


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    sections = {"versions": _versions(), "machine": _machine(), "extras": _extras()}
    for title, rows in sections.items():
        print(title)
        width = max(map(len, rows))
        for name, value in rows.items():
            print(f"  {name:<{width}}  {value}")
    return 0


def _versions() -> dict[str, str]:
    own = {"fastinfluence": metadata.version("fastinfluence")}
    needed = {name: metadata.version(name) for name in requirements()[""]}
    return own | {"python": platform.python_version()} | needed


def _machine() -> dict[str, str]:
    from fastinfluence.backend import device_name
    from fastinfluence.kernels import cache
    from fastinfluence.kernels.cuda.launcher import missing
    from fastinfluence.rows.base import available_threads

    kept, lacking = cache.status(), missing()
    return {
        "platform": platform.platform(),
        "threads": f"{available_threads()} of {os.cpu_count()} processors",
        "device": device_name() if lacking is None else f'no device="cuda": {lacking}',
        "cache": str(kept.folder) if kept.persistent else f"none: {kept.note}",
    }


def _extras() -> dict[str, str]:
    return {extra: _presence(names) for extra, names in requirements().items() if extra}


def _presence(names: list[str]) -> str:
    missing = [name for name in names if not _installed(name)]
    return f"missing {', '.join(missing)}" if missing else "installed"


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
