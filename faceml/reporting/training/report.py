"""What a report says of a multitask training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceml.config import DataConfig, TrainConfig, load_yaml, parse_config
from faceml.datasets import EXPRESSIONS, FaceDataset, Preprocessing
from faceml.page import (
    INTERVAL,
    Chapter,
    DataTable,
    Headline,
    Picture,
    Section,
    percent,
    percent_range,
    significant,
    svg,
)
from faceml.reporting.data_digest import data_facts, tables_of
from faceml.reporting.evaluation.classes import classes_data_table, confusion_figure
from faceml.reporting.training.diagnosis import diagnose, unsteady
from faceml.reporting.training.figures import epochs_figure
from faceml.reporting.training.summary import best_record, confusion_of
from faceml.runs import CONFIG_FILE, SUMMARY_FILE, read_metrics
from faceml.statistics import wilson_interval
from faceml.tables import LANDMARK_SETS


@dataclass(frozen=True)
class ValidationFaces:
    """The faces that accuracies are measured on, counted by expression."""

    counts: Sequence[int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts)

    @property
    def majority(self) -> tuple[str, float]:
        """The most frequent expression, and the accuracy of who always answers it."""
        label = max(range(len(self.counts)), key=self.counts.__getitem__)
        return EXPRESSIONS[label], self.counts[label] / self.total

    def interval(self, accuracy: float) -> tuple[float, float]:
        """Return the 95 % Wilson interval of an accuracy measured on them."""
        return wilson_interval(round(accuracy * self.total), self.total)


def count_validation_faces(config: DataConfig) -> ValidationFaces:
    """Count the validation split as training sees it."""
    val = config.val
    faces = FaceDataset(val.table, val.images, config.num_landmarks, Preprocessing(config.image_size))
    return ValidationFaces(faces.class_counts())


def training_chapter(run_folder: Path, title: str = "Training") -> Chapter:
    """Return what the run folder of a training has to say.

    Args:
        run_folder: With `config.yaml`, `metrics.jsonl` and `summary.json`; the tables it was trained on are
            still there.
        title: Of the chapter.
    """
    text = (run_folder / CONFIG_FILE).read_text(encoding="utf-8")
    config = parse_config(TrainConfig, load_yaml(text))
    records = read_metrics(run_folder)
    wall_s = json.loads((run_folder / SUMMARY_FILE).read_text(encoding="utf-8"))["wall_s"]
    faces = count_validation_faces(config.data)
    return Chapter(
        title=title,
        headlines=_headlines(best_record(records), len(records), faces),
        sections=[_accuracy(records, faces), _losses(records, config), _balance(records, config)],
        config=text,
        facts=[*data_facts(title, tables_of(config.data)), (f"{title}: wall time", f"{wall_s:,.0f} s")],
    )


def _headlines(best: Mapping[str, Any], epochs: int, faces: ValidationFaces) -> list[Headline]:
    accuracy = best["val/accuracy"]
    low, high = confusion_of(best).macro_f1_interval()
    return [
        Headline(
            "Expression accuracy",
            percent(accuracy),
            f"{INTERVAL} {percent_range(faces.interval(accuracy))}; "
            f"n = {faces.total:,}; epoch {best['epoch']} of {epochs}",
        ),
        Headline(
            "Macro-F1",
            f"{best['val/macro_f1']:.3f}",
            f"{INTERVAL} {low:.3f}–{high:.3f}; every expression counts alike",
        ),
        Headline("Landmark MSE", significant(best["val/landmark_mse"]), "of coordinates from 0 to 1"),
        Headline("Landmark NME", percent(best["val/nme_interocular"]), "of the distance between the eyes"),
    ]


def _accuracy(records: list[dict[str, Any]], faces: ValidationFaces) -> Section:
    best = best_record(records)
    confusion = confusion_of(best)
    accuracy, (expression, share) = best["val/accuracy"], faces.majority
    low, high = faces.interval(accuracy)
    return Section(
        title="How well expressions are recognised",
        text=[
            f"The best epoch, {best['epoch']} of {len(records)}, names the right expression for "
            f"{percent(accuracy)} of {faces.total:,} validation images ({INTERVAL} "
            f"{percent_range((low, high))}). Always answering “{expression}” would be right for "
            f"{percent(share)}."
        ],
        pictures=[
            _chart(
                records,
                "Validation accuracy and macro-F1",
                {"accuracy": "val/accuracy", "macro-F1": "val/macro_f1"},
                "on validation images",
                f"Accuracy is {percent(records[0]['val/accuracy'])} after the first epoch, highest with "
                f"{percent(accuracy)} in epoch {best['epoch']}, and {percent(records[-1]['val/accuracy'])} "
                "at the end.",
                percent=True,
                best_epoch=best["epoch"],
                baseline=(f"always “{expression}”", share),
            ),
            _chart(
                records,
                "Expression loss",
                {"training": "train/loss_expression", "validation": "val/loss_expression"},
                "cross-entropy",
                f"Cross-entropy goes from {_change(records, 'train/loss_expression')} in training and from "
                f"{_change(records, 'val/loss_expression')} in validation.",
                "When the two part, the network learns the training images by heart.",
                best_epoch=best["epoch"],
            ),
            Picture(
                "Confusions",
                svg(confusion_figure(confusion, EXPRESSIONS)),
                "image/svg+xml",
                "Counts of validation images by true and by predicted expression; the table below has the "
                "share that is right of each.",
                "Rows are true expressions, columns what the network says; the darker, the larger a row's "
                "share.",
            ),
        ],
        tables=[classes_data_table(confusion, EXPRESSIONS, f"Each expression in epoch {best['epoch']}")],
        notes=[
            "The best epoch is chosen on these same validation images, so that its accuracy is somewhat "
            "optimistic for new ones; the interval covers the chance of the draw, not that choice."
        ],
    )


def _losses(records: list[dict[str, Any]], config: TrainConfig) -> Section:
    best = best_record(records)
    points = LANDMARK_SETS[config.data.num_landmarks].names
    return Section(
        title="How well landmarks are placed",
        text=[
            "The network is compared with MediaPipe's points, which no person has checked: an error of 0 "
            "would mean that it does as MediaPipe does, right or wrong."
        ],
        pictures=[
            _chart(
                records,
                "Landmark loss",
                {"training": "train/loss_landmarks", "validation": "val/landmark_mse"},
                "mean squared error",
                f"The squared error goes from {_change(records, 'train/loss_landmarks')} in training and "
                f"from {_change(records, 'val/landmark_mse')} in validation.",
                "Of coordinates from 0 to 1, on a logarithmic axis.",
                log=True,
                best_epoch=best["epoch"],
            ),
            _chart(
                records,
                "Landmark error in eye distances",
                {"NME": "val/nme_interocular"},
                "validation NME",
                f"The normalised mean error goes from {_change(records, 'val/nme_interocular')}.",
                "Mean distance of a point from its target, divided by the distance between the eyes.",
                percent=True,
                best_epoch=best["epoch"],
            ),
        ],
        tables=[
            DataTable(
                title=f"Error of each point in epoch {best['epoch']}",
                header=["point", "NME"],
                rows=[[name.replace("_", " "), percent(best[f"val/nme_{name}"])] for name in points],
            )
        ],
    )


def _balance(records: list[dict[str, Any]], config: TrainConfig) -> Section:
    def of_tasks(metric: str) -> dict[str, str]:
        return {task: f"train/{metric}_{task}" for task in ("expression", "landmarks")}

    weights, norms, log_vars = of_tasks("weight"), of_tasks("grad_norm"), of_tasks("log_var")
    learned = log_vars["expression"] in records[0]
    pictures = [
        _chart(
            records,
            "Weight of each task",
            weights,
            "factor of the loss",
            _by_task(records, weights, "The factor"),
            "What each loss is multiplied by in the total.",
            log=all(record[name] > 0 for record in records for name in weights.values()),
        ),
        _chart(
            records,
            "Gradient of each task in the backbone",
            norms,
            "norm of the gradient",
            _by_task(records, norms, "The norm"),
            "Before weighting, mean over the steps looked at. A task that vanishes here teaches nothing.",
            log=all(record[name] > 0 for record in records for name in norms.values()),
        ),
    ]
    if learned:
        pictures.append(
            _chart(
                records,
                "Learned uncertainty of each task",
                log_vars,
                "log σ²",
                _by_task(records, log_vars, "The log-variance"),
                "The lower, the surer the network is of the task, and the more the task weighs.",
            )
        )
    return Section(
        title="How the two tasks share the network",
        text=[
            f"Weighting: {config.weighting.kind}.",
            *(finding.text for finding in diagnose(records, config.weighting)),
            *([moving] if (moving := unsteady(records, config.weighting)) else []),
        ],
        pictures=pictures,
    )


def _chart(
    records: list[dict[str, Any]],
    title: str,
    series: dict[str, str],
    y_label: str,
    alt: str,
    caption: str = "",
    **options: Any,
) -> Picture:
    figure = epochs_figure(records, series, y_label, **options)
    return Picture(title, svg(figure), "image/svg+xml", f"{title} by epoch. {alt}", caption)


def _change(records: list[dict[str, Any]], name: str) -> str:
    return f"{significant(records[0][name])} to {significant(records[-1][name])}"


def _by_task(records: list[dict[str, Any]], names: Mapping[str, str], what: str) -> str:
    changes = " and ".join(f"from {_change(records, name)} for {task}" for task, name in names.items())
    return f"{what} goes {changes}."
