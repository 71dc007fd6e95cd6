"""Actor that extracts shards of a table on a worker. It imports little, to save memory."""

import json
import logging
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from threading import Lock
from typing import Any

from faceml.errors import catch_errors
from faceml.extraction import ExtractorProcess, Row, ShardChanges, ShardWriter, decode_files
from faceml.storage import REPORTABLE_ERRORS, StorageFolder, StorageRoots, StoredFile
from ray_jobs.cluster import set_up_log
from ray_jobs.tables.table_job import TableJob

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardResult:
    """Result of a shard that an actor has written.

    Attributes:
        node: Host name of the actor's node.
        detector: Unique name of the actor.
        started_s: Start of the extraction, seconds of the epoch.
        extracted_s: End of the extraction, seconds of the epoch.
        ended_s: Time when the shard was written, seconds of the epoch.
        decode_s: Seconds spent on decoding.
        detect_s: Seconds spent in the detector.
        write_s: Seconds spent on writing the shard.
        extracted: Number of extracted images by status.
        changed: Some of the images that changed since their rows were extracted.
        num_changed: Number of all those images.
        stopped: Reason why the shard could not be extracted, None if it was.
    """

    node: str
    detector: str
    started_s: float
    extracted_s: float
    ended_s: float
    decode_s: float
    detect_s: float
    write_s: float
    extracted: dict[str, int]
    changed: list[str]
    num_changed: int
    stopped: str | None


class ShardActor:
    """Actor that extracts and writes whole shards, and returns only counts.

    Pixels and rows are never sent between actors, and a shard is in the table exactly when it is complete.
    Two threads call the actor with a shard each: one shard is written while the other is extracted.
    """

    def __init__(self, job: TableJob) -> None:
        set_up_log(job.log_format, job.name, job.run_folder)
        self._process = ExtractorProcess(job.extractor, job.max_attempts, job.images_per_process)
        # Open until the actor ends, and the process with it. Of an error here Ray would print a traceback.
        with catch_errors(*REPORTABLE_ERRORS) as self._start:
            self._process.__enter__()
        self._name = uuid.uuid4().hex
        self._lock = Lock()
        self._writer = ShardWriter(
            StorageRoots(job.extractor.root),
            StorageFolder(job.table),
            job.schema,
            follow_changes=job.follows_changes,
            follow_links=job.extractor.follow_links,
        )

    def __call__(self, item: dict[str, Any]) -> dict[str, str]:
        """Extract and write the shard `item`, its name and its files; return a `ShardResult` as JSON.

        A dict would not do: Ray Data merges the dicts of many results to one column with the keys of all.
        """
        times = dict.fromkeys(("started_s", "extracted_s", "decode_s", "detect_s"), 0.0)
        changes = ShardChanges()
        with catch_errors(*REPORTABLE_ERRORS) as stop:
            if self._start.error is not None:
                raise self._start.error
            files = decode_files(item["files"])
            changes = self._writer.update(item["shard"], files, partial(self._extract_rows, times=times))
        extract_s = times["extracted_s"] - times["started_s"]
        logger.info("%s: %d images in %.1f s", item["shard"], changes.extracted.total(), extract_s)
        result = ShardResult(
            node=socket.gethostname(),
            detector=self._name,
            **times,
            ended_s=time.time(),
            write_s=changes.write_s,
            extracted=dict(changes.extracted),
            changed=changes.changed,
            num_changed=changes.num_changed,
            stopped=stop.message,
        )
        return {"result": json.dumps(asdict(result))}

    def _extract_rows(self, files: Sequence[StoredFile], times: dict[str, float]) -> Iterator[list[Row]]:
        """Extract rows while no other thread does, and record the times."""
        process = self._process
        with self._lock:
            decode_s, detect_s, started_s = process.decode_s, process.detect_s, time.time()
            yield from process.extract_rows(files)
            times["started_s"], times["extracted_s"] = started_s, time.time()
            times["decode_s"], times["detect_s"] = process.decode_s - decode_s, process.detect_s - detect_s


def read_result(row: dict[str, str]) -> ShardResult:
    """Parse the result that an actor returned."""
    return ShardResult(**json.loads(row["result"]))
