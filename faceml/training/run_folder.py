"""The folder of a run's results, written by one process as results come in."""

import json
import math
from pathlib import Path
from types import TracebackType
from typing import Self

from tensorboardX import SummaryWriter

from faceml.atomic import write_text
from faceml.metrics.confusion import ConfusionMatrix
from faceml.run_files import BROKEN_STEPS_FOLDER, CONFUSION, METRICS_FILE, read_metrics
from faceml.training.observer import BrokenStep, Metrics


def write_broken_step(record: BrokenStep, rank: int, folder: Path) -> Path:
    """Write the faces and losses of a step whose gradient is not finite, and return the file.

    Args:
        record: Of one worker.
        rank: Of that worker.
        folder: Of the run, on storage that all workers share.
    """
    content = {
        "epoch": record.epoch,
        "step": record.step,
        "rank": rank,
        "metrics": {name: str(value) for name, value in record.metrics.items()},  # JSON has no NaN
        "image_ids": record.image_ids,
    }
    file = folder / BROKEN_STEPS_FOLDER / f"epoch_{record.epoch}_step_{record.step}_rank_{rank}.json"
    write_text(file, json.dumps(content, indent=2) + "\n")
    return file


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

    def add(self, epoch: int, metrics: Metrics, confusion: ConfusionMatrix) -> None:
        """Add the record of an epoch; it replaces records from this epoch on, which a resume repeats."""
        kept = [record for record in self.records if record["epoch"] < epoch]
        # JSON has no NaN: a metric without a value, such as NME without any landmarks, is null.
        values = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        self.records = [*kept, {"epoch": epoch, **values, CONFUSION: confusion.counts.tolist()}]
        write_text(self.path / METRICS_FILE, "".join(json.dumps(record) + "\n" for record in self.records))
        for name, value in metrics.items():
            self._events.add_scalar(name, value, epoch)
        self._events.flush()
