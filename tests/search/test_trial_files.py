"""Trials as other programs read them."""

import csv
import math
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceml.search.trial import Trial
from faceml.search.trial_files import epochs_table, trials_table, write_trials
from tests.reporting.searches import SCORES

RECORDS = [
    {"epoch": 1, "val/accuracy": 0.5, "val/nme_interocular": math.nan, "train/log_var_landmarks": -0.5},
    {"epoch": 2, "val/accuracy": 0.75, "val/nme_interocular": 0.1, "val/confusion_matrix": [[1]]},
    {"epoch": 3, "val/accuracy": 0.75, "val/nme_interocular": None},
]
TRIALS = [
    Trial(
        "trial_0",
        {
            "optimizer.learning_rate": 1e-3,
            "model.backbone": "resnet18",
            "weighting.lambda_landmarks": 1,
            "data.balanced": True,
            "seed": 1,
            "x": [1, 2],
        },
        RECORDS,
        3,
    ),
    Trial(
        "trial_1",
        {
            "optimizer.learning_rate": 3e-4,
            "model.backbone": "=1+1",
            "weighting.lambda_landmarks": 0.5,
            "data.balanced": False,
            "seed": 2,
            "x": "none",
        },
        RECORDS[:1],
        3,
        'Größe,\n"zu" groß',
    ),
    Trial("trial_2", {"optimizer.learning_rate": 1e-4, "model.backbone": "a", "seed": 3}, RECORDS[:2], 3),
]


def test_write_trials__settings_are_columns_of_their_own_types(tmp_path: Path) -> None:
    write_trials(TRIALS, tmp_path / "run")
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == [
        "epochs.parquet",
        "trials.csv",
        "trials.parquet",
    ]
    table = pq.read_table(tmp_path / "run" / "trials.parquet")
    types = dict(zip(table.schema.names, table.schema.types, strict=True))
    assert types["optimizer.learning_rate"] == pa.float64()
    assert types["weighting.lambda_landmarks"] == pa.float64(), "1 and 0.5"
    assert types["model.backbone"] == pa.string()
    assert types["data.balanced"] == pa.bool_()
    assert types["seed"] == pa.int64()
    assert types["x"] == pa.string()
    rows = {row["trial"]: row for row in table.to_pylist()}
    assert list(rows) == ["trial_0", "trial_2", "trial_1"], "best first, failed last"
    assert rows["trial_2"]["data.balanced"] is None
    assert (rows["trial_0"]["best_score"], rows["trial_0"]["best_epoch"]) == (0.75, 2)
    assert [rows[name]["outcome"] for name in sorted(rows)] == ["finished", "failed", "stopped"]
    assert [rows[name]["epochs"] for name in sorted(rows)] == [3, 1, 2]
    assert rows["trial_1"]["error"] == TRIALS[1].error


def test_write_trials__sheet_opens_as_text_and_numbers(tmp_path: Path) -> None:
    write_trials(TRIALS, tmp_path)
    content = (tmp_path / "trials.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), "a spreadsheet takes UTF-8 without a mark for something else"
    with (tmp_path / "trials.csv").open(encoding="utf-8-sig", newline="") as file:
        titles, *rows = csv.reader(file)
    assert titles[:3] == ["trial", "optimizer.learning_rate", "model.backbone"]
    assert len(rows) == 3
    failed = dict(zip(titles, rows[2], strict=True))
    assert failed["error"] == 'Größe, "zu" groß', "on one line"
    assert failed["model.backbone"] == "'=1+1", "no formula"
    frame = pd.read_csv(tmp_path / "trials.csv")
    assert frame.columns[0] == "trial"
    assert frame["optimizer.learning_rate"].tolist() == [1e-3, 1e-4, 3e-4]
    assert frame["data.balanced"].isna().tolist() == [False, True, False]


def test_write_trials__epochs_have_every_metric_and_null_for_none(tmp_path: Path) -> None:
    write_trials(TRIALS, tmp_path)
    table = pq.read_table(tmp_path / "epochs.parquet")
    assert table.column_names == [
        "trial",
        "epoch",
        "val/accuracy",
        "val/nme_interocular",
        "train/log_var_landmarks",
    ]
    assert table["trial"].to_pylist() == ["trial_0"] * 3 + ["trial_2"] * 2 + ["trial_1"]
    assert table["epoch"].to_pylist() == [1, 2, 3, 1, 2, 1]
    assert table["val/nme_interocular"].to_pylist() == [None, 0.1, None, None, 0.1, None]
    assert table["train/log_var_landmarks"].to_pylist() == [-0.5, None, None, -0.5, None, -0.5]


def test_write_trials__replaces_what_was_there_and_leaves_nothing_partial(tmp_path: Path) -> None:
    write_trials(TRIALS, tmp_path)
    write_trials(TRIALS[:1], tmp_path)
    assert pq.read_table(tmp_path / "trials.parquet").num_rows == 1
    assert len(list(tmp_path.iterdir())) == 3


def test_trials_table__of_trials_without_any_epoch() -> None:
    nothing = Trial("trial_0", {"seed": 0}, [], 3, "broken")
    row = trials_table([nothing]).to_pylist()[0]
    assert (row["best_score"], row["best_epoch"], row["last_score"], row["epochs"]) == (None, None, None, 0)
    assert epochs_table([nothing]).num_rows == 0


@pytest.mark.parametrize("metric", ["val/landmark_mse", "val/nme_interocular"])
def test_trials_table__best_epoch_of_a_minimised_metric(metric: str) -> None:
    records = [{"epoch": n, "val/accuracy": 0.5, metric: v} for n, v in ((1, 0.5), (2, 0.25), (3, 0.3))]
    row = trials_table([Trial("a", {}, records, 3, score=SCORES[metric])]).to_pylist()[0]
    assert (row["best_score"], row["best_epoch"], row["last_score"]) == (0.25, 2, 0.3)
