"""The folder of a run's results, written by one process as results come in."""

import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tensorboardX import SummaryWriter

from faceml.atomic import write_text
from faceml.training.observer import Metrics

CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.jsonl"
SUMMARY_FILE = "summary.json"
BEST_MODEL_FILE = "best_model.pt"


class RunFolder:
    """Keep the records of a run, one for each evaluation, as JSON lines and TensorBoard events.

    Args:
        path: Made if it is not there; records of an interrupted run in it are kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = read_metrics(path)

    def __enter__(self) -> Self:
        self._events = SummaryWriter(str(self.path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.close()

    def add(self, epoch: int, metrics: Metrics) -> None:
        """Add the record of an epoch; it replaces records from this epoch on, which a resume repeats."""
        kept = [record for record in self.records if record["epoch"] < epoch]
        # JSON has no NaN: a metric without a value, such as NME without any landmarks, is null.
        values = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        self.records = [*kept, {"epoch": epoch, **values}]
        write_text(self.path / METRICS_FILE, "".join(json.dumps(record) + "\n" for record in self.records))
        for name, value in metrics.items():
            self._events.add_scalar(name, value, epoch)
        self._events.flush()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a run folder, in the order of their epochs; none if there are none yet."""
    file = path / METRICS_FILE
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def write_summary(summary: dict[str, Any], path: Path) -> None:
    """Write `summary.json`, what a script reads of a run, into a run folder."""
    write_text(path / SUMMARY_FILE, json.dumps(summary, indent=2) + "\n")
