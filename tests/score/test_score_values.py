"""The scores: against dense formulas, and the same whatever the files and the options of output."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import fastinfluence as fi

ROLES = ("--id", "name", "--weight", "weight", "--offset", "offset")
OTHERS = ("bought", "visits", "spent")


def arguments(target, *more):
    dropped = [name for name in OTHERS if name != target]
    return ("--target", target, *ROLES, "--drop", *dropped, "--json", *more)


def design(table):
    cities = np.array(table.column("city").to_pylist())[:, None] == ["Lima", "Oslo", "Rome"]
    numbers = [table.column(name).to_numpy() for name in ("age", "income")]
    return np.column_stack([*numbers, cities, np.ones(len(cities))]).astype(float)


def dense_removal(train, test):
    """Return each test loss's predicted change, (t, n), for weighted logistic regression."""
    X, w, offset = design(train), train.column("weight").to_numpy(), train.column("offset")
    y = np.array(train.column("bought").to_pylist()) == "yes"
    n, W = len(y), w.sum()
    l2 = np.array([1 / n] * (X.shape[1] - 1) + [0.0])
    theta = np.zeros(X.shape[1])
    for _ in range(30):
        mu = 1 / (1 + np.exp(-(X @ theta + offset.to_numpy())))
        H = (X * (w * mu * (1 - mu) / W)[:, None]).T @ X + np.diag(l2)
        theta -= np.linalg.solve(H, X.T @ (w * (mu - y)) / W + l2 * theta)
    g = X * (mu - y)[:, None] + l2 * theta
    X_test, y_test = design(test), np.array(test.column("bought").to_pylist()) == "yes"
    mu_test = 1 / (1 + np.exp(-(X_test @ theta + test.column("offset").to_numpy())))
    g_test = X_test * (mu_test - y_test)[:, None]
    return (w / W) * (g_test @ np.linalg.solve(H, g.T))


def test_the_lists_are_those_of_the_dense_formula(score, train, test):
    found = json.loads(score("train", "new.parquet", *arguments("bought", "--top", "7")))
    expected = dense_removal(train, test)
    assert (found["loss"], found["classes"]) == ("logistic", ["no", "yes"])
    assert (found["n"], found["p"], found["l2"]) == (240, 6, 1 / 240)
    names = train.column("name").to_pylist()
    places = iter(found["top"])
    for j, scores in enumerate(expected):
        for kind, order in (("helpful", np.argsort(-scores)), ("harmful", np.argsort(scores))):
            for rank in range(7):
                line, row = next(places), int(order[rank])
                assert line.pop("score") == pytest.approx(scores[row], rel=1e-8)
                assert line == {
                    "test_row": j, "test_id": f"p1-{j}", "kind": kind,
                    "rank": rank + 1, "row": row, "id": names[row],
                }  # fmt: skip
    assert next(places, None) is None


def test_all_scores_are_in_the_dataset(score, work, train, test):
    score("train/*.parquet", "new.csv", *arguments("bought", "--out", "out", "--top", "3"))
    stored = fi.ParquetScores.open(work / "out" / "scores")
    assert stored.read() == pytest.approx(dense_removal(train, test), rel=1e-8, abs=1e-12)
    ids = stored.to_arrow().column("id").to_pylist()
    assert ids == train.column("name").to_pylist()


def test_screen_and_folder_list_the_same_rows(score, work):
    shown = json.loads(score("train", "new.csv", *arguments("bought")))["top"]
    score("train", "new.csv", *arguments("bought", "--out", "out"))
    assert pa.parquet.read_table(work / "out" / "top.parquet").to_pylist() == shown
    score("train.csv", "new.csv", *arguments("bought", "--out", "text"))
    text = pa.csv.read_csv(work / "text" / "top.csv").to_pylist()
    assert [line["row"] for line in text] == [line["row"] for line in shown]
    values = [line["score"] for line in text]
    assert values == pytest.approx([line["score"] for line in shown], rel=1e-6)


