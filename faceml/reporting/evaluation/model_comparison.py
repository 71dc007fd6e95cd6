"""Paired comparison of several evaluations of the same images."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceml.config import ConfigError
from faceml.metrics import ConfusionMatrix
from faceml.page import DataTable, percent, percent_range
from faceml.runs import PREDICTIONS_FILE
from faceml.statistics import Estimate, paired_difference_of_shares
from faceml.storage import StorageFolder, split_place

FAMILY_ERROR = 0.05
"""Familywise error rate of the intervals (Bonferroni)."""


class ComparedModel(NamedTuple):
    """An evaluation compared with the current one.

    Attributes:
        name: Name of its run folder.
        confusion: Its confusion matrix.
        difference: Its accuracy minus that of the current evaluation, on the same images.
    """

    name: str
    confusion: ConfusionMatrix
    difference: Estimate


def read_predictions(run_folder: str) -> pa.Table:
    """Read the predictions of another evaluation.

    Raises:
        ConfigError: The folder has no predictions.
    """
    folder = StorageFolder(run_folder)
    content = folder.read(PREDICTIONS_FILE) if folder.has(PREDICTIONS_FILE) else None
    if not isinstance(content, bytes):
        raise ConfigError(
            f"compare_with: {run_folder} has no {PREDICTIONS_FILE}. List run folders of `faceml evaluate`."
        )
    return pq.read_table(io.BytesIO(content))


def compare_models(
    predictions: pa.Table, others: Sequence[tuple[str, pa.Table]], num_classes: int
) -> list[ComparedModel]:
    """Compare other evaluations with the current one, paired by image.

    Args:
        predictions: Predictions of the current evaluation.
        others: Place of the run folder and predictions of each other evaluation.
        num_classes: Number of expressions.

    Raises:
        ConfigError: Images or labels of an evaluation differ from those of the current one.
    """
    names = predictions["image_id"].to_pylist()
    labels = predictions["label"].to_numpy()
    right = predictions["predicted"].to_numpy() == labels
    compared = []
    for place, other in others:
        if other["image_id"].to_pylist() != names or not np.array_equal(other["label"].to_numpy(), labels):
            raise ConfigError(
                f"compare_with: {place} was evaluated on other images or labels than data.table. Evaluate it "
                "on data.table."
            )
        predicted = other["predicted"].to_numpy()
        counts = np.zeros((num_classes, num_classes), dtype=np.int64)
        np.add.at(counts, (labels, predicted), 1)
        only_other, only_this = (
            int(np.sum((predicted == labels) & ~right)),
            int(np.sum((predicted != labels) & right)),
        )
        difference = paired_difference_of_shares(
            only_other, only_this, len(names), 1 - FAMILY_ERROR / len(others)
        )
        compared.append(ComparedModel(split_place(place)[1], ConfusionMatrix(counts), difference))
    return compared


def comparison_sentence(name: str, other: ComparedModel) -> str:
    """Return the accuracy difference of two models and whether it is significant."""
    difference = other.difference
    verdict = (
        f"{other.name if difference.value > 0 else name} is better"
        if difference.is_resolved
        else "not significant with this number of images"
    )
    return (
        f"{other.name} − {name} = {points(difference.value)} points, "
        f"{points(difference.low)}…{points(difference.high)}: {verdict}."
    )


def comparison_table(this: str, confusion: ConfusionMatrix, compared: Sequence[ComparedModel]) -> DataTable:
    """Return the accuracy of each evaluation, the current one first.

    Args:
        this: Name of the current evaluation's run folder.
        confusion: Its confusion matrix.
        compared: The other evaluations.
    """
    rows = [[this, percent(confusion.accuracy), percent_range(confusion.accuracy_interval()), "", "", ""]]
    rows += [
        [
            name,
            percent(other.accuracy),
            percent_range(other.accuracy_interval()),
            points(difference.value),
            f"{points(difference.low)}…{points(difference.high)}",
            "yes" if difference.is_resolved else "no",
        ]
        for name, other, difference in compared
    ]
    header = ["model", "accuracy", "95 % interval", "difference", "interval", "significant"]
    return DataTable(
        "Accuracy of each model and its difference to the first one, in percentage points", header, rows
    )


def points(difference: float) -> str:
    """Format a difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")
