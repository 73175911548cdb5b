"""Every plot: the Axes it is given, what it draws, colours and signs, nothing global."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from refusal import check

import fastinfluence as fi
from fastinfluence import plots
from fastinfluence.plots import style

N = 60
GREY = plots.GREY.lower()
OKABE_ITO = (plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE)
PALETTE = {colour.lower() for colour in OKABE_ITO} | {GREY, "#000000", "#ffffff"}


class Made:
    """A fit with one row that stands out, and what is asked of it."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(N, 3))
        y = X @ [1.0, -0.5, 0.0] + rng.normal(size=N)
        y[17] += 9
        index = [f"patient {i}" for i in range(N)]
        self.table = pd.DataFrame(X, columns=["age", "dose", "weight"], index=index)
        self.infl = fi.Influence.fit(fi.GLM("squared"), self.table, y)
        self.diagnostics = self.infl.diagnostics()
        self.check = self.infl.validate(self.table[:9], y[:9], rows=20)
        self.found = self.infl.on_loss(self.table[:2], y[:2], out=fi.TopK(4))
        self.scores = self.infl.on_loss(self.table[:1], y[:1])[0]
        self.images = rng.random((N, 5, 4))
        self.wrong = np.arange(N) % 6 == 0


@pytest.fixture(scope="module")
def made() -> Made:
    return Made()


PLOTS: dict[str, Any] = {
    "agreement": lambda m, ax: m.check.plot(ax),
    "ranking": lambda m, ax: plots.influence_ranking(m.scores, 4, m.table.index, ax=ax),
    "top k": lambda m, ax: m.found.plot(1, labels=m.table.index, ax=ax),
    "falloff": lambda m, ax: plots.falloff(np.abs(m.scores), ax=ax),
    "index": lambda m, ax: m.diagnostics.plot(ax=ax),
    "index, signed": lambda m, ax: m.diagnostics.plot("dffits", ax=ax),
    "leverage": lambda m, ax: m.diagnostics.plot_leverage(ax=ax),
    "repair": lambda m, ax: plots.label_repair_curve({"a": m.scores, "b": -m.scores}, m.wrong, ax),
    "accuracy": lambda m, ax: plots.accuracy_curve(
        [0, 0.1, 0.2], {"a": [0.5, 0.6, 0.7], "b": [[0.5, 0.6], [0.6, 0.7], [0.6, 0.8]]}, 0.9, ax
    ),
    "images": lambda m, ax: plots.helpful_and_harmful_images(
        m.images, m.found, m.images[0], captions=range(N), test_caption="a 3", ax=ax
    ),
    "rows": lambda m, ax: plots.helpful_and_harmful_rows(m.table, m.found, m.table[:2], ax=ax),
}
WITHOUT_AXES = ("images", "rows")
EVERY = pytest.mark.parametrize("name", PLOTS)


def colours(ax) -> set[str]:
    found = {to_hex(line.get_color()) for line in ax.lines}
    found |= {to_hex(patch.get_facecolor()) for patch in ax.patches if patch.get_fill()}
    for collection in ax.collections:
        of = "get_facecolor" if isinstance(collection, PathCollection) else "get_edgecolor"
        found |= {to_hex(colour) for colour in getattr(collection, of)()}
    return found | {to_hex(text.get_color()) for text in ax.texts}


@EVERY
def test_takes_and_returns_an_axes(made, name):
    ax = Figure().subplots()
    assert PLOTS[name](made, ax) is ax
    fresh = PLOTS[name](made, None)
    assert fresh is not ax
    fresh.figure.canvas.draw()


@EVERY
def test_labels_say_what_and_in_which_unit(made, name):
    ax = PLOTS[name](made, None)
    assert ax.get_title()
    if name not in WITHOUT_AXES:
        assert ax.get_xlabel()
    if name in ("agreement", "top k", "falloff", "ranking", "images", "rows"):
        assert "unit" in ax.get_xlabel() + ax.get_ylabel() + ax.get_title()
    if name in ("repair", "accuracy"):
        assert "%" in ax.get_xlabel()
        assert "%" in ax.get_ylabel()


@EVERY
def test_colours_are_told_apart_in_colour_blindness(made, name):
    assert colours(PLOTS[name](made, None)) <= PALETTE


def test_a_colour_of_another_palette_is_seen(made):
    ax = made.check.plot()
    ax.plot([0, 1], color="red")
    assert not colours(ax) <= PALETTE