@pytest.mark.parametrize(
    ("target", "more", "loss"),
    [
        ("bought", (), "logistic"),
        ("city", (), "multinomial"),
        ("spent", (), "squared"),
        ("visits", (), "multinomial"),  # up to 20 whole numbers
        ("visits", ("--loss", "poisson"), "poisson"),
        ("visits", ("--loss", "squared"), "squared"),
    ],
)
def test_losses_chosen_and_asked_for(score, train, test, target, more, loss):
    numbers = ("--features", "age", "income", "--json", "--l2", "0.01", "--no-intercept")
    found = json.loads(score("train", "train.csv", "--target", target, *numbers, *more))
    assert found["loss"] == loss
    X, y = (train.select(names) for names in (["age", "income"], [target]))
    y = np.array(y.column(0).to_pylist())
    spec = fi.GLM(loss, l2=0.01, fit_intercept=False)
    infl = fi.Influence.fit(spec, X, y)
    expected = infl.on_loss(X.slice(0, 1), y[:1], out=fi.TopK(10)).helpful
    helpful = found["top"][:10]
    assert [line["row"] for line in helpful] == expected.rows[0].tolist()
    assert [line["score"] for line in helpful] == pytest.approx(expected.values[0], rel=1e-5)


@pytest.mark.parametrize("effect", ["removal", "upweight"])
@pytest.mark.parametrize("out", [(), ("--out", "out")])
def test_self_influence(score, work, train, effect, out):
    numbers = ("--features", "age", "income", "--l2", "0", "--json", "--top", "4")
    chosen = ("--quantity", "self", "--effect", effect, *out)
    printed = score("train", "--target", "spent", *numbers, *chosen)
    X, y = train.select(["age", "income"]), train.column("spent").to_numpy()
    expected = fi.Influence.fit(fi.GLM("squared"), X, y).self_influence(effect=effect)
    order = np.argsort(-np.abs(expected))[:4]
    top = (
        pa.parquet.read_table(work / "out" / "top.parquet").to_pylist()
        if out
        else json.loads(printed)["top"]
    )
    assert [line["row"] for line in top] == order.tolist()
    assert [line["score"] for line in top] == pytest.approx(expected[order], rel=1e-6)
    assert set(top[0]) == {"rank", "row", "score"}
    if out:
        stored = fi.ParquetScores.open(work / "out" / "scores").read()
        assert stored == pytest.approx(expected, rel=1e-6)


def test_solvers_and_threads_agree(score):
    base = arguments("bought", "--top", "5")
    first = json.loads(score("train", "new.csv", *base))["top"]
    for more in (("--solver", "cg"), ("--solver", "direct"), ("--threads", "1")):
        other = json.loads(score("train", "new.csv", *base, *more))["top"]
        assert [line["row"] for line in other] == [line["row"] for line in first]
    damped = json.loads(score("train", "new.csv", *base, "--damping", "1"))["top"]
    assert abs(damped[0]["score"]) < abs(first[0]["score"])


def test_test_rows_are_read_with_the_types_of_the_training_table(score, work, train, test):
    codes = {"Lima": "01", "Oslo": "1", "Rome": "x"}  # text that looks like numbers in TEST

    def coded(table):
        cities = [codes[c] for c in table.column("city").to_pylist()]
        return table.set_column(table.schema.get_field_index("city"), "city", pa.array(cities))

    pa.csv.write_csv(coded(train), work / "coded.csv")
    rome = np.array(test.column("city").to_pylist()) != "Rome"
    options = pa.csv.WriteOptions(quoting_style="none")
    pa.csv.write_csv(coded(test).filter(pa.array(rome)), work / "few.csv", options)
    pa.csv.write_csv(test.filter(pa.array(rome)), work / "plain.csv")
    found = json.loads(score("coded.csv", "few.csv", *arguments("bought")))["top"]
    expected = json.loads(score("train", "plain.csv", *arguments("bought")))["top"]
    assert [line["row"] for line in found] == [line["row"] for line in expected]
