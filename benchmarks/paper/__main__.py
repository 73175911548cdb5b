"""Run the paper's experiments: ``python -m benchmarks.paper [--quick] [NAME ...]``.

Results go to ``benchmarks/paper/results``, figures to ``docs/paper``; then
``python -m benchmarks.paper.page`` writes ``docs/paper.md``. With ``--quick`` all goes to
``build/paper-quick``, or to the folder of ``--out``.
"""

from __future__ import annotations

from benchmarks.paper import study

EXPERIMENTS = (
    "fig1_components",
    "fig2_leave_one_out",
    "fig2_lissa",
    "fig2_cnn",
    "fig3_hinge",
    "fig4_two_models",
    "fig5_attack",
    "sec53_hospital",
    "fig6_mislabelled",
    "appendix_newton",
    "beyond_groups",
    "beyond_leave_one_out",
)


def main() -> None:
    """Run the named experiments, or all, one after another."""
    parser = study.arguments(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXPERIMENTS))
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(EXPERIMENTS))
    if unknown:
        parser.error(f"no experiment is called {', '.join(unknown)}")
    total = 0.0
    for name in args.names or EXPERIMENTS:
        result = study.perform(name, args.quick, args.out, args.redraw)
        total += result["seconds"]["total"]["wall"]
        print(study.told(result), flush=True)
    print(f"{total:.0f} s by the wall in all")


if __name__ == "__main__":
    main()
