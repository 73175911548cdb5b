"""The gallery's scripts run, draw one figure each, and cut nothing off."""

from pathlib import Path

import matplotlib as mpl
import pytest

from fastinfluence import plots

FOLDER = Path(__file__).parents[2] / "docs" / "gallery"
SCRIPTS = sorted(FOLDER.glob("plot_*.py"))
METHODS = {
    "predicted_against_actual": "check.plot(",
    "influence_ranking": "found.plot(",
    "index_plot": "diag.plot(",
    "leverage_against_residual": "diag.plot_leverage(",
    "removal_curve": "curve.plot(",
}
"""Functions that the gallery shows by the method that draws them."""


def cut_off(figure) -> bool:
    """Return whether something that is drawn reaches beyond the figure."""
    figure.canvas.draw()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    slack = 0.02
    return bool(
        min(drawn.x0, drawn.y0) < -slack or drawn.x1 > width + slack or drawn.y1 > height + slack
    )


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_draws_one_figure_and_cuts_nothing_off(path):
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"__name__": "gallery"})
        (number,) = plt.get_fignums()
        assert not cut_off(plt.figure(number))
    finally:
        plt.close("all")


def test_a_text_that_is_cut_off_is_seen():
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.9, 0.5, "far too long for this place")
    assert cut_off(figure)


def test_every_plot_has_its_script():
    code = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    for name in plots.__all__:
        if name.islower():
            assert f"plots.{name}(" in code or METHODS.get(name, "\0") in code, name
