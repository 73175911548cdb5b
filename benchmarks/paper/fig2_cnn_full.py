"""Figure 2, right, at the paper's own schedule: days of one core, outside ``make paper``.

    FASTINFLUENCE_PAPER_KEEP=FOLDER python -m benchmarks.paper.fig2_cnn_full

500,000 Adam steps (1e-4, a tenth of it after passes 10,000 and 20,000) and, for each of 100 rows,
30,000 more at the last rate without it, under the same batches as with it.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.paper import fig2_cnn, study
from benchmarks.paper.cnn_training import PAPER, QUICK

draw = fig2_cnn.draw


def run(quick: bool) -> study.Result:
    """Run the paper's schedule, or a hundred steps of it."""
    tiny = replace(QUICK, method="adam", rate=1e-6, drops=(20, 40))
    return fig2_cnn.measure("cnn-full", tiny if quick else PAPER)


if __name__ == "__main__":
    study.main(__file__, __doc__)