def ambiguous(ax) -> dict[str, set[str]]:
    """Return the markers, line styles and hatchings that stand in several colours."""
    looks: dict[Any, set[str]] = {}
    for line in ax.lines:
        key = (line.get_linestyle(), line.get_marker(), line._dash_pattern)
        looks.setdefault(str(key), set()).add(to_hex(line.get_color()))
    for patch in ax.patches:
        if patch.get_fill():
            looks.setdefault(str(patch.get_hatch()), set()).add(to_hex(patch.get_facecolor()))
    for collection in ax.collections:
        if isinstance(collection, PathCollection):
            shape = str(collection.get_paths()[0].vertices.shape)
            looks.setdefault(shape, set()).update(map(to_hex, collection.get_facecolor()))
    return {key: found for key, found in looks.items() if len(found - {GREY}) > 1}


@EVERY
def test_nothing_rests_on_colour_alone(made, name):
    """What differs in colour differs in marker, line style, hatching or place too."""
    assert not ambiguous(PLOTS[name](made, None))


def test_two_colours_of_one_line_style_are_seen(made):
    ax = plots.label_repair_curve({"a": made.scores}, made.wrong)
    ax.plot([0, 1], "-o", color=plots.ORANGE)
    assert ambiguous(ax)


@EVERY
def test_the_process_is_left_as_it_was(made, name):
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    plt.close("all")
    PLOTS[name](made, None)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_bars_are_the_scores_and_named_by_label(made):
    ax = plots.influence_ranking(made.scores, 4, made.table.index)
    names = [text.get_text() for text in ax.get_yticklabels()]
    widths = [bar.get_width() for bar in ax.patches]
    order = np.argsort(-made.scores)
    chosen = [*order[:4], *order[-4:]]
    assert names == [f"patient {i}" for i in chosen]
    np.testing.assert_allclose(widths, made.scores[chosen])
    same = made.found.plot(0, labels=made.table.index)
    np.testing.assert_allclose(sorted(bar.get_width() for bar in same.patches), sorted(widths))


def test_a_ranking_without_harm_draws_help_alone():
    ax = plots.influence_ranking([3.0, 0.0, 2.0], top=5)
    assert [bar.get_width() for bar in ax.patches] == [3.0, 2.0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["row 0", "row 2"]
    plots.influence_ranking([0.0, 0.0]).figure.canvas.draw()


def test_one_output_of_several_is_drawn():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(40, 2)), np.arange(40) % 3
    infl = fi.Influence.fit(fi.GLM("multinomial", l2=0.1), X, y)
    found = infl.on_prediction(X[:2], out=fi.TopK(3))
    one = found.of(1, 2)
    np.testing.assert_array_equal(one.helpful.values, found.helpful.values[1, :, 2])
    assert len(found.plot(1, 2).patches) == 6
    check(lambda: found.plot(1), ["output=None", "0 to 2"])
    check(lambda: found.plot(1, 3), ["output=3"])
    check(lambda: found.plot(2, 0), ["test=2", "2 test rows"])


def test_the_index_plot_marks_what_lies_beyond_the_threshold(made):
    ax = made.diagnostics.plot(labelled=2)
    within, beyond = (c for c in ax.collections if isinstance(c, PathCollection))
    flagged = made.diagnostics.flagged("cooks_distance")
    np.testing.assert_array_equal(beyond.get_offsets()[:, 0], np.flatnonzero(flagged))
    assert len(within.get_offsets()) == N - flagged.sum()
    (line,) = ax.lines
    assert set(line.get_ydata()) == {4 / N}
    assert "patient 17" in [text.get_text() for text in ax.texts]
    assert any(isinstance(c, LineCollection) for c in ax.collections)
    assert len(made.diagnostics.plot("studentized_external").lines) == 2  # both signs
    check(lambda: made.diagnostics.plot("pearson"), ["'pearson'", "leverage"])


def test_contours_are_of_cooks_distance(made):
    """Of least squares without a penalty a contour holds the distance exactly."""
    d = made.diagnostics
    ax = d.plot_leverage()
    curve = next(line for line in ax.lines if "4/n" in str(line.get_label()))
    h, r = curve.get_xdata(), curve.get_ydata()
    np.testing.assert_allclose(r**2 * h / (d.p_eff * (1 - h)), 4 / N)
    own = d.studentized_internal**2 * d.leverage / (d.p_eff * (1 - d.leverage))
    np.testing.assert_allclose(own, d.cooks_distance, rtol=1e-8)


