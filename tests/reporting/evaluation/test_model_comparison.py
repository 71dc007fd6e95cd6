"""Paired comparison of evaluations, recounted by hand."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import ttest_1samp

from faceml.config.config_error import ConfigError
from faceml.config.sections.tasks import parse_tasks
from faceml.datasets.targets import Target, Targets
from faceml.reporting.evaluation.model_comparison import (
    ComparedModel,
    compare_models,
    comparison_sentence,
    comparison_summary,
    comparison_table,
    read_predictions,
)
from faceml.statistics.proportions import paired_difference_of_shares, wilson_interval
from faceml.tasks.build import Tasks, build_tasks
from faceml.tasks.columns import list_column
from tests.default_tasks import default_pair


def predictions(labels: list[int], predicted: list[int], confidence: float = 0.9) -> pa.Table:
    rest = (1 - confidence) / 7
    rows = [[confidence if label == each else rest for each in range(8)] for label in predicted]
    return pa.table(
        {
            "image_id": [f"{n}.jpg" for n in range(len(labels))],
            "label": pa.array(labels, pa.int8()),
            "predicted": pa.array(predicted, pa.int8()),
            "probabilities": pa.array(rows, pa.list_(pa.float32(), 8)),
        }
    )


TASKS = {"expression": default_pair()["expression"]}


def compared(
    this: pa.Table, others: list[tuple[str, pa.Table]], targets: Targets | None = None, tasks: Tasks = TASKS
) -> list[ComparedModel]:
    labels = torch.tensor(this["label"].to_pylist())
    return compare_models("runs/this", this, others, tasks, targets or {"expression": known(labels)})


def known(values: torch.Tensor) -> Target:
    return Target(values, torch.ones(len(values), dtype=torch.bool))


def test_compare_models__models_of_equally_named_folders_are_told_apart() -> None:
    labels = [0] * 100
    this, good, bad = (predictions(labels, [0] * right + [1] * (100 - right)) for right in (50, 80, 20))
    found = compared(this, [("runs/good/this", good), ("/runs/bad/this", bad)])
    assert [model.name for model in found] == ["good/this", "bad/this"]
    summary = comparison_summary(found)
    assert {name: summary[name]["value"] for name in summary} == pytest.approx(
        {"good/this": 0.3, "bad/this": -0.3}
    )


def test_compare_models__pairs_the_same_images() -> None:
    labels = [0] * 100
    this = predictions(labels, [0] * 60 + [1] * 40)
    better = predictions(labels, [0] * 90 + [1] * 10)
    other = predictions(labels, [1] * 5 + [0] * 57 + [1] * 38)
    first, second = compared(this, [("runs/better", better), ("s3://a/other?region=b", other)])
    assert (first.name, second.name) == ("better", "other")
    assert (first.metric.first, first.metric.second) == (0.6, 0.9)
    assert first.metric.interval == paired_difference_of_shares(30, 0, 100, 0.975)[1:]
    assert second.metric.interval == paired_difference_of_shares(2, 5, 100, 0.975)[1:]
    assert re.fullmatch(
        r"Expression accuracy: better − this = \+30.0 points, \+\d+.\d…\+\d+.\d: better is better.",
        comparison_sentence("this", first),
    )
    assert comparison_sentence("this", second).endswith("not significant with this number of images.")
    rows = comparison_table("this", [first, second]).rows
    assert [row[0] for row in rows] == ["this", "better", "other"]
    low, high = wilson_interval(60, 100)
    assert rows[0][2] == f"{100 * low:.1f}–{100 * high:.1f}\N{NO-BREAK SPACE}%"
    assert [row[-1] for row in rows] == ["", "yes", "no"]
    difference = dict(zip(("value", "low", "high"), (0.3, *(first.metric.interval or ())), strict=True))
    assert comparison_summary([first])["better"] == {
        **difference, "accuracy": 0.9, "accuracy_difference": difference
    }  # fmt: skip


def test_compare_models__errors_by_a_paired_t_test_where_lower_is_better() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(40, 2)).astype(np.float32)
    config = {"kind": "regression", "target": ["valence", "arousal"]}
    tasks = build_tasks(parse_tasks({"affect": config}))

    def table(errors: np.ndarray) -> pa.Table:
        columns = {"affect": list_column(torch.from_numpy(truth + errors))}
        return pa.table({"image_id": [f"{n}.jpg" for n in range(40)], **columns})

    worse, better = (rng.normal(0, spread, (40, 2)).astype(np.float32) for spread in (0.5, 0.1))
    target = known(torch.from_numpy(truth))
    (found,) = compare_models("runs/a", table(worse), [("runs/b", table(better))], tasks, {"affect": target})
    by_image = np.abs(better).mean(axis=1) - np.abs(worse).mean(axis=1)
    expected = ttest_1samp(by_image, 0).confidence_interval()
    assert found.metric.interval == pytest.approx((expected.low, expected.high), rel=1e-3)
    assert comparison_sentence("a", found).endswith(": b is better.")
    (back,) = compare_models("runs/a", table(better), [("runs/b", table(worse))], tasks, {"affect": target})
    assert comparison_sentence("a", back).endswith(": a is better.")


def test_compare_models__only_in_tasks_that_both_have() -> None:
    this = predictions([0, 1, 2], [0, 1, 2])
    tasks = default_pair()
    points = torch.rand(3, 5, 2)
    both = this.append_column("landmarks", list_column(points))
    targets = {"expression": known(torch.tensor([0, 1, 2])), "landmarks": known(points)}
    (found,) = compared(both, [("runs/x", this)], targets, tasks)
    assert found.task.name == "expression"
    assert [other.metric.metric for other in compared(both, [("runs/x", both)], targets, tasks)] == [
        "accuracy",
        "nme",
    ]
    ten = this.append_column("landmarks", list_column(torch.rand(3, 10, 2)))
    assert len(compared(both, [("runs/x", ten)], targets, tasks)) == 1, "other landmarks"
    with pytest.raises(ConfigError, match="runs/x has predictions of none of expression, landmarks"):
        compared(both, [("runs/x", this.select(["image_id"]))], targets, tasks)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.slice(1),
        lambda t: t.take([1, 0, 2]),
        lambda t: t.set_column(1, "label", pa.array([0, 1, 3], pa.int8())),
    ],
)
def test_compare_models__refuses_other_images(change: object) -> None:
    this = predictions([0, 1, 2], [0, 1, 2])
    with pytest.raises(ConfigError, match="compare_with: runs/x was evaluated on other images or labels"):
        compared(this, [("runs/x", change(this))])  # type: ignore[operator]


def test_read_predictions__reads_a_run_folder_or_names_it(tmp_path: Path) -> None:
    table = predictions([0], [1])
    pq.write_table(table, tmp_path / "predictions.parquet")
    assert read_predictions(str(tmp_path)).equals(table)
    with pytest.raises(ConfigError, match=r"nowhere has no predictions\.parquet\. List run folders of"):
        read_predictions(str(tmp_path / "nowhere"))
