"""The files of a run folder: their names, and reading and writing those that need nothing but this."""

import json
from pathlib import Path
from typing import Any

from faceml.storage import write_text

CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.jsonl"
SUMMARY_FILE = "summary.json"
BEST_MODEL_FILE = "best_model.pt"
QUALITY_FILE = "quality.json"
REPORT_FILE = "report.html"
MLFLOW_FILE = "mlflow.json"
CONFUSION = "val/confusion_matrix"
PREDICTIONS_FILE = "predictions.parquet"
MODEL_CARD_FILE = "model_card.md"
PAIRS_FILE = "pairs.parquet"
PEOPLE_FILE = "people.json"
BROKEN_STEPS_FOLDER = "broken_steps"


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a run folder, in the order of their epochs; none if there are none yet."""
    file = path / METRICS_FILE
    return parse_metrics(file.read_text(encoding="utf-8")) if file.is_file() else []


def parse_metrics(text: str) -> list[dict[str, Any]]:
    """Return the records that `metrics.jsonl` holds."""
    return [json.loads(line) for line in text.splitlines()]


def write_metrics(records: list[dict[str, Any]], path: Path) -> None:
    """Write `metrics.jsonl`, one record on each line, into a run folder."""
    write_text(path / METRICS_FILE, "".join(json.dumps(record) + "\n" for record in records))


def write_config(text: str, path: Path) -> None:
    """Write `config.yaml`, the resolved configuration, into a run folder."""
    write_text(path / CONFIG_FILE, text)


def read_summary(path: Path) -> dict[str, Any]:
    """Return `summary.json` of a run folder."""
    found: dict[str, Any] = json.loads((path / SUMMARY_FILE).read_text(encoding="utf-8"))
    return found


def write_summary(summary: dict[str, Any], path: Path) -> None:
    """Write `summary.json`, what a script reads of a run, into a run folder."""
    write_text(path / SUMMARY_FILE, json.dumps(summary, indent=2) + "\n")
