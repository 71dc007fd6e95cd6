"""The folder of a run's results, written by one process as results come in."""

import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tensorboardX import SummaryWriter

from faceml.metrics import ConfusionMatrix
from faceml.runs.files import BROKEN_STEPS_FOLDER, CONFIG_FILE, CONFUSION, read_metrics, write_metrics
from faceml.storage import StorageFolder
from faceml.training import Metrics, NonFiniteStep


def write_nonfinite_step(record: NonFiniteStep, rank: int, folder: StorageFolder) -> None:
    """Write the faces and losses of a step whose gradient is not finite.

    Args:
        record: Of one worker.
        rank: Of that worker.
        folder: Of the run, which all workers reach.
    """
    content = {
        "epoch": record.epoch,
        "step": record.step,
        "rank": rank,
        "metrics": {name: str(value) for name, value in record.metrics.items()},  # JSON has no NaN
        "image_ids": record.image_ids,
    }
    name = f"epoch_{record.epoch}_step_{record.step}_rank_{rank}.json"
    folder.write(f"{BROKEN_STEPS_FOLDER}/{name}", (json.dumps(content, indent=2) + "\n").encode())


def epoch_record(epoch: int, metrics: Metrics, confusion: ConfusionMatrix | None) -> dict[str, Any]:
    """Return the record of an epoch as JSON can have it."""
    # JSON has no NaN: a metric without a value, such as NME without any landmarks, is null.
    values = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
    counts = {CONFUSION: confusion.counts.tolist()} if confusion else {}
    return {"epoch": epoch, **values, **counts}


class RunFolder:
    """Keep the records of a run, one for each evaluation, as JSON lines and TensorBoard events.

    TensorBoard shows the configuration as a text, and an epoch that is trained again only once.

    Args:
        path: Made if it is not there; records of an interrupted run in it are kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = read_metrics(path)
        self._events: Any = None  # until the first epoch

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_events()

    def add(self, epoch: int, metrics: Metrics, confusion: ConfusionMatrix | None) -> None:
        """Add the record of an epoch; it replaces records from this epoch on, which a resume repeats."""
        kept = [record for record in self.records if record["epoch"] < epoch]
        self._replace([*kept, epoch_record(epoch, metrics, confusion)])

    def go_back(self, records: list[dict[str, Any]]) -> None:
        """Go back to the records of the checkpoint that training goes on from.

        Later ones are of epochs to be trained again, and one that is missing was lost on its way here.
        """
        self._replace(records)

    def _replace(self, records: list[dict[str, Any]]) -> None:
        if records == self.records:
            return
        new = [record for record in records if record not in self.records]
        gone = [record for record in self.records if record not in records]
        self.records = records
        write_metrics(records, self.path)
        if self._events is None or gone:
            self._open_events(min(record["epoch"] for record in [*gone, *new]))
        for record in new:
            for name, value in record.items():
                if isinstance(value, float):
                    self._events.add_scalar(name, value, record["epoch"])
        self._events.flush()

    def _open_events(self, epoch: int) -> None:
        """Open a new file of events, which takes back what those before it have from an epoch on."""
        self._close_events()
        # TensorBoard reads them in the order of their names, which otherwise tell the second only.
        number = len(list(self.path.glob("events.out.tfevents.*")))
        self._events = SummaryWriter(str(self.path), purge_step=epoch, filename_suffix=f".{number:04d}")
        config = self.path / CONFIG_FILE
        if config.is_file():
            self._events.add_text("config", f"```yaml\n{config.read_text(encoding='utf-8')}```", epoch)

    def _close_events(self) -> None:
        if self._events is not None:
            self._events.close()
