"""Model card (Mitchell et al. 2019): intended use, training data, metrics, and metrics of subgroups.

Shape letters: N images.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined

from faceml.metrics import Score
from faceml.page import INTERVAL, DataTable, capitalised
from faceml.reporting.evaluation.estimated_yaw import EstimatedYaw, estimate_yaw
from faceml.reporting.evaluation.report import EvaluationFindings
from faceml.reporting.provenance import Provenance
from faceml.statistics import mean_interval, wilson_interval
from faceml.tasks import ImageValues, TaskEvaluation

YAW_BINS_DEG = (0, 15, 30, 45, 90)
YAW_QUARTERS = ("smallest yaw quarter", "second quarter", "third quarter", "largest yaw quarter")
BRIGHTNESS_QUARTERS = ("darkest quarter", "second quarter", "third quarter", "brightest quarter")
MISSED = Score("missed", "not detected", minimised=True, is_share=True, digits=1)

Mask = npt.NDArray[np.bool_]


def model_card(
    findings: EvaluationFindings, yaw_deg: npt.NDArray[np.floating], origin: Provenance, left_out: int
) -> str:
    """Return the model card as Markdown.

    Args:
        findings: Results of the evaluation on N images.
        yaw_deg: Yaw of the images in the order of the predictions, of shape (N,); NaN where no face was
            detected.
        origin: Provenance of the model and of the split.
        left_out: Number of images of the split that were not evaluated.
    """
    evaluations = list(findings.evaluations.values())
    missed = ImageValues(MISSED, ~findings.predictions["has_landmarks"].to_numpy() * 1.0, is_binary=True)
    yaw_size = np.abs(yaw_deg)
    by_yaw = {f"{a} to {b}°": (yaw_size >= a) & (yaw_size < b) for a, b in pairwise(YAW_BINS_DEG)}
    by_brightness = _quarters(findings.predictions["brightness"].to_numpy(), BRIGHTNESS_QUARTERS)
    noun, by_class = next(filter(None, (part.classes for part in evaluations)), ("", {}))
    estimated = next(filter(None, (_estimated(part, yaw_deg) for part in evaluations)), None)
    # Quarters, because estimates are biased towards 0 and bins in degrees would mislead.
    by_estimate = _quarters(np.abs(estimated.yaw_deg), YAW_QUARTERS) if estimated else {}
    card = {
        "name": origin.name,
        "purpose": _listed([part.chapter.purpose for part in evaluations]),
        "facts": origin.facts,
        "split": origin.split,
        "was_chosen_on_it": origin.was_chosen_on_it,
        "images": f"{findings.predictions.num_rows:,}",
        "left_out": f"{left_out:,}",
        "metrics": [line for part in evaluations for line in part.card_lines()],
        "tables": [markdown_table(table) for part in evaluations if (table := part.card_table())],
        "poses": [
            (capitalised(part.chapter.label(values.score)), _by_group("absolute yaw", values, by_yaw))
            for part in evaluations
            if (values := part.image_values())
        ],
        "misses": _by_group(noun, missed, by_class),
        "misses_by_pose": _by_group("estimated absolute yaw", missed, by_estimate),
        "pose_faces": f"{estimated.faces:,}" if estimated else "",
        "pose_correlation": f"{estimated.correlation:.2f}" if estimated else "",
        "brightness": _by_group("brightness of the image", missed, by_brightness),
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


def _estimated(evaluation: TaskEvaluation, yaw_deg: npt.NDArray[np.floating]) -> EstimatedYaw | None:
    """Return the yaw estimated from the landmarks of a task; None if it has no eyes or no nose."""
    located = evaluation.located
    if located is None or not located[1].left_eye or "nose_tip" not in located[1].names:
        return None
    return estimate_yaw(*located, yaw_deg)


def _by_group(groups_name: str, values: ImageValues, groups: Mapping[str, Mask]) -> str:
    """Return a table of the mean of a metric in each group of images, if any, with its interval."""
    score, rows = values.score, list[list[Any]]()
    for name, group in groups.items():
        found = values.values[group & np.isfinite(values.values)]
        interval = (
            None
            if not len(found)
            else wilson_interval(int(found.sum()), len(found))
            if values.is_binary
            else mean_interval(found)
        )
        mean = score.format(float(found.mean()) if len(found) else None)
        rows.append([name, f"{len(found):,}", mean, score.format_range(interval)])
    header = [groups_name, "images", score.label, INTERVAL]
    return markdown_table(DataTable("", header, rows)) if rows else ""


def _quarters(values: npt.NDArray[Any], names: Sequence[str]) -> dict[str, Mask]:
    """Split images into quarters by a value, from the lowest to the highest."""
    quarter = np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values, side="left")
    return {name: quarter == number for number, name in enumerate(names)}


def _listed(parts: Sequence[str]) -> str:
    """Join parts of a sentence, the last one with `and`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
