"""Real tables, where FASTINFLUENCE_DATA names their folder."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from fastinfluence import cli
from fastinfluence.audit import Options, audit


def test_adult_census(data_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    source = data_folder / "adult_census.parquet"
    hidden = ["--drop", "fnlwgt", "--drop", "split"]
    assert cli.main(["audit", str(source), "--target", "income", *hidden]) == cli.OK
    assert "accuracy 85." in capsys.readouterr().out
    table = pa.parquet.read_table("adult_census-audit.parquet")
    assert table.num_rows == 48_842
    scores = {name: table.column(name).to_numpy() for name in table.column_names[2:6]}
    assert all(np.isfinite(values).all() for values in scores.values())
    assert scores["loss"][:1000].mean() > 5 * scores["loss"].mean()


def test_adult_census_with_flipped_labels(data_folder):
    table = pa.parquet.read_table(data_folder / "adult_census.parquet").slice(0, 5000)
    rng = np.random.default_rng(0)
    flipped = rng.choice(5000, 250, replace=False)
    income = np.array(table.column("income").to_pylist(), dtype=object)
    income[flipped] = np.where(income[flipped] == ">50K", "<=50K", ">50K")
    place = table.column_names.index("income")
    table = table.set_column(place, "income", pa.array(income))
    result = audit(table, Options("income", drop=("fnlwgt", "split")))
    found = np.isin(result.most_suspicious(500), flipped).mean()
    assert found > 3 * 0.05  # of rows drawn blindly, 5 % would be flipped


@pytest.mark.parametrize("positive", ["2", "5"])
def test_covertype_one_class_against_the_rest(data_folder, positive):
    codes = ("Wilderness_Area", "Soil_Type")
    options = Options("Cover_Type", positive=positive, category=codes)
    result = audit(data_folder / "covertype_sample.parquet", options)
    assert result.n_params > 10 + 4 + 30
    quality = result.quality()
    assert quality["accuracy"] >= quality["larger_class"] - 0.001
    assert np.isfinite(result.scores.harm).all()
    label = result.table.column("Cover_Type").to_numpy()
    expected = result.scores.prediction > 0.5
    wrong = (
        expected[result.most_suspicious(100)]
        != (label == int(positive))[result.most_suspicious(100)]
    )
    assert wrong.mean() > 0.9
