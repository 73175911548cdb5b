"""The paper's experiments: what they share, the arithmetic of their own, the committed page."""

import json
import math

import numpy as np
import pytest

import fastinfluence as fi
from benchmarks.paper import (
    appendix_newton,
    beyond_groups,
    data,
    fig2_lissa,
    fig6_mislabelled,
    page,
    study,
)
from benchmarks.paper.__main__ import EXPERIMENTS


def strip_seconds(result):
    """Return a result without what differs from run to run."""
    kept = {k: v for k, v in result.items() if k not in ("seconds", "machine", "versions")}
    return json.dumps(kept, sort_keys=True)


# --- what they share -----------------------------------------------------------------------------


def test_plain_keeps_six_digits_and_makes_null_of_what_is_not_finite():
    found = study.plain({"a": np.array([1 / 3, np.nan]), 2: (np.int64(7), True, "x")})
    assert found == {"a": [0.333333, None], "2": [7, True, "x"]}


def test_a_result_survives_its_file(tmp_path):
    result = {"experiment": "some", "seconds": {"total": {"wall": 1.5}}, "points": [1.0, 2.0]}
    file = study.write(result, tmp_path)
    assert study.read("some", tmp_path) == result
    assert file.read_text().count("\n") == 9  # a list takes one line
    with pytest.raises(ValueError, match="JSON"):
        study.write({"experiment": "bad", "x": math.nan}, tmp_path)


def test_the_clock_adds_up():
    clock = study.Clock()
    for _ in range(2):
        with clock("part"):
            sum(range(1000))
    assert set(clock.seconds) == {"part"}
    assert clock.seconds["part"]["wall"] > 0


def test_largest_prefers_the_lower_row():
    np.testing.assert_array_equal(study.largest(np.array([1.0, -3.0, 3.0, 2.0]), 3), [1, 2, 3])


def test_without_a_folder_the_origins_are_named(monkeypatch):
    monkeypatch.delenv("FASTINFLUENCE_DATA", raising=False)
    with pytest.raises(SystemExit, match="mnist_784"):
        data.two_digits(1, 7)


def test_a_missing_file_names_its_origin(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTINFLUENCE_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match="Enron-Spam"):
        data.enron()


def test_pooling_takes_means_of_squares():
    image = np.arange(784.0).reshape(1, -1)
    split = data.Split(image, [0], image, [0]).coarser(14)
    expected = image.reshape(28, 28)[:14, 14:].mean()
    np.testing.assert_allclose(split.X[0, 1], expected)


# --- arithmetic of single experiments ------------------------------------------------------------


def test_the_newton_self_influence_is_the_librarys(rng):
    n, d = 80, 6
    X = rng.normal(size=(n, d))
    y = (rng.random(n) < 0.5).astype(float)
    spec = fi.GLM("logistic", l2=fig6_mislabelled.WEIGHT_DECAY, fit_intercept=False)
    infl = fi.Influence.fit(spec, X, y)
    found = fig6_mislabelled.newton(infl, infl.self_influence(), X, y)
    theta = infl.leave_one_out(method="newton").theta
    sign = 2 * y - 1
    without = np.logaddexp(0, -sign * np.einsum("ij,ij->i", X, theta))
    expected = without - np.logaddexp(0, -sign * (X @ infl.theta))
    # The library's step also moves the penalty from n to n - 1 rows, which is next to nothing here.
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)


def test_the_dense_newton_step_is_that_of_the_smaller_table(rng, monkeypatch):
    """R without a row, from the differences of means, against a model of the other rows."""
    X, y = rng.normal(size=(40, 5)), np.arange(40) % 10
    monkeypatch.setattr(appendix_newton, "HIDDEN", 3)
    spec = fi.MLP((3,), "tanh", "multinomial", l2=1e-3)
    theta, row = 0.3 * rng.normal(size=spec.n_params(5, 10)), 17

    def model(at):
        with pytest.warns(fi.FastInfluenceWarning):
            return fi.Influence(spec, X[at], y[at], theta, damping=0.5)

    split = data.Split(X, y, X, y)
    steps = appendix_newton.Steps(model(np.arange(40)), split, 0.5)
    with pytest.warns(fi.FastInfluenceWarning):
        found = steps.without(row)
    others = model(np.delete(np.arange(40), row))
    expected = theta - np.linalg.solve(others.hessian.dense(), others._engine.gradient)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_losses_of_the_network_are_the_librarys(rng, monkeypatch):
    X, y = rng.normal(size=(30, 5)), np.arange(30) % 10
    monkeypatch.setattr(appendix_newton, "HIDDEN", 3)
    spec = fi.MLP((3,), "tanh", "multinomial", l2=0.0)
    theta = rng.normal(size=spec.n_params(5, 10))
    with pytest.warns(fi.FastInfluenceWarning):
        infl = fi.Influence(spec, X, y, theta)
    test = infl._problem.test_rows(X, y)
    expected = infl._engine.test_losses(test, theta[:, None])[:, 0]
    np.testing.assert_allclose(appendix_newton.losses(theta, X, y), expected, rtol=1e-12)


