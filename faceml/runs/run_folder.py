"""Run folder: the results of one job, on this machine or in a store."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from faceml.config import ConfigError, load_yaml
from faceml.errors import StoppedError, catch_errors
from faceml.page import Report, write_report
from faceml.runs.config_changes import LOCATIONS, LOGGING, changed_keys, grown_keys
from faceml.runs.event_files import EventFiles
from faceml.runs.files import (
    CONFIG_FILE,
    REPORT_FILE,
    SUMMARY_FILE,
    epoch_record,
    read_metrics,
    write_metrics,
)
from faceml.runs.run_config import parse_run_config, refuse_other_kind
from faceml.storage import (
    StorageFolder,
    put_file,
    refuse_unwritable,
    split_place,
    translate_outage,
    user_cache,
    write_text,
)

if TYPE_CHECKING:
    from faceml.training import Metrics

logger = logging.getLogger(__name__)


class RunFolder:
    """Write the results of a job; `config.yaml` opens a run and `report.html` completes it.

    A folder on this machine is written in place. A folder in a store has a local working copy: entering the
    context downloads the folder; `push`, and leaving the context without an error, uploads the files that
    changed. The store is authoritative: whatever an interrupted job left in the working copy is deleted. Only
    files directly in the folder are synchronised; subfolders, such as that of the checkpoints, are not.

    Files are written whole or not at all. Epochs go to `metrics.jsonl` and to TensorBoard event files.

    Args:
        place: Path or URI of the run folder.
        path: Folder for the working copy if the run folder is in a store; by default in the user's cache.

    Attributes:
        folder: The run folder itself, wherever it is.
        path: Local folder to write files into: the run folder or its working copy.
        records: Metrics of the epochs so far, available within the context.

    Raises:
        ConfigError: `place` is an invalid URI.
    """

    def __init__(self, place: str | Path, path: Path | None = None) -> None:
        self.folder = StorageFolder(place)
        uri = self.folder.uri
        self.path = Path(uri) if self.folder.is_local else path or cached_copy(uri)
        self.records: list[dict[str, Any]] = []
        self._in_store = dict[str, tuple[int, int]]()
        self._events = EventFiles(self.path)

    @property
    def place(self) -> str:
        """Absolute path or URI of the run folder."""
        return self.folder.uri

    @property
    def is_finished(self) -> bool:
        """Whether the working copy holds a report, which a job writes last."""
        return (self.path / REPORT_FILE).is_file()

    @property
    def config(self) -> dict[str, Any] | None:
        """Content of `config.yaml`; None if there is no such file, empty if it holds no mapping."""
        file = self.path / CONFIG_FILE
        return parse_run_config(file.read_bytes()) if file.is_file() else None

    def __enter__(self) -> Self:
        """Fetch the folder.

        Raises:
            ConfigError: The store refuses access.
            StoppedError: The store cannot be reached.
        """
        self.fetch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.close()
        if error is None:
            self.push()

    def fetch(self) -> None:
        """Replace the working copy by the content of the store; a local folder stays as it is.

        Raises:
            ConfigError: The store refuses access.
            StoppedError: The store cannot be reached.
        """
        if not self.folder.is_local:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(mode=0o700, parents=True)  # reports show faces
            with translate_outage(self.place):
                for name in self.folder.files():
                    content = self.folder.read(name)
                    if isinstance(content, bytes):
                        (self.path / name).write_bytes(content)
                        self._in_store[name] = _version(self.path / name)
        self.records = read_metrics(self.path)

    def push(self) -> None:
        """Upload the files that changed since the last call, the report last.

        Raises:
            ConfigError: The store refuses access.
            StoppedError: The store cannot be reached.
        """
        if self.folder.is_local:
            return
        files = sorted(self.path.glob("[!.]*"), key=lambda file: (file.name == REPORT_FILE, file.name))
        with translate_outage(self.place):
            for file in filter(Path.is_file, files):
                version = _version(file)
                if self._in_store.get(file.name) != version:
                    put_file(file, self.folder, file.name)
                    self._in_store[file.name] = version

    def remove(self, *names: str) -> None:
        """Remove files from the run folder and its working copy; missing files are ignored.

        Raises:
            ConfigError: The store refuses access.
            StoppedError: The store cannot be reached.
        """
        for name in names:
            (self.path / name).unlink(missing_ok=True)
            if self._in_store.pop(name, None) is not None:
                with translate_outage(self.place):
                    self.folder.delete(name)

    def check_kind(self, config: str) -> None:
        """Check that the folder can be written to, and holds no run of another kind or other job's results.

        Raises:
            ConfigError: It cannot be written to, or holds one.
            StoppedError: The store cannot be reached.
        """
        refuse_unwritable(self.path)
        refuse_other_kind(self.folder, load_yaml(config))

    def check(
        self,
        config: str,
        may_change: Sequence[str] = (),
        may_grow: Sequence[str] = (),
        *,
        may_be_finished: bool = False,
    ) -> bool:
        """Check that a run may start, be resumed or be extended here; write nothing.

        Args:
            config: Resolved configuration of the job as YAML.
            may_change: Dotted keys of the settings and sections in which an unfinished run may differ.
            may_grow: Dotted keys of numbers, lists and sections that may be larger than before, also in a
                finished run, which then loses its report until it is finished again.
            may_be_finished: Whether a finished run may be opened as it is.

        Returns:
            Whether the run is extended.

        Raises:
            ConfigError: The folder holds a run of another kind, a finished one, or an unfinished one with
                another configuration.
            StoppedError: The store cannot be reached.
        """
        self.check_kind(config)
        before, after = self.config, load_yaml(config)
        grown = grown_keys(before or {}, after, may_grow)
        if self.is_finished and not (grown or may_be_finished):
            more = f", or continue it with more {' or '.join(may_grow)}" if may_grow else ""
            raise ConfigError(
                f"run.folder: {self.place} holds a finished run. Choose another folder or remove it{more}."
            )
        if before is not None:
            changed = changed_keys(before, after, [*may_change, *grown, *LOCATIONS, *LOGGING])
            if changed:
                state = "a finished" if self.is_finished else "an unfinished"
                raise ConfigError(
                    f"run.folder: {self.place} holds {state} run with another {', '.join(changed)}. "
                    "Choose another folder, or use its config.yaml to go on."
                )
        return bool(grown)

    def begin(
        self,
        config: str,
        may_change: Sequence[str] = (),
        may_grow: Sequence[str] = (),
        *,
        may_be_finished: bool = False,
    ) -> None:
        """Start, resume or extend a run after `check`, whose arguments these are: write `config.yaml`."""
        if self.check(config, may_change, may_grow, may_be_finished=may_be_finished):
            self.remove(REPORT_FILE)
        self.write_config(config)
        self.push()

    def renew(self, config: str, *results: str) -> None:
        """Start a run in place of an earlier one of the same kind: remove its results, write `config.yaml`.

        Args:
            config: Resolved configuration of the job as YAML.
            results: Names of the files that mark a complete run.

        Raises:
            ConfigError: The folder holds a run of another kind, or the store refuses access.
            StoppedError: The store cannot be reached.
        """
        self.check_kind(config)
        self.remove(*results)
        self.write_config(config)
        self.push()

    def write_config(self, config: str) -> None:
        """Write the resolved configuration to `config.yaml`."""
        write_text(self.path / CONFIG_FILE, config)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write the results for scripts to `summary.json`."""
        write_text(self.path / SUMMARY_FILE, json.dumps(summary, indent=2) + "\n")

    def finish(self, build_report: Callable[[], Report]) -> None:
        """Write the results for people to `report.html`, and push all files.

        All other results are complete, so an error in the report is logged and does not fail the job.

        Args:
            build_report: Builds the report from the other results.

        Raises:
            ConfigError: The store refuses access.
            StoppedError: The store cannot be reached, or no space is left.
        """
        self._events.close()
        with catch_errors(Exception) as caught:
            write_report(build_report(), self.path / REPORT_FILE)
        if isinstance(caught.error, StoppedError):
            raise caught.error
        if caught.error is not None:
            message = "%s: %s could not be written; all other results are there."
            logger.error(message, self.place, REPORT_FILE, exc_info=caught.error)
        self.push()

    def add_epoch(self, epoch: int, metrics: "Metrics", arrays: Mapping[str, Any]) -> None:
        """Write and push the record of an epoch; after a resume it replaces the records from it on."""
        kept = [record for record in self.records if record["epoch"] < epoch]
        self.restore_records([*kept, epoch_record(epoch, metrics, arrays)])

    def restore_records(self, records: list[dict[str, Any]]) -> None:
        """Replace all records by those of the checkpoint that training resumes from, and push them.

        Later epochs will be trained again; the record of an earlier one may be missing here if its process
        was killed. TensorBoard shows an epoch that is trained again once.
        """
        new = [record for record in records if record not in self.records]
        gone = [record for record in self.records if record not in records]
        if new or gone:
            write_metrics(records, self.path)
            self.records = records  # only now: after a full disk the same call writes them
            if gone:
                self._events.close()  # a new file hides the points of those that are gone
            self._events.add(new, min(record["epoch"] for record in [*gone, *new]))
        self.push()


def cached_copy(uri: str) -> Path:
    """Return the folder in the user's cache for the working copy of a run folder in a store."""
    # The digest makes the folder unique, the name lets a person recognise it.
    return user_cache() / "runs" / hashlib.sha256(uri.encode()).hexdigest()[:12] / split_place(uri)[1]


def _version(file: Path) -> tuple[int, int]:
    """Return size and time of the last change, which differ once a file is written again."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns
