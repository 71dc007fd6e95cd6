"""Paired comparison of evaluations, recounted by hand."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.reporting.evaluation.misclassified import most_confident_errors
from faceml.reporting.evaluation.model_comparison import (
    compare_models,
    comparison_sentence,
    comparison_table,
    read_predictions,
)
from faceml.statistics.proportions import paired_difference_of_shares


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


def test_compare_models__pairs_the_same_images() -> None:
    labels = [0] * 100
    this = predictions(labels, [0] * 60 + [1] * 40)
    better = predictions(labels, [0] * 90 + [1] * 10)
    other = predictions(labels, [1] * 5 + [0] * 57 + [1] * 38)
    first, second = compare_models(this, [("runs/better", better), ("s3://a/other?region=b", other)], 8)
    assert (first.name, second.name) == ("better", "other")
    assert first.confusion.accuracy == 0.9
    assert first.difference == paired_difference_of_shares(30, 0, 100, 0.975)
    assert second.difference == paired_difference_of_shares(2, 5, 100, 0.975)
    assert re.fullmatch(r"better − this = \+30.0 points, \+\d+.\d…\+\d+.\d: better is better.",
                        comparison_sentence("this", first))  # fmt: skip
    assert comparison_sentence("this", second).endswith("not significant with this number of images.")
    rows = comparison_table("this", first.confusion, [first, second]).rows
    assert [row[0] for row in rows] == ["this", "better", "other"]
    assert [row[-1] for row in rows] == ["", "yes", "no"]


@pytest.mark.parametrize("change", [lambda t: t.slice(1), lambda t: t.take([1, 0, 2])])
def test_compare_models__refuses_other_images(change: object) -> None:
    this = predictions([0, 1, 2], [0, 1, 2])
    with pytest.raises(ConfigError, match="compare_with: runs/x was evaluated on other images or labels"):
        compare_models(this, [("runs/x", change(this))], 8)  # type: ignore[operator]


def test_read_predictions__reads_a_run_folder_or_names_it(tmp_path: Path) -> None:
    table = predictions([0], [1])
    pq.write_table(table, tmp_path / "predictions.parquet")
    assert read_predictions(str(tmp_path)).equals(table)
    with pytest.raises(ConfigError, match=r"nowhere has no predictions\.parquet\. List run folders of"):
        read_predictions(str(tmp_path / "nowhere"))


def test_most_confident_errors__are_sorted_by_confidence() -> None:
    table = pa.concat_tables(
        [predictions([0, 0], [1, 0], 0.5), predictions([2], [3], 0.99), predictions([4, 4], [5, 4], 0.7)]
    )
    assert most_confident_errors(table, 2) == [2, 3]
    assert most_confident_errors(table, 9) == [2, 3, 0]
    assert np.isclose(table["probabilities"].to_pylist()[2][3], 0.99)
