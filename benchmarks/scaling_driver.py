"""Driver of an extraction that records time and CPU usage at every result; see `scaling.py`.

    python benchmarks/scaling_driver.py extract CONFIG.yaml GCS_PID OUTPUT.json
    python benchmarks/scaling_driver.py feed CONFIG.yaml GCS_PID OUTPUT.json --shards 10000

`extract` is `faceml extract`. `feed` plans shards of simulated paths for actors that return immediately, so
that only the driver and Ray limit the rate.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray._private.internal_api import get_memory_info_reply, get_state_from_address

from faceml.config import ExtractConfig, load_config
from faceml.extraction import SMALLEST_SHARD, compare_with_table, read_table_state
from faceml.storage import StorageFolder, StoredFile
from faceml.tables import image_batches
from ray_jobs.cluster import RayCluster
from ray_jobs.tables import (
    ShardResult,
    TableJob,
    actor_pool,
    build_extraction_job,
    extraction,
    read_result,
)


class Recorder:
    """Recorder of times, shards and CPU usage of the driver.

    Args:
        gcs_pid: Process of the global control store.
    """

    def __init__(self, gcs_pid: int) -> None:
        self._gcs_pid = gcs_pid
        self.seconds: dict[str, float] = {}
        self.shards: list[dict[str, float]] = []
        self.samples: list[dict[str, float]] = []

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function to record the duration of its call."""

        def run(*arguments: Any, **named: Any) -> Any:
            started_s = time.monotonic()
            result = function(*arguments, **named)
            self.seconds[name] = time.monotonic() - started_s
            return result

        return run

    def read_result(self, row: dict[str, str]) -> ShardResult:
        """Read and record the result of an actor."""
        result = read_result(row)
        times = {"began_s": result.started_s, "done_s": result.extracted_s}
        self.shards.append(times | {"images": sum(result.extracted.values())})
        self.sample()
        return result

    def sample(self) -> None:
        """Record the time, and the CPU seconds of this process and of the global control store."""
        times = {"at_s": time.time(), "driver_s": _cpu_s(os.getpid()), "gcs_s": _cpu_s(self._gcs_pid)}
        self.samples.append(times)


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of all threads of a process (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stores() -> dict[str, int]:
    """Return the cumulative objects and bytes in the object stores of all nodes, copies included."""
    state = get_state_from_address(ray.get_runtime_context().gcs_address)  # type: ignore[no-untyped-call]
    stats = get_memory_info_reply(state).store_stats  # type: ignore[no-untyped-call]
    return {"objects": stats.cumulative_created_objects, "bytes": stats.cumulative_created_bytes}


class Instant:
    """An actor that reports a completed shard immediately."""

    def __init__(self, job: TableJob) -> None:
        pass

    def __call__(self, item: dict[str, Any]) -> dict[str, str]:
        """Return a result such as `ShardActor` returns."""
        now_s = time.time()
        times = {"started_s": now_s - 0.001, "extracted_s": now_s, "ended_s": now_s}
        nothing = {"decode_s": 0.0, "detect_s": 0.0, "write_s": 0.0, "changed": [], "num_changed": 0}
        name = {"node": "here", "detector": "instant"}
        row = name | times | nothing | {"extracted": {"ok": SMALLEST_SHARD}, "stopped": None}
        return {"result": json.dumps(row)}


def feed(config: ExtractConfig, num_shards: int, recorder: Recorder, cluster: RayCluster) -> None:
    """Plan so many shards and have them done by actors that do nothing."""
    actor_pool.ShardActor = Instant  # type: ignore[attr-defined,assignment]
    files = (StoredFile(f"{n % 8}/{n:09}.jpg", 30_000, n) for n in range(num_shards * SMALLEST_SHARD))
    listing = image_batches(files, config.data.extensions)
    table = StorageFolder(config.output.table)
    with TemporaryDirectory() as scratch:
        state = read_table_state(table, Path(scratch))
        diff = compare_with_table(listing, state, Path(scratch), follow_changes=False)
        recorder.timed("make", actor_pool.extract_shards)(build_extraction_job(config), diff, cluster)


def main() -> None:
    """Run one extraction and write the recorded figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("extract", "feed"))
    parser.add_argument("config", type=Path)
    parser.add_argument("gcs_pid", type=int)
    parser.add_argument("output", type=Path)
    parser.add_argument("--shards", type=int, default=0)
    arguments = parser.parse_args()
    config, recorder = load_config(ExtractConfig, arguments.config), Recorder(arguments.gcs_pid)
    actor_pool.read_result = recorder.read_result  # type: ignore[attr-defined]
    with RayCluster() as cluster:
        before = _stores()
        recorder.sample()
        if arguments.what == "feed":
            feed(config, arguments.shards, recorder, cluster)
        else:
            compute_diff = extraction.compute_diff  # type: ignore[attr-defined]
            extraction.compute_diff = recorder.timed("list", compute_diff)  # type: ignore[attr-defined]
            actor_pool.extract_shards = recorder.timed("make", actor_pool.extract_shards)
            extraction.run(config)
        after = _stores()
    recorded = {
        "seconds": recorder.seconds,
        "shards": recorder.shards,
        "samples": recorder.samples,
        "stored": {name: after[name] - before[name] for name in after},
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    arguments.output.write_text(json.dumps(recorded), encoding="utf-8")


if __name__ == "__main__":
    main()
