"""Files of the benchmarks folder, which is no package of the library, as modules."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[1] / "benchmarks"


def load_script(name: str) -> ModuleType:
    """Return the module of ``benchmarks/<name>``."""
    label = "benchmarks_" + name.removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(label, FOLDER / name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[label] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module
