"""What every experiment shares: a clock, results as JSON, the look of figures, the command line.

An experiment is a module with ``run(quick) -> dict``, plain numbers and lists of them, and
``draw(result) -> {name: Figure}``, which needs nothing but that dict (or what a JSON file kept of
it). ``python -m benchmarks.paper.<module> [--quick] [--out FOLDER] [--redraw]`` runs one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastinfluence.validation import Agreement

FOLDER = Path(__file__).parent
RESULTS, FIGURES = FOLDER / "results", FOLDER.parents[1] / "docs" / "paper"
QUICK = Path("build") / "paper-quick"
LIBRARIES = ("fastinfluence", "numpy", "scipy", "numba", "scikit-learn")
DIGITS = 6

Array = np.ndarray
Result = dict[str, Any]

# Okabe and Ito's colours, which stay apart in every common form of colour blindness.
BLUE, ORANGE, GREEN, PINK, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
GREY, BLACK = "#8C8C8C", "#000000"
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.markersize": 4,
    "savefig.dpi": 110,
    "image.cmap": "gray_r",
}


# --- time ----------------------------------------------------------------------------------------


def now() -> Array:
    """Return seconds by the wall and of the processor since some time, (2,)."""
    return np.array([time.perf_counter(), time.process_time()])


@dataclass
class Clock:
    """Seconds by the wall and of the processor (all threads) for each named part."""

    seconds: dict[str, dict[str, float]] = field(default_factory=dict)

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Add what the block takes to a part."""
        start = now()
        yield
        self.add(part, *(now() - start).tolist())

    def add(self, part: str, wall: float, cpu: float) -> None:
        """Add seconds to a part."""
        known = self.seconds.setdefault(part, {"wall": 0.0, "cpu": 0.0})
        known["wall"] += wall
        known["cpu"] += cpu


# --- numbers -------------------------------------------------------------------------------------


def agreement(predicted: Array, actual: Array) -> dict[str, float]:
    """Return Pearson's correlation and the slope of actual on predicted through the origin."""
    found = Agreement.of(np.asarray(predicted), np.asarray(actual))
    return {"pearson": found.pearson, "slope": found.slope}


def largest(scores: Array, k: int) -> Array:
    """Return the k rows of largest |score|, the largest first, ties to the lower row."""
    return np.argsort(-np.abs(scores), kind="stable")[:k]


def plain(value: Any) -> Any:
    """Return what JSON can hold, numbers to six digits; NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
    return value


# --- results -------------------------------------------------------------------------------------


def processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")


def surroundings() -> dict[str, Any]:
    """Return versions, processor, threads and how busy the machine is."""
    import numba

    return {
        "versions": {"python": platform.python_version()} | {x: version(x) for x in LIBRARIES},
        "machine": {
            "processor": processor(),
            "processors": os.cpu_count(),
            "kernel_threads": numba.get_num_threads(),
            "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "default"),
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        },
    }


def measure(module: ModuleType, quick: bool) -> Result:
    """Run an experiment and return its result with what it was measured on."""
    about, whole = surroundings(), Clock()
    with whole("total"):
        result = module.run(quick)
    seconds = whole.seconds | result.pop("seconds", {})
    head = {"experiment": module.__name__.split(".")[-1], "quick": quick}
    return plain(head | about | {"seconds": seconds} | result)


def write(result: Result, folder: Path) -> Path:
    """Write a result as JSON, a line for each list of numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{result['experiment']}.json"
    file.write_text(_pretty(result) + "\n", encoding="utf-8")
    return file


def _pretty(value: Any, indent: str = "") -> str:
    """Return JSON that is indented but for lists."""
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    deeper = indent + " "
    parts = [f"{deeper}{json.dumps(k)}: {_pretty(v, deeper)}" for k, v in value.items()]
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def read(name: str, folder: Path = RESULTS) -> Result:
    """Return the result that an experiment left."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


# --- figures -------------------------------------------------------------------------------------


def save(figures: dict[str, Figure], folder: Path) -> None:
    """Write figures as PNG, without the date that would make every run differ."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", metadata={"Software": None})


def panels(n: int, height: float = 3.2, width: float = 7.6, **options: Any) -> tuple[Figure, Any]:
    """Return a figure of n panels side by side, as wide as a page."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, n, squeeze=False, **options)[0]


def diagonal(ax: Axes, x: Any, y: Any, label: str = "predicted = actual") -> None:
    """Draw the line on which predictions are right."""
    ends = [min(np.min(x), np.min(y)), max(np.max(x), np.max(y))]
    ax.plot(ends, ends, color=GREY, linewidth=1, zorder=0, label=label)


# --- the command line ----------------------------------------------------------------------------


def perform(name: str, quick: bool, out: Path | None = None, redraw: bool = False) -> Result:
    """Run and draw one experiment; return its result.

    Results and figures go to ``out``; without it those of a full run to the folders that the
    repository keeps, those of a quick one to ``build/paper-quick``. ``redraw`` reads the result
    instead of running.
    """
    module = import_module(f"benchmarks.paper.{name}")
    results = out or (QUICK if quick else RESULTS)
    result = read(name, results) if redraw else measure(module, quick)
    if not redraw:
        write(result, results)
    with mpl.rc_context(STYLE):
        save(module.draw(result), out or (QUICK if quick else FIGURES))
    return result


def told(result: Result) -> str:
    """Return the time of an experiment in words."""
    seconds = result["seconds"]["total"]
    size = "quick" if result["quick"] else "full size"
    wall, cpu = seconds["wall"], seconds["cpu"]
    return f"{result['experiment']:24} {size}: {wall:7.1f} s by the wall, {cpu:7.1f} s of processor"


def arguments(text: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that all experiments have."""
    parser = argparse.ArgumentParser(description=(text or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller size, seconds")
    parser.add_argument("--out", type=Path, help="folder of the JSON and the figures")
    parser.add_argument("--redraw", action="store_true", help="draw again from the JSON")
    return parser


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the single numbers of a result with their names."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from numbers(inner, f"{path}{key}.")
        elif not isinstance(inner, list):
            yield path + key, inner


def main(file: str, text: str | None) -> None:
    """Run the experiment of a file by the command line, and print its numbers."""
    args = arguments(text).parse_args()
    result = perform(Path(file).stem, args.quick, args.out, args.redraw)
    for name, value in numbers(result):
        print(f"{name:48} {value}")
    print(told(result))
