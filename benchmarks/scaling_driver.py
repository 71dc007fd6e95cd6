"""The driver of an extraction, with a look at its clock and its CPU at every result; see `scaling.py`.

    python benchmarks/scaling_driver.py extract CONFIG.yaml GCS_PID OUTPUT.json
    python benchmarks/scaling_driver.py feed CONFIG.yaml GCS_PID OUTPUT.json --shards 10000

`extract` is `faceml extract`. `feed` makes no rows: its actors answer at once, so that only the driver and
Ray limit the rate, and its plan has so many shards of simulated paths.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray._private.internal_api import get_memory_info_reply, get_state_from_address

from faceml.config import ExtractConfig, load_config
from faceml.storage import StorageFolder, StoredFile
from faceml.tables import SMALLEST_SHARD, compare_with_table, image_table
from ray_jobs.cluster import RayCluster
from ray_jobs.tables import (
    ShardResult,
    TableJob,
    actor_pool,
    build_extraction_job,
    extraction,
    read_result,
)


class Notebook:
    """What is noted while the driver works.

    Args:
        gcs_pid: Process that keeps the cluster's state.
    """

    def __init__(self, gcs_pid: int) -> None:
        self._gcs_pid = gcs_pid
        self.seconds: dict[str, float] = {}
        self.shards: list[dict[str, float]] = []
        self.looks: list[dict[str, float]] = []

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and notes how long it took."""

        def run(*arguments: Any, **named: Any) -> Any:
            started_s = time.monotonic()
            answer = function(*arguments, **named)
            self.seconds[name] = time.monotonic() - started_s
            return answer

        return run

    def read_result(self, row: dict[str, str]) -> ShardResult:
        """Read what an actor said, and note it."""
        result = read_result(row)
        times = {"began_s": result.started_s, "done_s": result.extracted_s}
        self.shards.append(times | {"images": sum(result.extracted.values())})
        self.look()
        return result

    def look(self) -> None:
        """Note the time, and the CPU seconds of this process and of the cluster's state."""
        times = {"at_s": time.time(), "driver_s": _cpu_s(os.getpid()), "gcs_s": _cpu_s(self._gcs_pid)}
        self.looks.append(times)


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of all threads of a process (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stores() -> dict[str, int]:
    """Return what the object stores of all nodes have taken in so far; a copy on another node counts too."""
    state = get_state_from_address(ray.get_runtime_context().gcs_address)
    stats = get_memory_info_reply(state).store_stats
    return {"objects": stats.cumulative_created_objects, "bytes": stats.cumulative_created_bytes}


class Instant:
    """An actor that says at once that it has made a shard."""

    def __init__(self, job: TableJob) -> None:
        pass

    def __call__(self, item: dict[str, Any]) -> dict[str, str]:
        """Return a result such as `ShardActor` returns."""
        now_s = time.time()
        times = {"started_s": now_s - 0.001, "extracted_s": now_s, "ended_s": now_s}
        nothing = {"decode_s": 0.0, "detect_s": 0.0, "write_s": 0.0, "changed": [], "num_changed": 0}
        name = {"node": "here", "detector": "instant"}
        said = name | times | nothing | {"extracted": {"ok": SMALLEST_SHARD}, "stopped": None}
        return {"result": json.dumps(said)}


def feed(config: ExtractConfig, num_shards: int, notebook: Notebook) -> None:
    """Plan so many shards and have them done by actors that do nothing."""
    actor_pool.ShardActor = Instant  # type: ignore[misc,assignment]
    files = (StoredFile(f"{n % 8}/{n:09}.jpg", 30_000, n) for n in range(num_shards * SMALLEST_SHARD))
    listing = image_table(files, config.data.extensions)
    diff = compare_with_table(listing, StorageFolder(config.output.table), follow_changes=False)
    notebook.timed("make", actor_pool.extract_shards)(build_extraction_job(config), diff)


def main() -> None:
    """Run one extraction and write down what was noted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("extract", "feed"))
    parser.add_argument("config", type=Path)
    parser.add_argument("gcs_pid", type=int)
    parser.add_argument("output", type=Path)
    parser.add_argument("--shards", type=int, default=0)
    arguments = parser.parse_args()
    config, notebook = load_config(ExtractConfig, arguments.config), Notebook(arguments.gcs_pid)
    actor_pool.read_result = notebook.read_result
    with RayCluster():
        before = _stores()
        notebook.look()
        if arguments.what == "feed":
            feed(config, arguments.shards, notebook)
        else:
            extraction.compute_diff = notebook.timed("list", extraction.compute_diff)
            actor_pool.extract_shards = notebook.timed("make", actor_pool.extract_shards)
            extraction.run(config)
        after = _stores()
    said = {
        "seconds": notebook.seconds,
        "shards": notebook.shards,
        "looks": notebook.looks,
        "stored": {name: after[name] - before[name] for name in after},
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    arguments.output.write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main()
