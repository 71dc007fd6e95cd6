"""The folder of one trial of a search: a run folder that also tells how the trial ended.

Whatever is killed, what is here decides what a search still has to do: a trial with an outcome is done, any
other goes on from its checkpoint, or from its beginning if it has none.
"""

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from faceml.atomic import write_text
from faceml.config.config_error import ConfigError
from faceml.run_files import CONFUSION, read_metrics
from faceml.stopped import StoppedError
from faceml.training.checkpoint import STATE_FILE

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
    """Read and write what is known of a trial.

    Args:
        path: Its folder; made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """Short, unique in the search."""
        return self.path.name

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
        return [
            {
                name: math.nan if value is None else value
                for name, value in record.items()
                if name != CONFUSION
            }
            for record in read_metrics(self.path)
        ]

    @property
    def checkpoint(self) -> Path | None:
        """Folder of the state to go on from, if there is one."""
        folder = self.path / CHECKPOINT_FOLDER
        return folder if (folder / STATE_FILE).is_file() else None

    def begin(self, settings: dict[str, Any]) -> None:
        """Write down what is tried, before it is."""
        write_text(self.path / SETTINGS_FILE, json.dumps(settings) + "\n")

    def end(self, outcome: Outcome) -> None:
        """Write down how it ended, and remove the checkpoint, which nobody needs any more."""
        write_text(self.path / OUTCOME_FILE, json.dumps(asdict(outcome)) + "\n")
        self.remove_checkpoint()

    def remove_checkpoint(self) -> None:
        """Remove the checkpoint, also what a driver that was killed while it did so has left of it."""
        shutil.rmtree(self.path / CHECKPOINT_FOLDER, ignore_errors=True)

    def _read(self, name: str) -> Any:
        file = self.path / name
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


class FailureNoted:
    """Write down why a trial fails inside the block; the error goes on, and so ends the process.

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
        if isinstance(error, Exception) and self._folder.outcome is None:
            self._folder.end(Outcome(error=in_one_line(error)))


def in_one_line(error: BaseException) -> str:
    """Return what an error says, in one line that is not too long, with its kind unless it is ours."""
    text = " ".join(str(error).split())
    shortened = text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
    kind = "" if isinstance(error, StoppedError | ConfigError) else type(error).__name__
    return ": ".join(filter(None, [kind, shortened]))
