"""Every kernel compiled by NVRTC for three architectures; no GPU and no driver needed.

Needs the extra ``cuda-compile``, and is skipped where NVRTC is not there. Beside compiling, each
kernel's registers, spills and double-precision instructions are read: nothing spills, and a kernel
over float32 holds no double-precision operation that its line of the table does not name.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import resources

import pytest

from fastinfluence.kernels import printers
from fastinfluence.kernels.cuda import glm
from fastinfluence.kernels.cuda.launcher import signature, source
from fastinfluence.kernels.cuda.table import ANY, KERNELS, NONE
from fastinfluence.kernels.program import OPS, Builder
from fastinfluence.spec import losses

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
REALS = ("float", "double")
MOVES = {"ld", "st", "mov", "selp", "shfl"}
"""PTX instructions that only carry a number."""

PLANS = sorted(  # all that any number of columns may ask for
    {
        tuple(cut.macros.items())
        for sides in (1, 4)
        for vector in (1, 2, 4)
        for d in range(vector, 8193, vector)
        if (cut := glm.plan(d, sides, vector)) is not None
    }
)


def variants(arch: str, real: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return every file with the macros that its module compiles it with.

    All cuts of a row are compiled once; elsewhere, to save time, the ends of what a thread keeps.
    """
    every = (arch, real) == ("sm_90", "float")
    plans = [dict(p) for p in PLANS if dict(p)["VECTOR"] < 4 or real == "float"]
    out = [
        ("hvp.cu", tuple(f"{name}={value}" for name, value in cut.items()))
        for cut in plans
        if every or (cut["EACH"] in (1, 4, 8, 32) and cut["TEAM"] in (8, 32, 256))
    ]
    out += [("glm.cu", (f"TEAM={team}",)) for team in (4, 8, 16, 32)]
    for file in ("csr.cu", "lissa.cu", "multinomial_lissa.cu"):
        out += [(file, (f"INDEX={index}",)) for index in ("int", "long long")]
    out += [(file, ()) for file in ("partials.cu", "multinomial.cu", "mlp.cu", "scores.cu")]
    return out


@lru_cache(maxsize=1)
def nvrtc():
    """CuPy's binding of NVRTC; the test is skipped where it cannot be used."""
    cupy = pytest.importorskip(
        "cupy", reason="CuPy is not installed: pip install '.[cuda-compile]'"
    )
    binding = cupy.cuda.nvrtc
    try:
        binding.getVersion()
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"NVRTC cannot be loaded: pip install '.[cuda-compile]' ({error})")
    return binding


def compiled(text, arch, macros):
    """Return the PTX of a text and what the assembler reports of it."""
    api = nvrtc()
    program = api.createProgram(text, "kernel.cu", (), ())
    options = ["-std=c++17", f"-arch={arch}", "--ptxas-options=-v", *(f"-D{m}" for m in macros)]
    try:
        api.compileProgram(program, tuple(options))
    except api.NVRTCError as error:
        raise AssertionError(api.getProgramLog(program)) from error
    return api.getPTX(program).decode(), api.getProgramLog(program)


def resources_of(log):
    """Return registers and spilled bytes by kernel, from the assembler's report."""
    found = {}
    for part in log.split("Compiling entry function '")[1:]:
        spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", part)
        stack = re.search(r"(\d+) bytes stack frame", part)
        used = re.search(r"Used (\d+) registers", part)
        lost = int(spills[1]) + int(spills[2])
        found[part.split("'")[0]] = int(used[1]), lost, int(stack[1])
    return found


def doubles_of(ptx):
    """Return the double-precision operations of each kernel, by kernel."""
    found = {}
    for part in re.split(r"\.entry\s+", ptx)[1:]:
        name = part.split("(")[0].strip()
        body = re.sub(r"(?s)\bcall\b.*?;", "", part)
        operations = re.findall(r"^\s*(?:@!?%\w+\s+)?([a-z][\w.]*\.f64[\w.]*)", body, re.MULTILINE)
        found[name] = {operation.split(".")[0] for operation in operations}
    return found


def all_compiled(texts):
    """Compile (text, macros, arch, real) side by side."""
    nvrtc()

    def one(case):
        text, macros, arch, real = case
        return case, *compiled(text, arch, (*macros, f"REAL={real}"))

    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(one, texts)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("real", REALS)
def test_every_kernel_compiles_without_spills(arch, real):
    texts = [(source(file), macros, arch, real) for file, macros in variants(arch, real)]
    seen = set()
    for (_, macros, *_), ptx, log in all_compiled(texts):
        for name, (registers, spilled, stack) in resources_of(log).items():
            assert spilled == 0, f"{name} {macros}: {spilled} bytes in {registers} registers"
            assert stack == 0, f"{name} {macros}: an array in local memory"
            seen.add(name)
        if real == "float":
            check_doubles(ptx, macros)
    assert seen == KERNELS.keys() - {"pointwise"}


def check_doubles(ptx, macros):
    for name, operations in doubles_of(ptx).items():
        allowed = KERNELS[name].doubles
        if allowed == NONE:
            assert operations == set(), f"{name} {macros} is meant to be single precision"
        if allowed != ANY:
            assert operations - MOVES <= allowed, f"{name} {macros}"


def everything(outputs=None):
    """Return the text of a program of every operation."""
    builder = Builder()
    args = ("f", "y", "0.75")
    results = {op: builder.emit(op, *args[:n]) for op, n in OPS.items()}
    program = builder.finish("everything", (), results)
    return source("") + printers.cuda_source(program, tuple(program.outputs))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_programs_compile(arch):
    """Every operation for each architecture and type, and every loss with all its outputs."""
    texts = [(everything(), (f"YREAL={real}",), arch, real) for real in REALS]
    if arch == "sm_90":
        programs = {sample.loss.program for sample in losses.registry()}
        texts += [
            (source("") + printers.cuda_source(p, tuple(p.outputs)), (), arch, "float")
            for p in sorted(programs, key=lambda p: p.name)
        ]
    for _, _, log in all_compiled(texts):
        assert resources_of(log)["pointwise"][1] == 0


def test_the_table_lists_every_kernel():
    folder = resources.files("fastinfluence.kernels").joinpath("cuda")
    files = [f.name for f in folder.iterdir() if f.name.endswith(".cu")]
    found = {
        name: file
        for file in files
        for name in re.findall(
            r'extern "C" __global__ void (?:__launch_bounds__\([^)]*\)\s+)?(\w+)\(', source(file)
        )
    }
    assert found == {name: kernel.file for name, kernel in KERNELS.items() if kernel.file}
    for name, file in found.items():
        assert "?" not in "".join(signature(source(file), name))


def test_sources_include_nothing():
    folder = resources.files("fastinfluence.kernels").joinpath("cuda")
    for file in folder.iterdir():
        if file.name.endswith((".cu", ".cuh")):
            assert "#include" not in file.read_text("utf-8"), file.name


WRONG = """
extern "C" __global__ void scale_layer(const float *a, float *out) { out[0] = a[0] * 0.1; }
extern "C" __global__ void linear_rows(const float *a, float *out) { out[0] = 1.0 / (a[0] + 0.1); }
"""


@pytest.mark.parametrize("name", ["scale_layer", "linear_rows"])
def test_an_unintended_double_is_seen(name):
    """A literal that promotes a product, and a division nobody declared."""
    kept = [line for line in WRONG.splitlines() if name in line]
    ptx, _ = compiled("\n".join(kept), "sm_90", ())
    with pytest.raises(AssertionError):
        check_doubles(ptx, ())
