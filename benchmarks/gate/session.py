"""Two trees side by side: worktrees, processes, and turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .decide import Found, Missing, Round

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("worker.py")
VISITS, MOST_VISITS = 8, 40
"""Times that each side times a workload in one round; more while the shortest are not settled."""
SETTLED = 1.03
"""The two shortest times agree when they are no further apart than this."""
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "MKL", "OMP")}


def worktree(commit: str) -> Path:
    """Check a commit out under .asv/, once, and return the folder."""
    sha = git("rev-parse", "--verify", f"{commit}^{{commit}}")
    folder = ROOT / ".asv" / "base" / sha
    git("worktree", "prune")  # where .asv/ was deleted by hand
    if not folder.exists():
        git("worktree", "add", "--quiet", "--detach", str(folder), sha)
    return folder


def git(*args: str) -> str:
    """Run git in this repository and return what it prints."""
    done = subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"git {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout.strip()


class Worker:
    """A process that times workloads with the library in ``tree``."""

    def __init__(self, tree: Path, environment: Mapping[str, str] | None = None) -> None:
        self.tree = tree
        own = {"PYTHONPATH": str(tree), **ONE_THREAD, **(environment or {})}
        self._process = subprocess.Popen(
            # -P: the folder of the script and the current one stay off the path
            [sys.executable, "-P", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **own},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # waits
            self._requests.close()

    def ask(self, **request: str) -> None:
        """Send a request."""
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the answer."""
        line = self._answers.readline()
        if not line:
            raise SystemExit(f"the process that times {self.tree} has died: see above")
        answer: dict[str, Any] = json.loads(line)
        if Path(answer.get("library", self.tree)).resolve() != self.tree.resolve():
            raise SystemExit(f"timed {answer['library']} instead of {self.tree}")
        return answer


class Session:
    """Measures a base and a head.

    Parameters
    ----------
    base, head
        Folders of the trees.
    environment
        Of the head's processes only.
    """

    def __init__(
        self, base: Path, head: Path = ROOT, environment: Mapping[str, str] | None = None
    ) -> None:
        self.base, self.head, self.environment = base, head, environment

    def measure(self, names: Sequence[str], n_rounds: int) -> Found:
        """Return ``n_rounds`` rounds of each workload, every round in new processes."""
        found: dict[str, list[Round] | Missing] = {name: [] for name in names}
        for k in range(n_rounds):
            print(f"round {k + 1} of {n_rounds}, {len(names)} workloads", flush=True)
            with ExitStack() as stack:
                base = stack.enter_context(Worker(self.base))
                head = stack.enter_context(Worker(self.head, self.environment))
                for name in names:
                    rounds = found[name]
                    if isinstance(rounds, list):
                        found[name] = _added(rounds, one_round(name, base, head))
        return found


def _added(rounds: list[Round], new: Round | Missing) -> list[Round] | Missing:
    return new if isinstance(new, Missing) else [*rounds, new]


def one_round(name: str, base: Worker, head: Worker) -> Round | Missing:
    """Take turns at one workload; the limit is the best that either process saw meanwhile."""
    for worker in (base, head):
        worker.ask(prepare=name)
    lacking, broken = base.answer().get("error"), head.answer().get("error")
    if broken:
        raise SystemExit(f"{name} fails in {head.tree}: {broken}")
    if lacking:
        return Missing(lacking)
    calls: dict[Worker, list[float]] = {base: [], head: []}
    limits = []
    for visit in range(MOST_VISITS):
        for worker in (base, head) if visit % 2 else (head, base):
            worker.ask()
            seconds = worker.answer()
            calls[worker].append(seconds["call"])
            limits.append(seconds["limit"])
        if visit + 1 >= VISITS and all(map(settled, calls.values())):
            break
    return Round(min(calls[base]), min(calls[head]), min(limits))


def settled(times: Sequence[float]) -> bool:
    """Whether the shortest time was met twice: then it is the code's and not the machine's."""
    first, second = sorted(times)[:2]
    return second <= SETTLED * first