def test_names_cover_neither_each_other_nor_a_marked_point():
    rng = np.random.default_rng(3)
    X = rng.standard_t(3, size=(90, 2))
    d = fi.Influence.fit(fi.GLM("squared"), X, rng.standard_t(3, size=90)).diagnostics()
    marks = np.flatnonzero(d.flagged("cooks_distance"))
    for ax, x, y in (
        (d.plot(labelled=8), np.arange(90), d.cooks_distance),
        (d.plot_leverage(labelled=8), d.leverage, d.studentized_internal),
    ):
        ax.figure.canvas.draw()
        boxes = [text.get_window_extent() for text in ax.texts]
        assert len(boxes) >= 3
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:i])
            assert not any(box.contains(*ax.transData.transform((x[j], y[j]))) for j in marks)


def test_found_labels_are_counted(made):
    ax = plots.label_repair_curve({"knows": made.wrong.astype(float)}, made.wrong)
    knows, best = ax.lines[0], ax.lines[1]
    np.testing.assert_allclose(knows.get_ydata(), best.get_ydata())
    assert knows.get_ydata()[10] == 100.0  # 10 of 60 labels are wrong, checked first
    check(lambda: plots.label_repair_curve({"a": [1.0]}, [False]), ["nothing to find"])
    check(lambda: plots.label_repair_curve({"a": [1.0]}, made.wrong), ["'a'", "(60,)"])
    check(lambda: plots.accuracy_curve([0, 1], {"a": [1.0]}), ["'a'", "(2,)"])


def test_marks_of_a_table_of_values():
    train = pd.DataFrame({"x": [0.0, 1, 2, 3], "city": ["Rome", "Oslo", "Rome", None]})
    test = pd.DataFrame({"x": [1.5], "city": ["Rome"]})
    infl = fi.Influence.fit(fi.GLM("squared"), train[["x"]], [0.0, 1.2, 1.9, 3.1])
    found = infl.on_loss(test[["x"]], [1.0], out=fi.TopK(4))
    ax = plots.helpful_and_harmful_rows(train, found, test, top=4)
    words = [text.get_text() for text in ax.texts]
    for word in ("▼ 0", "▲ 3", "≠ Oslo", "≠ –", "1.5"):
        assert word in words, (word, words)
    assert words.count("Rome") >= 2  # of the test row, and of a row that has the same
    check(lambda: plots.helpful_and_harmful_rows(train, found, test[["x"]]), ["columns", "same"])
    check(lambda: plots.helpful_and_harmful_rows(train[:2], found, test, labels=["a"]), ["labels"])


def test_more_columns_than_fit_are_counted(made):
    wide = np.random.default_rng(0).normal(size=(N, 30))
    ax = plots.helpful_and_harmful_rows(wide, made.found, wide[:2], max_columns=5)
    assert any("25 more" in text.get_text() for text in ax.texts)


def test_images_of_another_shape_are_refused(made):
    check(
        lambda: plots.helpful_and_harmful_images(made.images, made.found, made.images[0][:2]),
        ["(60, 5, 4)", "(2, 4)"],
    )
    check(
        lambda: plots.helpful_and_harmful_images(
            made.images, made.found, made.images[0], captions=["a"]
        ),
        ["labels", "60 rows"],
    )


def test_colour_images_are_drawn(made):
    colour = np.random.default_rng(0).random((N, 4, 4, 3))
    ax = plots.helpful_and_harmful_images(colour, made.found, colour[0])
    assert len(ax.images) == 9


@pytest.mark.parametrize("label", ["目标", "שלום", "👍", "", None, "a\nb", "$x$", "x" * 90])
def test_labels_that_no_font_holds_become_positions(made, label):
    labels = [label] * N
    name = style.row_name(labels, 7)
    assert len(name) <= style.NAME_LENGTH + 1
    drawable = label is None or (bool(label) and style.drawable(" ".join(label.split())))
    assert (name == "row 7") == (not drawable)
    made.found.plot(labels=labels).figure.canvas.draw()  # a missing glyph would warn


def test_scores_of_a_wrong_shape_are_refused():
    check(lambda: plots.influence_ranking(np.zeros((2, 3))), ["scores", "(2, 3)"])
    check(lambda: plots.influence_ranking([1.0, 2.0], labels=["a"]), ["labels", "2 rows"])


def test_many_points_become_one_picture_in_a_vector_file(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(style.MANY + 1, 2))
    infl = fi.Influence.fit(fi.GLM("squared"), X, X[:, 0] + rng.normal(size=len(X)))
    path = tmp_path / "index.svg"
    infl.diagnostics().plot().figure.savefig(path)
    assert "<image" in path.read_text()
    assert path.stat().st_size < 300_000


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    check(lambda: plots.influence_ranking([1.0]), ["matplotlib", "fastinfluence[cli]"])
