"""Report of a multitask training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceml.config import DataConfig, TrainConfig, load_yaml, parse_config
from faceml.datasets import EXPRESSIONS, FaceDataset, Preprocessing
from faceml.metrics import ConfusionMatrix
from faceml.page import INTERVAL, Chapter, Headline, Section, percent, percent_range
from faceml.reporting.evaluation.classes import (
    classes_table,
    confusion_picture,
    landmark_headlines,
    macro_f1_headline,
    point_errors_table,
)
from faceml.reporting.provenance import training_data_facts
from faceml.reporting.training.diagnosis import diagnose_multitask, unsteady
from faceml.reporting.training.figures import change, epochs_picture
from faceml.reporting.training.summary import best_record, confusion_of
from faceml.runs import CONFIG_FILE, SUMMARY_FILE, read_metrics
from faceml.statistics import wilson_interval
from faceml.tables import LANDMARK_SETS

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class ValidationFaces:
    """Number of validation faces of each expression."""

    counts: Sequence[int]

    @property
    def total(self) -> int:
        """Number of all validation faces."""
        return sum(self.counts)

    @property
    def majority(self) -> tuple[str, float]:
        """The most frequent expression, and the accuracy of always predicting it."""
        label = max(range(len(self.counts)), key=self.counts.__getitem__)
        return EXPRESSIONS[label], self.counts[label] / self.total

    def interval(self, accuracy: float) -> tuple[float, float]:
        """Return the 95 % Wilson interval of an accuracy on these faces."""
        return wilson_interval(round(accuracy * self.total), self.total)


def count_validation_faces(config: DataConfig) -> ValidationFaces:
    """Count the faces of the validation split that the training evaluates on."""
    val = config.val
    faces = FaceDataset(
        val.table,
        val.images,
        config.num_landmarks,
        Preprocessing(config.image_size),
        follow_links=val.follow_links,
    )
    return ValidationFaces(faces.class_counts())


def training_chapter(run_folder: Path, title: str = "Training") -> Chapter:
    """Return the report of the training in a run folder.

    Args:
        run_folder: Folder with `config.yaml`, `metrics.jsonl` and `summary.json`; the tables of the training
            still exist.
        title: Title of the chapter.
    """
    text = (run_folder / CONFIG_FILE).read_text(encoding="utf-8")
    config = parse_config(TrainConfig, load_yaml(text))
    records = read_metrics(run_folder)
    wall_s = json.loads((run_folder / SUMMARY_FILE).read_text(encoding="utf-8"))["wall_s"]
    faces = count_validation_faces(config.data)
    best = best_record(records)
    return Chapter(
        title=title,
        headlines=[
            Headline(
                "Expression accuracy",
                percent(best["val/accuracy"]),
                f"{INTERVAL} {percent_range(faces.interval(best['val/accuracy']))}; "
                f"n = {faces.total:,}; epoch {best['epoch']} of {len(records)}",
            ),
            macro_f1_headline(confusion_of(best), best["val/macro_f1"]),
            *landmark_headlines(best["val/landmark_mse"], best["val/nme_interocular"]),
        ],
        sections=[
            _expressions(records, faces, best, confusion_of(best)),
            _landmarks(records, best, config.data.num_landmarks),
            _balance(records, config),
        ],
        config=text,
        facts=[
            *training_data_facts(title, config.data, run_folder),
            (f"{title}: wall time", f"{wall_s:,.0f} s"),
        ],
    )


def _expressions(
    records: Records, faces: ValidationFaces, best: Mapping[str, Any], confusion: ConfusionMatrix
) -> Section:
    accuracy, (expression, share) = best["val/accuracy"], faces.majority
    return Section(
        title="Expression classification",
        text=[
            f"In the best epoch, {best['epoch']} of {len(records)}, the validation accuracy is "
            f"{percent(accuracy)} on {faces.total:,} images ({INTERVAL} "
            f"{percent_range(faces.interval(accuracy))}). Always predicting “{expression}” gives "
            f"{percent(share)}."
        ],
        pictures=[
            epochs_picture(
                records,
                "Validation accuracy and macro-F1",
                {"accuracy": "val/accuracy", "macro-F1": "val/macro_f1"},
                "validation score",
                f"Accuracy is {percent(records[0]['val/accuracy'])} after the first epoch, highest with "
                f"{percent(accuracy)} in epoch {best['epoch']}, and {percent(records[-1]['val/accuracy'])} "
                "at the end.",
                percent=True,
                best_epoch=best["epoch"],
                baseline=(f"always “{expression}”", share),
            ),
            epochs_picture(
                records,
                "Expression loss",
                {"training": "train/loss_expression", "validation": "val/loss_expression"},
                "cross-entropy",
                f"Cross-entropy goes from {change(records, 'train/loss_expression')} in training and from "
                f"{change(records, 'val/loss_expression')} in validation.",
                "A validation loss that rises while the training loss falls indicates overfitting.",
                best_epoch=best["epoch"],
            ),
            confusion_picture(confusion, EXPRESSIONS),
        ],
        tables=[classes_table(confusion, EXPRESSIONS, f"Metrics of each class in epoch {best['epoch']}")],
        notes=[
            "The best epoch is selected on these validation images, so its accuracy is an optimistic "
            "estimate for new images. The interval covers the sampling of images, not this selection."
        ],
    )


def _landmarks(records: Records, best: Mapping[str, Any], num_landmarks: int) -> Section:
    errors = {name: best[f"val/nme_{name}"] for name in LANDMARK_SETS[num_landmarks].names}
    return Section(
        title="Landmark localisation",
        text=[
            "The reference are the landmarks of MediaPipe, not manual annotations: an error of 0 means "
            "agreement with MediaPipe."
        ],
        pictures=[
            epochs_picture(
                records,
                "Landmark loss",
                {"training": "train/loss_landmarks", "validation": "val/landmark_mse"},
                "mean squared error",
                f"The squared error goes from {change(records, 'train/loss_landmarks')} in training and "
                f"from {change(records, 'val/landmark_mse')} in validation.",
                "Of coordinates normalised to 0 … 1; logarithmic axis.",
                log=True,
                best_epoch=best["epoch"],
            ),
            epochs_picture(
                records,
                "Normalised mean error",
                {"NME": "val/nme_interocular"},
                "validation NME",
                f"The normalised mean error goes from {change(records, 'val/nme_interocular')}.",
                "Mean distance between predicted and reference points, divided by the interocular distance.",
                percent=True,
                best_epoch=best["epoch"],
            ),
        ],
        tables=[point_errors_table(errors, f"Error of each landmark in epoch {best['epoch']}")],
    )


def _balance(records: Records, config: TrainConfig) -> Section:
    def of_tasks(metric: str) -> dict[str, str]:
        return {task: f"train/{metric}_{task}" for task in ("expression", "landmarks")}

    weights, norms, log_vars = of_tasks("weight"), of_tasks("grad_norm"), of_tasks("log_var")
    pictures = [
        epochs_picture(
            records,
            "Task weights",
            weights,
            "weight of the loss",
            _change_by_task(records, weights, "The weight"),
            "Factor of each loss in the total loss.",
            log=all(record[name] > 0 for record in records for name in weights.values()),
        ),
        epochs_picture(
            records,
            "Task gradients in the backbone",
            norms,
            "gradient norm",
            _change_by_task(records, norms, "The norm"),
            "Before weighting, mean over the sampled steps. The backbone learns nothing from a task whose "
            "gradient vanishes.",
            log=all(record[name] > 0 for record in records for name in norms.values()),
        ),
    ]
    if log_vars["expression"] in records[0]:
        pictures.append(
            epochs_picture(
                records,
                "Learned uncertainty of each task",
                log_vars,
                "log σ²",
                _change_by_task(records, log_vars, "The log-variance"),
                "The lower the log-variance, the larger the weight of the task.",
            )
        )
    changing = unsteady(records, config.weighting)
    return Section(
        title="Task balance",
        text=[
            f"Weighting: {config.weighting.kind}.",
            *(finding.text for finding in diagnose_multitask(records, config.weighting)),
            *([changing] if changing else []),
        ],
        pictures=pictures,
    )


def _change_by_task(records: Records, names: Mapping[str, str], what: str) -> str:
    changes = " and ".join(f"from {change(records, name)} for {task}" for task, name in names.items())
    return f"{what} goes {changes}."
