"""Memory of an extraction by number of images, and cost of planning a large listing.

Measures the peak resident memory of the driver and of the largest worker with 2,000 and 20,000 images, and
time and memory of listing, comparing and planning 5 million simulated paths. The last line is one JSON
object.

    python benchmarks/extraction_memory.py
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from extraction import make_faces

MARK = "FACEML_BENCHMARK"
PATHS = 5_000_000


def peak_memory(root: Path) -> dict[str, float]:
    """Run `faceml extract` and return the peak resident memory of its processes in MiB, by kind."""
    peaks: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as work:
        job = subprocess.Popen(
            [sys.executable, "-m", "ray_jobs.extract", "--config", "configs/extract_landmarks.yaml"]
            + ["--set", f"data.root={root}", "--set", f"output.table={work}/table"],
            env=os.environ | {MARK: work},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(work, peaks, done))
        watcher.start()
        if job.wait() != 0:
            raise SystemExit("faceml extract failed")
        done.set()
        watcher.join()
    return {kind: round(peak / 1024, 1) for kind, peak in peaks.items()}


KINDS = {
    "driver": "ray_jobs.tables.extraction",
    "detector": "faceml.extraction.extraction_server",
    "actor": "ShardActor",
}


def _watch(mark: str, peaks: dict[str, float], done: threading.Event) -> None:
    """Record the largest peak memory (VmHWM), in KiB, of each kind of process."""
    while not done.wait(0.5):
        for folder in Path("/proc").glob("[0-9]*"):
            command = _read(folder / "cmdline").replace(b"\0", b" ").decode()
            for kind, name in KINDS.items():
                if name in command and mark.encode() in _read(folder / "environ"):
                    for line in _read(folder / "status").decode().splitlines():
                        if line.startswith("VmHWM:"):
                            peaks[kind] = max(peaks.get(kind, 0.0), float(line.split()[1]))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def plan_paths(paths: int) -> None:
    """List, compare and plan simulated paths; print seconds and peak memory in MiB."""
    from faceml.config import ExtractConfig, parse_config
    from faceml.extraction import compare_with_table, read_table_state, split_into_shards, write_plan
    from faceml.storage import StorageFolder, StoredFile
    from faceml.tables import image_batches
    from ray_jobs.tables import build_table_schema

    def simulated() -> Iterator[StoredFile]:
        for number in range(paths):
            yield StoredFile(
                f"{number % 8}/{number * 7919 % paths:09}_face.jpg", 30_000 + number % 977, number
            )

    with tempfile.TemporaryDirectory() as work:
        started_s = time.monotonic()
        table = StorageFolder(f"{work}/table")
        config = parse_config(ExtractConfig, {"data": {"root": work}, "output": {"table": table.uri}})
        scratch = Path(work, "scratch")
        scratch.mkdir()
        listing = image_batches(simulated(), config.data.extensions)
        state = read_table_state(table, scratch)
        diff = compare_with_table(listing, state, scratch, follow_changes=False)
        new = split_into_shards(diff.new, config.output.images_per_shard, 64)
        shards = write_plan([("new", new)], table, build_table_schema(config), scratch)
        seconds, cpu_s = time.monotonic() - started_s, time.process_time()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "seconds": round(seconds, 1),
                "cpu_s": round(cpu_s, 1),
                "peak_mib": round(peak_mib),
                "shards": shards.num_shards,
            }
        )
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, default=Path("runs/bench"), help="folder of the drawn faces")
    parser.add_argument("--images", type=int, nargs=2, default=[2000, 20_000])
    parser.add_argument("--plan", type=int, help="only plan this number of simulated paths")
    arguments = parser.parse_args()
    if arguments.plan:
        plan_paths(arguments.plan)
        return
    planned = subprocess.run(
        [sys.executable, __file__, "--plan", str(PATHS)], check=True, capture_output=True, text=True
    )
    few, many = (peak_memory(make_faces(arguments.faces, images)) for images in arguments.images)
    result = {
        "name": "extraction_memory",
        "ratio": max(round(many[kind] / few[kind], 3) for kind in KINDS),
        "images": arguments.images,
        "peak_mib": [few, many],
        "paths_5_million": json.loads(planned.stdout.splitlines()[-1]),
        "n": 1,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
