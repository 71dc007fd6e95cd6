"""The actor that makes shards of a table: what runs on the workers, importing no more than that needs."""

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
from faceml.storage import REPORTABLE_ERRORS, StorageFolder, StoredFile
from faceml.tables import ExtractorProcess, Row, ShardChanges, ShardMaker, read_planned_files
from ray_jobs.cluster import set_up_log
from ray_jobs.tables.job import ShardJob

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardResult:
    """What an actor says of a shard that it has written.

    Attributes:
        node: Host name of the actor's node.
        detector: Unique name of the actor.
        started_s: When its first image was begun, seconds of the epoch.
        extracted_s: When its last image was done.
        ended_s: When the shard was written.
        decode_s: Spent on decoding.
        detect_s: Spent in the detector.
        write_s: Spent on writing the shard.
        made: Rows made, by status.
        changed: Names of some images that changed since their rows were made.
        num_changed: How many those are in all.
        stopped: Why the shard could not be made, if so.
    """

    node: str
    detector: str
    started_s: float
    extracted_s: float
    ended_s: float
    decode_s: float
    detect_s: float
    write_s: float
    made: dict[str, int]
    changed: list[str]
    num_changed: int
    stopped: str | None


class ShardWorker:
    """An actor that writes whole shards itself and returns only counts.

    Pixels and rows never travel between actors, and a shard is in the table exactly when it is done.
    Two threads call it for a shard each: one is written while the detector is at the other.
    """

    def __init__(self, job: ShardJob) -> None:
        set_up_log(job.log_format, job.name, job.run_folder)
        # Open as long as the actor lives; the detector's process ends with it.
        self._process = ExtractorProcess(job.rows, job.max_attempts, job.images_per_process).__enter__()
        self._name = uuid.uuid4().hex
        self._turn = Lock()
        self._table = StorageFolder(job.table)
        self._shards = ShardMaker(
            StorageFolder(job.rows.root), self._table, job.schema, follow_changes=job.follows_changes
        )

    def __call__(self, item: dict[str, Any]) -> dict[str, str]:
        """Make and write the shard that `item` names; return a `ShardResult` as JSON.

        Ray Data makes one column of the dicts of many results, in which each would have the others' keys.
        """
        times = dict.fromkeys(("started_s", "extracted_s", "decode_s", "detect_s"), 0.0)
        changes = ShardChanges()
        with catch_errors(*REPORTABLE_ERRORS) as stop:
            files = read_planned_files(self._table, item["shard"])
            changes = self._shards.make(item["shard"], files, partial(self._rows, times=times))
        extract_s = times["extracted_s"] - times["started_s"]
        logger.info("%s: %d images in %.1f s", item["shard"], changes.made.total(), extract_s)
        result = ShardResult(
            node=socket.gethostname(),
            detector=self._name,
            **times,
            ended_s=time.time(),
            write_s=changes.write_s,
            made=dict(changes.made),
            changed=changes.changed,
            num_changed=changes.num_changed,
            stopped=stop.message,
        )
        return {"result": json.dumps(asdict(result))}

    def _rows(self, files: Sequence[StoredFile], times: dict[str, float]) -> Iterator[Row]:
        """Make rows when it is this shard's turn, and note when that was."""
        process = self._process
        with self._turn:
            decode_s, detect_s, started_s = process.decode_s, process.detect_s, time.time()
            yield from process.rows(files)
            times["started_s"], times["extracted_s"] = started_s, time.time()
            times["decode_s"], times["detect_s"] = process.decode_s - decode_s, process.detect_s - detect_s


def read_result(row: dict[str, str]) -> ShardResult:
    """Return what an actor said of a shard."""
    return ShardResult(**json.loads(row["result"]))
