"""The folder of one trial of a search: a run folder that also tells how the trial ended.

Whatever is killed, what is here decides what a search still has to do: a trial with an outcome is done, any
other goes on from its checkpoint, or from its beginning if it has none.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faceml.config import ConfigError
from faceml.errors import StoppedError, UnreachableError, flatten_message, translate_errors
from faceml.runs.files import CONFUSION, METRICS_FILE, parse_metrics
from faceml.storage import (
    StorageFolder,
    place_below,
    split_place,
    translate_outage,
)
from faceml.training import STATE_FILE

SETTINGS_FILE = "settings.json"
OUTCOME_FILE = "outcome.json"
CHECKPOINT_FOLDER = "checkpoint"
LONGEST_REASON = 300
"""Letters; what a library says of its errors may go on for pages."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        error: Why it failed, in one line; None if it did not.
        worker: The process that it ended in, `host:number`; empty if that is not known.
        data_openings: How often that process had opened the data by then; 0 if that is not known.
    """

    error: str | None = None
    worker: str = ""
    data_openings: int = 0


class TrialFolder:
    """Read and write what is known of a trial; whatever it does ends in a `StoppedError` at an outage.

    Args:
        place: Of its folder, a path or URI; made when something is written.

    Attributes:
        folder: Wherever it is.
    """

    def __init__(self, place: str | Path) -> None:
        self.folder = StorageFolder(place)

    @property
    def place(self) -> str:
        """Path or URI."""
        return self.folder.uri

    @property
    def name(self) -> str:
        """Short, unique in the search."""
        return split_place(self.place)[1]

    @property
    def has_begun(self) -> bool:
        """Whether its settings are written down."""
        with translate_outage(self.place):
            return self.folder.has(SETTINGS_FILE)

    @property
    def settings(self) -> dict[str, Any] | None:
        """The dotted keys that were searched with this trial's values; None if it never began."""
        found: dict[str, Any] | None = self._read(SETTINGS_FILE)
        return found

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None if it did not."""
        found = self._read(OUTCOME_FILE)
        return None if found is None else Outcome(**found)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Metrics of its epochs, in order; NaN where there is no value, without the confusions."""
        content = self.content(METRICS_FILE) or b""
        return [
            {
                name: math.nan if value is None else value
                for name, value in record.items()
                if name != CONFUSION
            }
            for record in parse_metrics(content.decode())
        ]

    @property
    def checkpoint(self) -> str | None:
        """Path or URI of the folder of the state to go on from, if there is one."""
        with translate_outage(self.place):
            is_there = self.folder.has(f"{CHECKPOINT_FOLDER}/{STATE_FILE}")
        return place_below(self.place, CHECKPOINT_FOLDER) if is_there else None

    def content(self, name: str) -> bytes | None:
        """Return what a file in the folder holds, if there is one."""
        with translate_outage(self.place):
            content = self.folder.read(name) if self.folder.has(name) else None
        return content if isinstance(content, bytes) else None

    def begin(self, settings: dict[str, Any]) -> None:
        """Write down what is tried, before it is."""
        self._write(SETTINGS_FILE, settings)

    def end(self, outcome: Outcome) -> None:
        """Write down how it ended, and remove the checkpoint, which nobody needs any more."""
        self._write(OUTCOME_FILE, asdict(outcome))
        self.remove_checkpoint()

    def remove_checkpoint(self) -> None:
        """Remove the checkpoint, also what a driver that was killed while it did so has left of it."""
        with translate_outage(self.place):
            StorageFolder(place_below(self.place, CHECKPOINT_FOLDER)).remove()

    def _read(self, name: str) -> Any:
        with translate_outage(self.place):
            return self.folder.read_json(name)

    def _write(self, name: str, value: Any) -> None:
        with translate_outage(self.place):
            self.folder.write(name, (json.dumps(value) + "\n").encode())


def record_failure(folder: TrialFolder) -> translate_errors[Exception]:
    """Write the reason why the block fails as the trial's outcome; the error itself passes.

    Neither a scheduler that ends the process (`SystemExit`) nor a store that cannot be reached makes a trial
    fail.

    Raises:
        StoppedError: The trial has failed before. A process that is started in place of another one fails
            for the same reason; only the unexplained death of a process is worth another attempt.
    """

    def record(error: Exception) -> None:
        if not isinstance(error, UnreachableError) and folder.outcome is None:
            folder.end(Outcome(error=in_one_line(error)))

    outcome = folder.outcome
    if outcome is not None and outcome.error:
        raise StoppedError(outcome.error)
    return translate_errors(Exception, record)


def in_one_line(error: BaseException) -> str:
    """Return what an error says, in one line that is not too long, with its kind unless it is ours."""
    text = flatten_message(error)
    shortened = text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
    kind = "" if isinstance(error, StoppedError | ConfigError) else type(error).__name__
    return ": ".join(filter(None, [kind, shortened]))
