"""Folder of one trial of a search, which the driver and the trial's processes share.

The folder alone determines what a search still has to do after processes were killed: a trial with an outcome
is finished; any other resumes from its checkpoint, or starts from the beginning if it has none.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from faceml.config import ConfigError
from faceml.errors import StoppedError, UnreachableError, flatten_message, translate_errors
from faceml.runs.files import METRICS_FILE, parse_metrics
from faceml.runs.run_folder import RunFolder
from faceml.storage import StorageFolder, place_below, put_file, split_place, translate_outage
from faceml.training import STATE_FILE

SETTINGS_FILE = "settings.json"
OUTCOME_FILE = "outcome.json"
CHECKPOINT_FOLDER = "checkpoint"
MAX_REASON_CHARS = 300
"""Error messages of libraries may be pages long."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a finished trial.

    Attributes:
        error: Reason of a failure in one line; None if the trial succeeded.
        worker: Process in which the trial ended, `host:pid`; empty if unknown.
    """

    error: str | None = None
    worker: str = ""


class TrialFolder:
    """Read and write settings, outcome and checkpoint of a trial directly in its folder, wherever that is.

    The process that trains the trial writes everything else through `open`. Each method raises a
    `StoppedError` if the store cannot be reached.

    Args:
        place: Path or URI of the trial's folder; it is created by the first write.

    Attributes:
        folder: The trial's folder.
    """

    def __init__(self, place: str | Path) -> None:
        self.folder = StorageFolder(place)

    @property
    def place(self) -> str:
        """Path or URI."""
        return self.folder.uri

    @property
    def name(self) -> str:
        """Name of the trial, unique in its search."""
        return split_place(self.place)[1]

    @property
    def has_begun(self) -> bool:
        """Whether the trial's settings are written."""
        with translate_outage(self.place):
            return self.folder.has(SETTINGS_FILE)

    @property
    def settings(self) -> dict[str, Any] | None:
        """Values of the searched settings by dotted key; None if the trial never began."""
        found: dict[str, Any] | None = self._read(SETTINGS_FILE)
        return found

    @property
    def outcome(self) -> Outcome | None:
        """Outcome of the trial; None if it has not finished."""
        found = self._read(OUTCOME_FILE)
        return None if found is None else Outcome(found["error"], found["worker"])

    @property
    def records(self) -> list[dict[str, Any]]:
        """Metrics of the epochs in order, without arrays; a missing value is NaN."""
        content = self.content(METRICS_FILE) or b""
        return [
            {
                name: math.nan if value is None else value
                for name, value in record.items()
                if not isinstance(value, list)
            }
            for record in parse_metrics(content.decode())
        ]

    @property
    def checkpoint(self) -> str | None:
        """Path or URI of the folder with the training state to resume from; None if there is none."""
        with translate_outage(self.place):
            is_there = self.folder.has(f"{CHECKPOINT_FOLDER}/{STATE_FILE}")
        return place_below(self.place, CHECKPOINT_FOLDER) if is_there else None

    def content(self, name: str) -> bytes | None:
        """Return the content of a file in the folder; None if there is no such file."""
        with translate_outage(self.place):
            content = self.folder.read(name) if self.folder.has(name) else None
        return content if isinstance(content, bytes) else None

    def begin(self, settings: dict[str, Any]) -> None:
        """Write the settings before the trial starts."""
        self._write(SETTINGS_FILE, settings)

    @contextmanager
    def open(self) -> Iterator[RunFolder]:
        """Open the run folder for the one process that trains the trial.

        The working copy of a folder in a store is temporary: several trials may train on one machine.
        """
        with ExitStack() as stack:
            copy = None
            if not self.folder.is_local:
                copy = Path(stack.enter_context(TemporaryDirectory()), self.name)
            yield stack.enter_context(RunFolder(self.place, copy))

    def save_checkpoint(self, save: Callable[[Path], None]) -> None:
        """Replace the checkpoint.

        A store receives the training state alone; the model beside it is not needed to resume.

        Args:
            save: Writes the state into a local folder.
        """
        if self.folder.is_local:
            save(Path(self.place, CHECKPOINT_FOLDER))
            return
        with TemporaryDirectory() as path:
            save(Path(path))
            with translate_outage(self.place):
                put_file(Path(path, STATE_FILE), self.folder, f"{CHECKPOINT_FOLDER}/{STATE_FILE}")

    def end(self, outcome: Outcome) -> None:
        """Write the outcome, then remove the checkpoint, which is no longer needed."""
        self._write(OUTCOME_FILE, asdict(outcome))
        self.remove_checkpoint()

    def remove_checkpoint(self) -> None:
        """Remove the checkpoint, even one that a killed process removed only in part."""
        with translate_outage(self.place):
            StorageFolder(place_below(self.place, CHECKPOINT_FOLDER)).remove()

    def _read(self, name: str) -> Any:
        with translate_outage(self.place):
            return self.folder.read_json(name)

    def _write(self, name: str, value: Any) -> None:
        with translate_outage(self.place):
            self.folder.write(name, (json.dumps(value) + "\n").encode())


def record_failure(folder: TrialFolder) -> translate_errors[Exception]:
    """Write the reason into the trial's outcome if an error leaves the block; the error propagates.

    An unreachable store is no failure: the trial resumes once the store is back. Neither is `SystemExit`, by
    which a scheduler stops a trial.

    Raises:
        StoppedError: The trial failed before, for this written reason. A process that replaces another one is
            worth starting only if that one died for no known reason.
    """

    def record(error: Exception) -> None:
        if not isinstance(error, UnreachableError) and folder.outcome is None:
            folder.end(Outcome(error=in_one_line(error)))

    outcome = folder.outcome
    if outcome is not None and outcome.error:
        raise StoppedError(outcome.error)
    return translate_errors(Exception, record)


def in_one_line(error: BaseException) -> str:
    """Return an error's message in one line of limited length, after its type unless that is faceml's own."""
    text = flatten_message(error)
    shortened = text if len(text) <= MAX_REASON_CHARS else text[: MAX_REASON_CHARS - 1] + "…"
    kind = "" if isinstance(error, StoppedError | ConfigError) else type(error).__name__
    return ": ".join(filter(None, [kind, shortened]))
