"""The folder of one trial of a search: a run folder that also tells how the trial ended.

Whatever is killed, what is here decides what a search still has to do: a trial with an outcome is done, any
other goes on from its checkpoint, or from its beginning if it has none.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from faceml.config import ConfigError
from faceml.runs.files import CONFUSION, METRICS_FILE, parse_metrics
from faceml.storage import (
    StoppedByOutage,
    StoppedError,
    StorageFolder,
    UnreachableError,
    place_below,
    read_json,
    remove_folder,
    split_place,
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
    """

    error: str | None = None
    worker: str = ""


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
        with StoppedByOutage(self.place):
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
        return None if found is None else Outcome(found.get("error"), found.get("worker", ""))

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
        with StoppedByOutage(self.place):
            is_there = self.folder.has(f"{CHECKPOINT_FOLDER}/{STATE_FILE}")
        return place_below(self.place, CHECKPOINT_FOLDER) if is_there else None

    def content(self, name: str) -> bytes | None:
        """Return what a file in the folder holds, if there is one."""
        with StoppedByOutage(self.place):
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
        with StoppedByOutage(self.place):
            remove_folder(StorageFolder(place_below(self.place, CHECKPOINT_FOLDER)))

    def _read(self, name: str) -> Any:
        with StoppedByOutage(self.place):
            return read_json(self.folder, name)

    def _write(self, name: str, value: Any) -> None:
        with StoppedByOutage(self.place):
            self.folder.write(name, (json.dumps(value) + "\n").encode())


class FailureNoted:
    """Write down why a trial fails inside the block; the error goes on, and so ends the process.

    A store that cannot be reached is no reason to fail: the trial goes on when it can be.

    A process that is started in its stead fails at once, for the same reason: only a death that nobody
    explained is worth another try.
    """

    def __init__(self, folder: TrialFolder) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        outcome = self._folder.outcome
        if outcome is not None and outcome.error:
            raise StoppedError(outcome.error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Not SystemExit, which is how a scheduler stops a trial.
        if not isinstance(error, Exception) or isinstance(error, UnreachableError):
            return
        if self._folder.outcome is None:
            self._folder.end(Outcome(error=in_one_line(error)))


def in_one_line(error: BaseException) -> str:
    """Return what an error says, in one line that is not too long, with its kind unless it is ours."""
    text = " ".join(str(error).split())
    shortened = text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
    kind = "" if isinstance(error, StoppedError | ConfigError) else type(error).__name__
    return ": ".join(filter(None, [kind, shortened]))
