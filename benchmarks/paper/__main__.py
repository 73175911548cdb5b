"""Run the paper's experiments: ``python -m benchmarks.paper [--quick] [NAME ...]``.

Two run side by side, each in a process of its own; ``--jobs 1`` for one after another. Results go
to ``benchmarks/paper/results``, figures to ``docs/paper``; then ``python -m benchmarks.paper.page``
writes ``docs/paper.md``. With ``--quick`` all goes to ``build/paper-quick``, or to the folder of
``--out``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from benchmarks.paper import study

EXPERIMENTS = (  # longest first, so that none is left to run alone at the end
    "fig2_cnn",
    "fig5_attack",
    "fig6_mislabelled",
    "fig2_lissa",
    "fig2_leave_one_out",
    "fig3_hinge",
    "beyond_leave_one_out",
    "fig4_two_models",
    "appendix_newton",
    "sec53_hospital",
    "beyond_groups",
    "fig1_components",
)


def performed(names: tuple[str, ...], jobs: int, options: tuple[object, ...]) -> Iterator[str]:
    """Run experiments in processes of their own; yield what to say of each as it ends."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        running = [pool.submit(study.perform, name, *options) for name in names]
        for done in as_completed(running):
            yield study.told(done.result())


def main() -> None:
    """Run the named experiments, or all."""
    parser = study.arguments(__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXPERIMENTS))
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(EXPERIMENTS))
    if unknown:
        parser.error(f"no experiment is called {', '.join(unknown)}")
    if args.jobs < 1:
        parser.error(f"--jobs {args.jobs} must be at least 1")
    started = time.perf_counter()
    names = tuple(args.names) or EXPERIMENTS
    for line in performed(names, args.jobs, (args.quick, args.out, args.redraw)):
        print(line, flush=True)
    print(f"{time.perf_counter() - started:.0f} s by the wall in all")


if __name__ == "__main__":
    main()
