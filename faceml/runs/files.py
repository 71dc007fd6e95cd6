"""Names of the files in a run folder, and functions to read and write their records."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceml.storage import StorageFolder, write_text

if TYPE_CHECKING:
    from faceml.training import Metrics, NonFiniteStep

CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.jsonl"
SUMMARY_FILE = "summary.json"
BEST_MODEL_FILE = "best_model.pt"
QUALITY_FILE = "quality.json"
DATA_FILE = "data.json"
REPORT_FILE = "report.html"
MLFLOW_FILE = "mlflow.json"
PREDICTIONS_FILE = "predictions.parquet"
MODEL_CARD_FILE = "model_card.md"
PAIRS_FILE = "pairs.parquet"
PEOPLE_FILE = "people.json"
NONFINITE_STEPS_FOLDER = "nonfinite_steps"


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a run folder in the order of their epochs; an empty list if it has none."""
    file = path / METRICS_FILE
    return parse_metrics(file.read_text(encoding="utf-8")) if file.is_file() else []


def parse_metrics(text: str) -> list[dict[str, Any]]:
    """Return the records in the text of `metrics.jsonl`."""
    return [json.loads(line) for line in text.splitlines()]


def write_metrics(records: list[dict[str, Any]], path: Path) -> None:
    """Write `metrics.jsonl`, one record per line, into a folder."""
    write_text(path / METRICS_FILE, "".join(json.dumps(record) + "\n" for record in records))


def epoch_record(epoch: int, metrics: "Metrics", arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of an epoch, ready for JSON.

    JSON has no NaN: a metric without a value, such as NME without any landmarks, is null.
    """
    return {"epoch": epoch, **{name: _finite(value) for name, value in {**metrics, **arrays}.items()}}


def _finite(value: Any) -> Any:
    """Return numbers, or nested lists of them, with None for those that are not finite."""
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value if math.isfinite(value) else None


def read_summary(path: Path) -> dict[str, Any]:
    """Return the content of `summary.json` in a run folder."""
    found: dict[str, Any] = json.loads((path / SUMMARY_FILE).read_text(encoding="utf-8"))
    return found


def write_nonfinite_step(record: "NonFiniteStep", rank: int, folder: StorageFolder) -> None:
    """Write the image ids and losses of a step whose gradient is not finite.

    Args:
        record: The step on one worker.
        rank: Rank of that worker.
        folder: Run folder, which every worker can reach.
    """
    content = {
        "epoch": record.epoch,
        "step": record.step,
        "rank": rank,
        "metrics": {name: str(value) for name, value in record.metrics.items()},  # JSON has no NaN
        "image_ids": record.image_ids,
    }
    name = f"epoch_{record.epoch}_step_{record.step}_rank_{rank}.json"
    folder.write(f"{NONFINITE_STEPS_FOLDER}/{name}", (json.dumps(content, indent=2) + "\n").encode())
