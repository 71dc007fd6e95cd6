"""Names of the metrics and outputs of tasks in records, predictions, exports and reports."""

from collections.abc import Mapping
from typing import Any

SHORT_METRICS = {
    "expression/accuracy": "accuracy",
    "expression/macro_f1": "macro_f1",
    "expression/loss": "loss_expression",
    "expression/confusion_matrix": "confusion_matrix",
    "expression/recall": "recall",
    "expression/calibration": "calibration",
    "landmarks/mse": "landmark_mse",
    "landmarks/nme": "nme",
}
"""Names of metrics from when `expression` and `landmarks` were the only tasks."""
LONG_METRICS = {short: long for long, short in SHORT_METRICS.items()}
SHORT_LABELS = ("expression", "landmarks")
"""Tasks whose metrics are labelled without the task's name in reports."""
VALIDATION = "val/"
"""Prefix of validation metrics in records."""


def metric_name(task: str, metric: str) -> str:
    """Return the name of a task's metric in records: `task/metric`, or its short name."""
    if task == "landmarks" and metric.startswith("nme_"):
        return metric
    return SHORT_METRICS.get(f"{task}/{metric}", f"{task}/{metric}")


def split_metric(name: str) -> tuple[str, str]:
    """Return task and metric, given the name that `metric_name` has made of them."""
    long = f"landmarks/{name}" if name.startswith("nme_") else LONG_METRICS.get(name, name)
    task, _, metric = long.partition("/")
    return task, metric


def own_metrics(task: str, metrics: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the metrics of a task by their names in `TaskMetric.compute`.

    Args:
        task: Name of the task.
        metrics: Metrics by names of `metric_name` after the prefix; others are ignored.
        prefix: Prefix of the names, such as `val/` in records.
    """
    split = {name: split_metric(name.removeprefix(prefix)) for name in metrics if name.startswith(prefix)}
    return {metric: metrics[name] for name, (owner, metric) in split.items() if owner == task}


def metric_label(task: str, label: str) -> str:
    """Return the label of a task's metric in reports, with the task's name unless it is in `SHORT_LABELS`."""
    return label if task in SHORT_LABELS else f"{task.replace('_', ' ')} {label}"


def output_name(task: str, output: str) -> str:
    """Return the name of a task's output in predictions and exports: `task_output`, or its short name.

    The outputs of `expression` keep the names from when no other task had them: `probabilities`, `logits`.
    """
    return output if task == "expression" else f"{task}_{output}"


def counts_name(task: str) -> str:
    """Return the name of the number of faces by class in summaries: `<task>_counts`, or its old name."""
    return "expressions" if task == "expression" else f"{task}_counts"
