"""The report of a model: one sound file, every number where it belongs, the user's text escaped."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from refusal import check
from report_faults import faults, parse

import fastinfluence as fi
from fastinfluence.report.html import LONGEST, el, legible, user

SECTIONS = (
    "warnings", "model", "quality", "solver", "proof", "rows", "diagnostics", "conventions",
    "reproduce",
)  # fmt: skip
N = 60
NASTY = (
    "<script>alert(1)</script>", "</style><b>", '"onload="x', "&amp; $x$", "a" * 4000,
    "👩‍👩‍👧 👍🏽",
    "שלום עולם", "\u202eevil", "\x00\x07", "  ", None, float("nan"), "日本語",
)  # fmt: skip


def table(names=("age", "dose"), index=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, len(names)))
    y = X[:, 0] + rng.normal(size=N)
    y[17] += 9
    return pd.DataFrame(X, columns=list(names), index=index), y


@pytest.fixture(scope="module")
def report():
    X, y = table(index=[f"patient {i}" for i in range(N)])
    return fi.Influence.fit(fi.GLM("squared", l2=0.01), X, y).report()


def test_a_page_is_one_sound_file(report, sound, tmp_path):
    page = report.to_html(tmp_path / "report.html")
    parsed = sound(page)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    anchors = [attrs.get("id") for tag, attrs in parsed.tags if tag == "section"]
    assert tuple(anchors) == SECTIONS
    assert len([tag for tag, _ in parsed.tags if tag == "svg"]) == 4
    assert len(page) < 600_000


def test_the_same_model_gives_the_same_bytes_whatever_the_defaults_of_pictures(report):
    before = report.to_html()
    with mpl.rc_context({"text.color": "white", "axes.edgecolor": "white", "xtick.color": "w"}):
        assert report.to_html() == before
    assert "currentColor" in before


def test_the_numbers_are_the_models(report, sound, without_pictures):
    infl, text = report.influence, sound(report.to_html(top=3)).text
    scores, d = infl.self_influence(), infl.diagnostics()
    left_out = infl.cross_validation()
    assert f"{N}" in text
    for row in np.argsort(-scores)[:3]:
        assert f"patient {row}" in text
        assert f"{scores[row]:#.3g}".rstrip(".") in text
    assert f"{left_out.score:.4g} ± {left_out.std_error:.2g}" in text
    assert f"{report.condition:.3g}" in text
    assert f"{report.proof.slope:.4g}" in text
    assert f"{d.p_eff:.4g}" in text
    assert f"{int(d.flagged('cooks_distance').sum())}" in text
    y, f = infl._problem.y, infl._engine.f
    r2 = 1 - np.sum((y - f) ** 2) / np.sum((y - y.mean()) ** 2)
    assert f"training R² {r2:.4g}" in text
    assert "squared unit of y" in text
    assert "fi.GLM('squared', l2=0.01)" in text
    for value in infl._problem.fingerprints().values():
        assert value in text


def test_values_far_from_their_mean_are_marked(sound, without_pictures):
    X, y = table()
    X.iloc[17, 1] = 40.0
    text = sound(fi.Influence.fit(fi.GLM("squared"), X, y).report().to_html(top=1)).text
    assert "dose ▲ 40" in text
    assert "leverage above 0.5" in text


@pytest.mark.parametrize("text", [*NASTY, "\ud800"], ids=lambda text: ascii(text)[:12])
def test_an_element_holds_text_and_nothing_else(text):
    made = el("p", user(text), title=str(text))
    page = parse(made)
    assert [tag for tag, _ in page.tags] == ["p", "bdi"]
    assert set(page.tags[0][1]) == {"title"}
    made.encode()
    (word,) = page.words
    assert len(word) <= LONGEST
    assert word == "–" or word[:9] in legible(" ".join(str(text).split()))


def unsafe(page: str) -> list[str]:
    return [raw for raw in ("<script", "</style><b>", "\x00", "\x07") if raw in page]


def test_names_of_columns_are_escaped(sound, without_pictures):
    X, y = table(names=("age", *map(str, NASTY)))
    page = fi.Influence.fit(fi.GLM("squared", l2=0.1), X, y).report().to_html(top=2)
    sound(page)
    assert not unsafe(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert len(page) < 100_000  # a long name is cut


def test_labels_of_rows_and_titles_are_escaped_in_pictures_too(sound):
    X, y = table(index=[NASTY[i % len(NASTY)] for i in range(N)])
    page = fi.Influence.fit(fi.GLM("squared"), X, y).report().to_html(top=N, title=NASTY[1])
    sound(page)
    assert not unsafe(page)
    assert "<title>&lt;/style&gt;&lt;b&gt;</title>" in page


def test_names_of_classes_are_escaped(sound, without_pictures):
    X, _ = table()
    names = np.array([text for text in NASTY[:9] if isinstance(text, str)])
    for count, loss in ((2, "logistic"), (len(names), "multinomial")):
        labels = names[np.arange(N) % count]
        page = fi.Influence.fit(fi.GLM(loss, l2=1.0), X, labels).report().to_html(top=4)
        sound(page)
        assert not unsafe(page)


def test_text_of_either_direction_stands_apart(without_pictures):
    X, y = table(index=["שלום עולם"] * N)
    page = fi.Influence.fit(fi.GLM("squared"), X, y).report().to_html(top=1)
    assert "<bdi>שלום עולם</bdi>" in page


def network():
    X, y = table()
    return fi.Influence.fit(fi.MLP(hidden=(3,), loss="squared", l2=0.1), X, y, tol=1e-6)


def classes(n_classes):
    X, y = table()
    labels = np.digitize(y, np.linspace(-1, 1, n_classes - 1))
    loss = "multinomial" if n_classes > 2 else "logistic"
    return fi.Influence.fit(fi.GLM(loss, l2=0.1), X, labels)


def kernel_machine():
    from sklearn.svm import SVC

    X, y = table()
    labels = (y > 0).astype(int)
    return fi.Influence.from_estimator(SVC().fit(X, labels), X, labels)


def oracle():
    X, y = table()
    A = X.to_numpy()

    def gradient(theta, rows, y):
        return (rows @ theta - y)[:, None] * rows

    def hvp(theta, rows, y, V, w):
        return rows.T @ (w[:, None] * (rows @ V))

    spec = fi.Oracle(gradient=gradient, hvp=hvp, n_params=2, l2=0.1, name="<i>own</i>")
    theta = np.linalg.solve(A.T @ A / N + 0.1 * np.eye(2), A.T @ y / N)
    return fi.Influence(spec, A, y, theta)


def sparse():
    from scipy.sparse import csr_array

    X, y = table()
    return fi.Influence.fit(fi.GLM("poisson", l2=0.1), csr_array(X.to_numpy()), np.abs(y) // 1)


MODELS = {
    "two classes": (lambda: classes(2), "leave-one-out accuracy"),
    "five classes": (lambda: classes(5), "one per class"),
    "network": (network, "not for an MLP"),
    "kernel": (kernel_machine, "smoothed"),
    "oracle": (oracle, "not for an oracle"),
    "sparse counts": (sparse, "Cook's distance"),
    "hinge": (
        lambda: fi.Influence.fit(fi.GLM(fi.losses.smooth_hinge(t=0.5), l2=0.1), *_two(table())),
        "no mean function",
    ),
}


def _two(found):
    X, y = found
    return X, np.where(y > 0, 1, -1)


@pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")
@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_has_a_page(name, sound, without_pictures):
    make, word = MODELS[name]
    parsed = sound(make().report().to_html(top=3))
    assert word in parsed.text
    anchors = [attrs.get("id") for tag, attrs in parsed.tags if tag == "section"]
    assert tuple(anchors) == SECTIONS


def test_a_bad_model_is_warned_of_in_plain_words(sound, without_pictures):
    X, y = table()
    with pytest.warns(fi.FastInfluenceWarning, match="far from the optimum"):
        infl = fi.Influence(fi.GLM("squared"), X, y, [3.0, 1.0, 0.0])
    text = sound(infl.report().to_html()).text
    assert "polish" in text
    rng = np.random.default_rng(5)
    labels = rng.permutation(np.arange(N) % 2)
    noise = fi.Influence.fit(fi.GLM("logistic", l2=1.0), X, labels)
    assert "no better than always answering the larger class" in noise.report().to_html()


def test_wrong_calls_are_refused(report, tmp_path, monkeypatch):
    check(lambda: report.to_html(top=0), ["top=0"])
    check(lambda: report.to_html(tmp_path / "none" / "x.html"), ["x.html", "could not be written"])
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    check(report.to_html, ["fastinfluence[cli]"])


@pytest.mark.parametrize(
    "wrong",
    [
        "<p>open",
        '<img src="x">',
        '<p onclick="x">a</p>',
        "<script>x</script>",
        '<a href="#none">a</a>',
        '<a href="https://example.org/x">a</a>',
        "<style>@import 'x'</style>",
        '<i id="a">a</i><i id="a">b</i>',
    ],
)
def test_a_fault_of_a_page_is_seen(wrong):
    assert faults(f"<!DOCTYPE html><html>{wrong}</html>")
