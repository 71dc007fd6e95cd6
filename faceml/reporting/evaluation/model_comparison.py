"""Several evaluations of the same images side by side, with intervals of what they differ in."""

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
from faceml.statistics import ShareDifference, paired_difference_of_shares
from faceml.storage import StorageFolder, split_place

FAMILY_ERROR = 0.05
"""Chance that any of the intervals misses, whatever they have in common (Bonferroni)."""


class ComparedModel(NamedTuple):
    """Another evaluation beside this one.

    Attributes:
        name: Of its run folder.
        confusion: Of it.
        difference: Its accuracy minus that of this evaluation, on the same images.
    """

    name: str
    confusion: ConfusionMatrix
    difference: ShareDifference


def read_predictions(run_folder: str) -> pa.Table:
    """Return what another evaluation left.

    Raises:
        ConfigError: There is none.
    """
    folder = StorageFolder(run_folder)
    content = folder.read(PREDICTIONS_FILE) if folder.has(PREDICTIONS_FILE) else None
    if not isinstance(content, bytes):
        raise ConfigError(
            f"compare_with: {run_folder} has no {PREDICTIONS_FILE}. Name run folders of `faceml evaluate`."
        )
    return pq.read_table(io.BytesIO(content))


def compare_models(
    predictions: pa.Table, others: Sequence[tuple[str, pa.Table]], num_classes: int
) -> list[ComparedModel]:
    """Compare evaluations with this one, in pairs of the same image.

    Args:
        predictions: Of this evaluation.
        others: Place of the run folder, and predictions, of each.
        num_classes: Expressions.

    Raises:
        ConfigError: One has other images, or other labels of them.
    """
    names = predictions["image_id"].to_pylist()
    labels = predictions["label"].to_numpy()
    right = predictions["predicted"].to_numpy() == labels
    compared = []
    for place, other in others:
        if other["image_id"].to_pylist() != names or not np.array_equal(other["label"].to_numpy(), labels):
            raise ConfigError(
                f"compare_with: {place} was evaluated on other images or labels than data.table. Evaluate it "
                "on the same."
            )
        said = other["predicted"].to_numpy()
        counts = np.zeros((num_classes, num_classes), dtype=np.int64)
        np.add.at(counts, (labels, said), 1)
        only_other, only_this = int(np.sum((said == labels) & ~right)), int(np.sum((said != labels) & right))
        difference = paired_difference_of_shares(
            only_other, only_this, len(names), 1 - FAMILY_ERROR / len(others)
        )
        compared.append(ComparedModel(split_place(place)[1], ConfusionMatrix(counts), difference))
    return compared


def comparison_table(this: str, confusion: ConfusionMatrix, compared: Sequence[ComparedModel]) -> DataTable:
    """Return a row for each evaluation, this one first.

    Args:
        this: Name of this evaluation's run folder.
        confusion: Of it.
        compared: The others.
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
    header = ["model", "accuracy", "95 % interval", "difference", "interval", "resolved"]
    return DataTable("Accuracy of each, and its difference to the first, in points", header, rows)


def points(difference: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")
