"""The answer of a search as other programs read it."""

import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from faceml.search.answer_files import comparisons_table, write_answers
from faceml.search.comparison import compare_values
from faceml.search.trial import Trial
from faceml.search.verdicts import verdict
from tests.reporting.searches import grid, trial


@pytest.fixture
def search() -> list[Trial]:
    gains = {"fixed": [0.0, 0.0, 0.0], "dwa": [0.2, 0.21, 0.22]}
    return grid(
        lambda rate, kind, seed: 0.5 + rate + gains[kind][seed],
        rate=[0.01, 0.02],
        kind=list(gains),
        seed=[0, 1, 2],
    )


def test_write_answers__configurations_comparisons_and_importance(
    search: list[Trial], tmp_path: Path
) -> None:
    write_answers(search, tmp_path / "run")
    names = ("comparisons", "configurations", "importance")
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == sorted(
        f"{name}.{kind}" for name in names for kind in ("csv", "parquet")
    )
    best = pq.read_table(tmp_path / "run" / "configurations.parquet").to_pylist()[0]
    assert (best["optimizer.learning_rate"], best["weighting.kind"], best["seeds"]) == (0.02, "dwa", 3)
    assert best["names"] == "trial_009 trial_010 trial_011"
    # 4.303 · 1 point / √3
    assert (best["mean"], best["high"] - best["mean"]) == pytest.approx((0.73, 0.024842), abs=1e-5)
    importance = pd.read_csv(tmp_path / "run" / "importance.csv")
    assert importance["setting"].tolist() == ["weighting.kind", "optimizer.learning_rate"]
    row = pd.read_csv(tmp_path / "run" / "comparisons.csv").iloc[0]
    (comparison,) = compare_values(search, "weighting.kind")
    assert row["difference"] == pytest.approx(comparison.difference.mean)
    assert row["verdict"] == verdict(comparison).replace("\N{NO-BREAK SPACE}", " ")
    assert (row["seeds"], row["settings"], row["compared"]) == (3, 2, "tuned")


def test_write_answers__without_the_package_for_importance(
    search: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        sys.modules, "optuna", None
    )  # what Python itself takes for a package that is not there
    write_answers(search, tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_comparisons_table__of_nothing_to_compare_has_its_columns() -> None:
    table = comparisons_table([trial({"optimizer.learning_rate": 0.1}, 0.5)])
    assert table.num_rows == 0
    assert {"setting", "difference", "verdict"} <= set(table.column_names)