def test_groups_are_of_the_share_asked_for(rng):
    scores = rng.normal(size=200)
    groups = beyond_groups.groups_of(scores, 0.05)
    assert all(len(np.unique(group)) == 10 for group in groups)
    assert set(groups[-1]) == set(np.argsort(scores)[-10:])


def test_an_experiment_gives_the_same_numbers_again(data_folder, tmp_path):
    first = study.perform("fig2_lissa", quick=True, out=tmp_path / "a")
    again = study.perform("fig2_lissa", quick=True, out=tmp_path / "b")
    assert strip_seconds(first) == strip_seconds(again)
    pictures = [(tmp_path / k / "fig2_lissa.png").read_bytes() for k in "ab"]
    assert pictures[0] == pictures[1]
    assert len(first["shares"]) == len(fig2_lissa.SHARES)


# --- what is committed ---------------------------------------------------------------------------


def test_the_page_is_what_the_results_give():
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), (
        "run python -m benchmarks.paper.page"
    )


def test_nothing_is_told_of_an_experiment_that_was_not_run():
    template = page.TEMPLATE.read_text(encoding="utf-8")
    cut = page.without_section(template, "fig5_attack")
    assert "All 274 held-out flowers were tried" in template
    assert "All 274 held-out flowers were tried" not in cut
    assert "PAPER_ARGS=fig5_attack" in cut
    assert "## Section 5.3" in cut


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_full_results_and_a_small_figure_are_there(name):
    skip_if_not_run(name)
    result = study.read(name)
    assert result["experiment"] == name
    assert not result["quick"]
    assert result["seconds"]["total"]["wall"] > 0
    figure = study.FIGURES / f"{name}.png"
    assert 5_000 < figure.stat().st_size < 150_000
    assert f"paper/{name}.png" in page.TEMPLATE.read_text(encoding="utf-8")


def test_what_the_paper_claims_holds():
    """The numbers that were asked of a reproduction, in the committed results."""
    fig2 = study.read("fig2_leave_one_out")["against_exact"]
    assert fig2["cg"]["pearson"] >= 0.999
    assert abs(fig2["cg"]["slope"] - 1) <= 0.02
    assert fig2["lissa_10"]["pearson"] >= 0.99
    assert fig2["diagonal"]["pearson"] < 0.9 > fig2["identity"]["pearson"]
    fig3 = study.read("fig3_hinge")
    assert fig3["at"]["t_0.001"]["pearson"] >= 0.95
    assert fig3["at"]["t_0.1"]["pearson"] >= 0.91
    assert abs(fig3["raw"]["pearson"] - 0.63) < 0.01
    hospital = study.read("sec53_hospital")
    assert hospital["children"]["ranks"] == [1, 2, 3, 4]
    assert hospital["children"]["largest_ratio"] > 30
    assert hospital["features"]["largest_present"] == 4
    assert hospital["stopped_fits"]["1000_iterations"]["larger_coefficients"] == 14
    exact = study.read("beyond_leave_one_out")
    assert exact["largest_gradient_norm"]["recomputed"] <= 1.01e-10


def test_the_network_follows_the_paper():
    skip_if_not_run("fig2_cnn")
    assert study.read("fig2_cnn")["against_retraining"]["largest"]["pearson"] >= 0.86


def test_mislabelled_rows_are_found_as_in_the_paper():
    skip_if_not_run("fig6_mislabelled")
    found = study.read("fig6_mislabelled")["found_at_20_percent"]
    assert found["influence"] > found["loss"] > found["random"]


def skip_if_not_run(name):
    if not page.is_there(name):
        pytest.skip(f"{name} has not been run at full size: make paper PAPER_ARGS={name}")
