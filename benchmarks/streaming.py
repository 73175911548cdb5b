"""A table larger than memory: passes against pyarrow's own decoding, and a whole job within 2 GB.

    python benchmarks/streaming.py --folder /tmp/rows --rows 50_000_000

makes a Parquet dataset (once; 30 columns of float32, written with pyarrow's defaults), measures
every pass over it beside plain decoding, and runs fit, self-influence of all rows and the top 10
for 100 test rows in a process that is allowed 2 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS, FILE_ROWS, TESTS, TOP = 30, 1_000_000, 100, 10
L2 = 1e-3


def coefficients() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(COLUMNS).astype(np.float32) * 0.27


def make(folder: Path, rows: int, **options: Any) -> None:
    """Files of a million rows; those that are there stay."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    for k, start in enumerate(range(0, rows, FILE_ROWS)):
        path = folder / f"part-{k:04d}.parquet"
        if path.exists():
            continue
        n, rng = min(FILE_ROWS, rows - start), np.random.default_rng([0, k])
        X = rng.standard_normal((COLUMNS, n), dtype=np.float32)
        p = 1 / (1 + np.exp(0.5 - coefficients() @ X))
        y = (rng.random(n, dtype=np.float32) < p).astype(np.int8)
        columns = {f"x{j}": X[j] for j in range(COLUMNS)} | {"y": y}
        unfinished = path.with_suffix(".tmp")
        pq.write_table(pa.table(columns), unfinished, **options)
        os.replace(unfinished, path)


def test_rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((TESTS, COLUMNS)).astype(np.float32)
    return X, (rng.random(TESTS) < 1 / (1 + np.exp(0.5 - X @ coefficients()))).astype(int)


# -- passes ------------------------------------------------------------------------------


def decode(files: list[Path], threads: int) -> None:
    """What pyarrow alone takes: every column, nothing done with it; the faster of its two ways."""
    import pyarrow.parquet as pq

    def one(path: Path) -> None:
        with pq.ParquetFile(path, buffer_size=1 << 20) as file:
            for _ in file.iter_batches(1 << 16, use_threads=False):
                pass

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, files))


def decode_by_columns(files: list[Path], threads: int) -> None:
    import pyarrow.parquet as pq

    for path in files:
        with pq.ParquetFile(path, pre_buffer=True) as file:
            for _ in file.iter_batches(1 << 16, use_threads=True):
                pass


def seconds(run: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def passes(folder: Path, threads: int) -> dict[str, Any]:
    """Each kind of pass once, after a warm one, beside decoding before and after it."""
    import fastinfluence as fi

    files = sorted(folder.glob("*.parquet"))
    spec = fi.GLM("logistic", l2=L2)
    table = fi.rows.parquet(folder, target="y")
    theta = np.append(coefficients(), -0.5).astype(np.float64)
    warm = fi.rows.parquet(files[:1], target="y")
    X, y = test_rows()
    for one in (warm, table):
        infl = fi.Influence(spec, one, theta=theta, n_threads=threads)
        engine = infl._engine
        kinds: dict[str, Callable[[], Any]] = {
            "decode (pyarrow, files side by side)": lambda: decode(files, threads),
            "decode (pyarrow, columns side by side)": lambda: decode_by_columns(files, threads),
            "linearise": lambda engine=engine: engine.at(theta),
            "HVP": lambda engine=engine: engine.hvp(np.ones((COLUMNS + 1, 1))),
            "Hessian": lambda engine=engine: engine.hessian(),
            "self-influence, top 10": lambda infl=infl: infl.self_influence(out=fi.TopK(TOP)),
            "100 test rows, top 10": lambda infl=infl: infl.on_loss(X, y, out=fi.TopK(TOP)),
        }
        if one is warm:
            for run in list(kinds.values())[2:]:
                run()
    n = infl.n_rows
    measured = {name: seconds(run) for name, run in kinds.items()}
    own = min(measured[name][0] for name in list(kinds)[:2])
    return {
        name: {
            "seconds": round(wall, 2),
            "cpu_seconds": round(cpu, 2),
            "million_rows_per_second": round(n / wall / 1e6, 2),
            "share_of_decode_rate": round(own / wall, 2),
        }
        for name, (wall, cpu) in measured.items()
    }


# -- a whole job -------------------------------------------------------------------------


def job(folder: Path, limit: int, threads: int) -> dict[str, Any]:
    """Fit, self-influence, top 10 of 100 test rows; peak memory of this process."""
    import fastinfluence as fi

    held = peak()
    table = fi.rows.parquet(folder, target="y", max_memory=limit - held)
    X, y = test_rows()
    out: dict[str, Any] = {"imports_MB": held // 10**6}
    start = time.perf_counter()
    infl = fi.Influence.fit(fi.GLM("logistic", l2=L2), table, n_threads=threads)
    out["fit_seconds"] = round(time.perf_counter() - start, 1)
    out["fit"] = str(infl.fit_status)
    start = time.perf_counter()
    own = infl.self_influence(out=fi.TopK(TOP))
    out["self_influence_seconds"] = round(time.perf_counter() - start, 1)
    start = time.perf_counter()
    scores = infl.on_loss(X, y, out=fi.TopK(TOP))
    out["scores_seconds"] = round(time.perf_counter() - start, 1)
    out["n"], out["peak_MB"] = infl.n_rows, peak() // 10**6
    out["top"] = [int(own.helpful.rows[0, 0]), int(scores.helpful.rows[0, 0])]
    return out


def peak() -> int:
    """Largest resident size of this process so far, in bytes, the libraries loaded."""
    import pyarrow.parquet  # noqa: F401 - what any use would hold

    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def limited(folder: Path, limit: int, threads: int) -> dict[str, Any]:
    """The job in a process of its own, in a memory cgroup of that size where one can be made."""
    group = Path("/sys/fs/cgroup/memory") / f"fastinfluence-{os.getpid()}"
    how = "cgroup"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit))
    except OSError:
        how = "RLIMIT_DATA"

    def enter() -> None:
        if how == "cgroup":
            (group / "tasks").write_text(str(os.getpid()))
        else:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    command = [sys.executable, __file__, "--job", str(limit), "--folder", str(folder)]
    command += ["--threads", str(threads)]
    try:
        done = subprocess.run(
            command, preexec_fn=enter, check=True, stdout=subprocess.PIPE, text=True
        )
    finally:
        if how == "cgroup":
            group.rmdir()
    return {"enforced_by": how, "limit_MB": limit // 10**6, **json.loads(done.stdout)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--limit", type=int, default=2 * 10**9, help="bytes for the whole job")
    parser.add_argument("--job", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=("passes", "job"))
    args = parser.parse_args()
    if args.job is not None:
        print(json.dumps(job(args.folder, args.job, args.threads)))
        return
    make(args.folder, args.rows)
    if args.only != "job":
        print(json.dumps(passes(args.folder, args.threads), indent=1))
    if args.only != "passes":
        print(json.dumps(limited(args.folder, args.limit, args.threads), indent=1))


if __name__ == "__main__":
    main()
