"""A model card (Mitchell et al. 2019): what a model is for and what not, how good it is and for whom."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined

from faceml.datasets import EXPRESSIONS
from faceml.page import INTERVAL, percent, percent_range
from faceml.reporting.evaluation.classes import HEADER, class_rows
from faceml.reporting.evaluation.estimated_yaw import EstimatedYaw, estimate_yaw
from faceml.reporting.evaluation.report import EvaluationFindings, calibration_sentence
from faceml.reporting.provenance import Provenance
from faceml.statistics import wilson_interval
from faceml.tables import LANDMARK_SETS
from faceml.training import EvaluationResult

YAW = "yaw of the head, either way"
YAW_BINS_DEG = (0, 15, 30, 45, 90)
TURNED = ("least turned quarter", "second quarter", "third quarter", "most turned quarter")
QUARTERS = ("darkest quarter", "second quarter", "third quarter", "brightest quarter")

Mask = npt.NDArray[np.bool_]


def model_card(
    result: EvaluationResult,
    findings: EvaluationFindings,
    yaw_deg: npt.NDArray[np.floating],
    origin: Provenance,
    num_landmarks: int,
    left_out: int,
) -> str:
    """Return the card as Markdown.

    Args:
        result: Of the evaluation of N images.
        findings: The same.
        yaw_deg: Of the images, in the order of the predictions, of shape (N,); NaN where no face was found.
        origin: Of the model.
        num_landmarks: Points that it places.
        left_out: Images of the split without pixels.
    """
    confusion, metrics = result.confusion, result.metrics
    low, high = confusion.macro_f1_interval()
    said = findings.predictions
    labels, found = said["label"].to_numpy(), said["has_landmarks"].to_numpy()
    right = said["predicted"].to_numpy() == labels
    points = np.array(said["landmarks"].to_pylist()).reshape(len(labels), num_landmarks, 2)
    estimated = estimate_yaw(points, LANDMARK_SETS[num_landmarks], yaw_deg)
    by_class = {name: labels == label for label, name in enumerate(EXPRESSIONS)}
    card = {
        "name": origin.name,
        "description": "A ResNet that says of a face which expression it shows and where its landmarks are.",
        "num_landmarks": num_landmarks,
        "facts": origin.facts,
        "split": origin.split,
        "was_chosen_on_it": origin.was_chosen_on_it,
        "images": f"{confusion.images:,}",
        "left_out": f"{left_out:,}",
        "accuracy": f"{percent(confusion.accuracy)} ({percent_range(confusion.accuracy_interval())})",
        "macro_f1": f"{confusion.macro_f1:.3f} ({low:.3f}–{high:.3f})",
        "calibration": calibration_sentence(findings.calibration),
        "landmarks": f"{percent(metrics['nme_interocular'])} of the distance between the eyes from "
        "MediaPipe's, on average",
        "classes": markdown_table(["expression", *HEADER], class_rows(confusion, EXPRESSIONS)),
        "poses": _shares(YAW, "right", right, _turned(yaw_deg)),
        "misses": _shares("expression", "missed", ~found, by_class),
        "misses_by_pose": _by_estimate(~found, estimated) if estimated else "",
        "pose_faces": f"{estimated.faces:,}" if estimated else "",
        "pose_correlation": f"{estimated.correlation:.2f}" if estimated else "",
        "brightness": _shares(
            "brightness of the image", "missed", ~found, _quarters(said["brightness"].to_numpy(), QUARTERS)
        ),
    }
    environment = Environment(
        loader=PackageLoader("faceml.reporting.evaluation"), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    return environment.get_template("model_card.md.j2").render(card=card)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown, numbers to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shares(of: str, what: str, is_so: Mask, groups: Mapping[str, Mask]) -> str:
    """Return a table of the share of each group's images of which something is so."""
    rows: list[list[Any]] = []
    for name, group in groups.items():
        count, images = int(is_so[group].sum()), int(group.sum())
        interval = percent_range(wilson_interval(count, images)) if images else "–"
        rows.append([name, f"{images:,}", percent(count / images) if images else "–", interval])
    return markdown_table([of, "images", what, INTERVAL], rows)


def _turned(yaw_deg: npt.NDArray[np.floating]) -> dict[str, Mask]:
    """Return which faces are turned how far."""
    yaw = np.abs(yaw_deg)
    return {f"{start} to {end}°": (yaw >= start) & (yaw < end) for start, end in pairwise(YAW_BINS_DEG)}


def _by_estimate(missed: Mask, estimated: EstimatedYaw) -> str:
    """Return a table by quarters: estimates are drawn towards the middle, so that degrees would mislead."""
    quarters = _quarters(np.abs(estimated.yaw_deg), TURNED)
    return _shares("estimated yaw, either way", "missed", missed, quarters)


def _quarters(values: npt.NDArray[Any], names: Sequence[str]) -> dict[str, Mask]:
    """Return which images are among the quarter with the lowest values, and so on."""
    quarter = np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values, side="left")
    return {name: quarter == number for number, name in enumerate(names)}
