"""TensorBoard event files of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faceml.runs.files import CONFIG_FILE


class EventFiles:
    """Write metrics for TensorBoard, and the configuration as text.

    A file is opened when metrics are added and none is open. It hides the points of earlier files from its
    first epoch on, so that TensorBoard shows an epoch that is trained again once.

    Args:
        folder: Local folder for the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def add(self, records: Sequence[Mapping[str, Any]], first_epoch: int) -> None:
        """Write the numbers of epochs.

        Args:
            records: Metrics of each epoch by name, with `epoch`.
            first_epoch: Epoch from which a file that is opened now hides the points of earlier files.
        """
        if self._writer is None:
            self._open(first_epoch)
        for record in records:
            for name, value in record.items():
                if isinstance(value, float):
                    self._writer.add_scalar(name, value, record["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Close the file that is open, if any."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self, epoch: int) -> None:
        from tensorboardX import SummaryWriter  # late: most jobs have no epochs

        # TensorBoard reads event files in the order of their names, in which time counts whole seconds.
        number = len(list(self._folder.glob("events.out.tfevents.*")))
        self._writer = SummaryWriter(str(self._folder), purge_step=epoch, filename_suffix=f".{number:04d}")
        config = self._folder / CONFIG_FILE
        if config.is_file():
            self._writer.add_text("config", f"```yaml\n{config.read_text(encoding='utf-8')}```", epoch)
