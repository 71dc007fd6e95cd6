"""Model card (Mitchell et al. 2019): intended use, training data, metrics, and metrics of subgroups."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined

from faceml.datasets import EXPRESSIONS
from faceml.page import INTERVAL, DataTable, percent, percent_range
from faceml.reporting.evaluation.calibration import calibration_sentence
from faceml.reporting.evaluation.classes import classes_table
from faceml.reporting.evaluation.estimated_yaw import estimate_yaw
from faceml.reporting.evaluation.report import EvaluationFindings
from faceml.reporting.provenance import Provenance
from faceml.statistics import wilson_interval
from faceml.tables import LANDMARK_SETS
from faceml.training import EvaluationResult

YAW_BINS_DEG = (0, 15, 30, 45, 90)
YAW_QUARTERS = ("smallest yaw quarter", "second quarter", "third quarter", "largest yaw quarter")
BRIGHTNESS_QUARTERS = ("darkest quarter", "second quarter", "third quarter", "brightest quarter")

Mask = npt.NDArray[np.bool_]


def model_card(
    result: EvaluationResult,
    findings: EvaluationFindings,
    yaw_deg: npt.NDArray[np.floating],
    origin: Provenance,
    num_landmarks: int,
    left_out: int,
) -> str:
    """Return the model card as Markdown.

    Args:
        result: Metrics of the evaluation on N images.
        findings: Predictions and calibration of the evaluation.
        yaw_deg: Yaw of the images in the order of the predictions, of shape (N,); NaN where no face was
            detected.
        origin: Provenance of the model and of the split.
        num_landmarks: Number of landmarks that the model predicts.
        left_out: Number of images of the split that could not be decoded.
    """
    confusion, metrics, predictions = result.confusion, result.metrics, findings.predictions
    low, high = confusion.macro_f1_interval()
    labels, found = predictions["label"].to_numpy(), predictions["has_landmarks"].to_numpy()
    right = predictions["predicted"].to_numpy() == labels
    points = np.array(predictions["landmarks"].to_pylist()).reshape(len(labels), num_landmarks, 2)
    estimated = estimate_yaw(points, LANDMARK_SETS[num_landmarks], yaw_deg)
    yaw_size = np.abs(yaw_deg)
    by_yaw = {f"{a} to {b}°": (yaw_size >= a) & (yaw_size < b) for a, b in pairwise(YAW_BINS_DEG)}
    by_class = {name: labels == label for label, name in enumerate(EXPRESSIONS)}
    by_brightness = _quarters(predictions["brightness"].to_numpy(), BRIGHTNESS_QUARTERS)
    # Quarters, because estimates are biased towards 0 and bins in degrees would mislead.
    by_estimate = _quarters(np.abs(estimated.yaw_deg), YAW_QUARTERS) if estimated else {}
    card = {
        "name": origin.name,
        "num_landmarks": num_landmarks,
        "facts": origin.facts,
        "split": origin.split,
        "was_chosen_on_it": origin.was_chosen_on_it,
        "images": f"{confusion.images:,}",
        "left_out": f"{left_out:,}",
        "accuracy": f"{percent(confusion.accuracy)} ({percent_range(confusion.accuracy_interval())})",
        "macro_f1": f"{confusion.macro_f1:.3f} ({low:.3f}–{high:.3f})",
        "calibration": calibration_sentence(findings.calibration),
        "nme": percent(metrics["nme_interocular"]),
        "classes": markdown_table(classes_table(confusion, EXPRESSIONS, "")),
        "poses": _rates("absolute yaw", "accuracy", right, by_yaw),
        "misses": _rates("expression", "not detected", ~found, by_class),
        "misses_by_pose": _rates("estimated absolute yaw", "not detected", ~found, by_estimate),
        "pose_faces": f"{estimated.faces:,}" if estimated else "",
        "pose_correlation": f"{estimated.correlation:.2f}" if estimated else "",
        "brightness": _rates("brightness of the image", "not detected", ~found, by_brightness),
    }
    environment = Environment(
        loader=PackageLoader("faceml.reporting.evaluation"), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    return environment.get_template("model_card.md.j2").render(card=card)


def markdown_table(table: DataTable) -> str:
    """Return a table as Markdown, all columns but the first aligned to the right."""
    lines = [table.header, ["---", *["---:"] * (len(table.header) - 1)], *table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rates(groups_name: str, rate_name: str, is_so: Mask, groups: Mapping[str, Mask]) -> str:
    """Return a table of the share of images in each group for which a condition holds, if any."""
    rows: list[list[Any]] = []
    for name, group in groups.items():
        count, images = int(is_so[group].sum()), int(group.sum())
        interval = percent_range(wilson_interval(count, images)) if images else "–"
        rows.append([name, f"{images:,}", percent(count / images) if images else "–", interval])
    return markdown_table(DataTable("", [groups_name, "images", rate_name, INTERVAL], rows)) if rows else ""


def _quarters(values: npt.NDArray[Any], names: Sequence[str]) -> dict[str, Mask]:
    """Split images into quarters by a value, from the lowest to the highest."""
    quarter = np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values, side="left")
    return {name: quarter == number for number, name in enumerate(names)}
