"""Report of a multitask training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceml.config import TrainConfig, load_yaml, parse_config
from faceml.page import Chapter, Section, change, epochs_picture
from faceml.reporting.provenance import training_data_facts
from faceml.reporting.training.diagnosis import cosine_metrics, diagnose_multitask, unsteady
from faceml.reporting.training.summary import best_record
from faceml.runs import CONFIG_FILE, SUMMARY_FILE, read_metrics
from faceml.tasks import TrainingResults, select_score
from faceml.training import build_cached_faces

Records = list[dict[str, Any]]


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
    faces = build_cached_faces(config)
    best = best_record(records, select_score(config.selection, config.all_tasks))
    parts = [
        (task.chapter(), TrainingResults(records, best, faces.num_targets(name)))
        for name, task in faces.tasks.items()
    ]
    return Chapter(
        title=title,
        headlines=[line for chapter, results in parts for line in chapter.training_headlines(results)],
        sections=[
            *(chapter.named(chapter.training_section(results)) for chapter, results in parts),
            *([_balance(records, config)] if len(parts) > 1 else []),
        ],
        config=text,
        facts=[
            *training_data_facts(title, config.data, run_folder),
            (f"{title}: wall time", f"{wall_s:,.0f} s"),
        ],
    )


def _balance(records: Records, config: TrainConfig) -> Section:
    def of_tasks(metric: str) -> dict[str, str]:
        return {task: f"train/{metric}_{task}" for task in config.all_tasks}

    weights, norms, log_vars = of_tasks("weight"), of_tasks("grad_norm"), of_tasks("log_var")
    pictures = [
        epochs_picture(
            records,
            "Task weights",
            weights,
            "weight of the loss",
            _change_by_task(records, weights, "The weight"),
            "Factor of each loss in the total loss.",
            log=_are_positive(records, weights),
        ),
        epochs_picture(
            records,
            "Task gradients in the backbone",
            norms,
            "gradient norm",
            _change_by_task(records, norms, "The norm"),
            "Before weighting, mean over the sampled steps. The backbone learns nothing from a task whose "
            "gradient vanishes.",
            log=_are_positive(records, norms),
        ),
    ]
    if all(name in records[0] for name in log_vars.values()):
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
    cosines = {f"{one}, {other}": name for (one, other), name in cosine_metrics(records[0]).items()}
    if len(cosines) > 1:
        pictures.append(
            epochs_picture(
                records,
                "Conflict of task gradients",
                cosines,
                "cosine in the backbone",
                _change_by_task(records, cosines, "The cosine"),
                "Gradients with a negative cosine conflict: a step along one raises the other task's loss.",
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


def _are_positive(records: Records, names: Mapping[str, str]) -> bool:
    return all((record[name] or 0.0) > 0 for record in records for name in names.values())


def _change_by_task(records: Records, names: Mapping[str, str], what: str) -> str:
    changes = " and ".join(f"from {change(records, name)} for {task}" for task, name in names.items())
    return f"{what} goes {changes}."
