"""Memory and start of a training worker against the number of rows of its tables.

Tables of synthetic rows without images, of eight expressions or of people with 50 images. A fresh process
opens the splits as a worker does, builds trainer and sampler, draws the order of a whole epoch, and looks up
names and targets of every batch: everything but the pixels and the steps. The last line is one JSON object,
with two measurements for each number of rows:

- `first`: the first process of the machine, for which a child process sorts the rows and writes them to the
  cache; `child_mib` is the peak of that process.
- `worker`: every further process. `anonymous_mib` is the peak of its own memory, sampled every 20 ms;
  `mapped_mib` are the pages of mapped files, code included, which all processes of the machine share and the
  system may drop.

`growth_mib` is the own memory of a worker with the most rows, above that with the fewest.

    python benchmarks/worker_memory.py --rows 10000 1000000
"""

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

ROWS_PER_SHARD = 10_000
IMAGES_PER_PERSON = 50
EXPRESSIONS = 8
VALIDATION_ROWS = 1000
EVERY_S = 0.02
MIB = 2**20


def write_table(folder: Path, kind: str, rows: int, *, seed: int = 0, first_row: int = 0) -> None:
    """Write a landmark table without images, and the file of its first image in `images` beside it."""
    from faceml.storage import StorageFolder
    from faceml.tables import landmark_schema, table_metadata

    schema = landmark_schema(table_metadata({"name": "synthetic"}, {}, "0"))
    rng = np.random.default_rng(seed)
    for start in range(first_row, first_row + rows, ROWS_PER_SHARD):
        numbers = range(start, min(start + ROWS_PER_SHARD, first_row + rows))
        write_synthetic_shard(StorageFolder(folder), kind, schema, numbers, rng)
    first = folder.parent / "images" / _name(kind, first_row)
    first.parent.mkdir(parents=True, exist_ok=True)
    first.write_bytes(b"an image that nobody decodes")


def write_synthetic_shard(
    folder: Any, kind: str, schema: pa.Schema, numbers: range, rng: np.random.Generator
) -> None:
    """Write the rows of these numbers; no face in each 20th image."""
    import pyarrow.parquet as pq

    which, count = np.arange(numbers.start, numbers.stop), len(numbers)
    names = [_name(kind, number) for number in numbers]
    known = {
        "image_id": pa.array(names),
        "folder": pa.array([name.partition("/")[0] for name in names]),
        "status": pa.array(np.where(which % 20 == 19, "no_face", "ok")),
        "width": pa.array(np.full(count, 250), pa.int32()),
        "height": pa.array(np.full(count, 250), pa.int32()),
        "yaw_deg": pa.array(rng.normal(0, 20, count), pa.float32()),
    }
    missing = pa.array(which % 20 == 19)
    for size in (10, 20):
        flat = pa.array(rng.random(size * count, dtype=np.float32))
        known[f"landmarks_{size // 2}"] = pa.FixedSizeListArray.from_arrays(flat, size, mask=missing)
    arrays = [known.get(field.name, pa.nulls(count, field.type)) for field in schema]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink, compression="zstd")
    folder.write(f"{numbers.start:012d}.parquet", sink.getvalue())


def _name(kind: str, number: int) -> str:
    folder = number % EXPRESSIONS if kind == "multitask" else f"{number // IMAGES_PER_PERSON:08d}"
    return f"{folder}/{number:012d}.jpg"


class PeakMemory:
    """Sample the memory of this process until the end of the block."""

    def __init__(self) -> None:
        self.anonymous_mib = self.mapped_mib = 0.0
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *of_error: object) -> None:
        self._is_done.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            kib = {line.split()[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
            self.anonymous_mib = max(self.anonymous_mib, kib["RssAnon:"] / 1024)
            self.mapped_mib = max(self.mapped_mib, (kib["RssFile:"] + kib["RssShmem:"]) / 1024)
            if self._is_done.wait(EVERY_S):
                return


def measure_worker(kind: str, tables: Path, cache: Path) -> dict[str, float]:
    """Open the splits of a training in this process as a worker does, and draw an epoch.

    Args:
        kind: `multitask`, with balanced classes, or `recognition`, with P×K sampling.
        tables: Folder with the tables `train` and `val`, and their `images`.
        cache: Cache of the rows.
    """
    import torch

    from faceml.config import RecognitionConfig, TrainConfig, parse_config
    from faceml.datasets import targets_of
    from faceml.training import build_multitask_trainer, build_recognition_trainer

    torch.set_num_threads(1)
    data = {
        split: {"table": str(tables / split / "table"), "images": str(tables / split / "images")}
        for split in ("train", "val")
    }
    raw: dict[str, Any] = {
        "data": {**data, "image_size": 32 if kind == "multitask" else 112, "cache": str(cache)},
        "model": {"backbone": "resnet18", "weights": "none"},
        "run": {"folder": str(cache / "run")},
    }
    with PeakMemory() as memory:
        started_s = time.perf_counter()
        if kind == "multitask":
            raw["data"]["sampling"] = "balanced"
            raw["tasks"] = {
                "expression": {"kind": "classification"},
                "landmarks": {"kind": "landmarks"},
                "pose": {"kind": "regression", "target": ["yaw_deg"], "scale": 90.0},
            }
            trainer: Any = build_multitask_trainer(parse_config(TrainConfig, raw), torch.device("cpu"))
        else:
            trainer = build_recognition_trainer(parse_config(RecognitionConfig, raw), torch.device("cpu"))
        opened_s = time.perf_counter() - started_s
        batches = trainer.train_batches
        batches.set_epoch(1)
        started_s = time.perf_counter()
        for places in batches._loader.batch_sampler:
            targets_of(batches.faces.targets, torch.tensor(places))
            _ = batches.faces.image_ids[places[0]]
        drawn_s = time.perf_counter() - started_s
    return {
        "opened_s": round(opened_s, 2),
        "epoch_drawn_s": round(drawn_s, 2),
        "anonymous_mib": round(memory.anonymous_mib, 1),
        "mapped_mib": round(memory.mapped_mib, 1),
        "child_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1),
        "cpu_s": round(time.process_time(), 2),
    }


def main() -> None:
    """Measure each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=["multitask", "recognition"])
    parser.add_argument("--folder", type=Path, help="keep the tables here, and use those that are here")
    parser.add_argument("--measure", nargs=3, metavar=("KIND", "TABLES", "CACHE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        kind, tables, cache = arguments.measure
        print(json.dumps(measure_worker(kind, Path(tables), Path(cache))))
        return
    with TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        found = {
            kind: {rows: _measure(kind, rows, folder) for rows in arguments.rows} for kind in arguments.kinds
        }
    growth = {
        kind: round(of[max(of)]["worker"]["anonymous_mib"] - of[min(of)]["worker"]["anonymous_mib"], 1)
        for kind, of in found.items()
    }
    print(json.dumps({"name": "worker_memory", "growth_mib": growth, "rows": found}))


def _measure(kind: str, rows: int, folder: Path) -> dict[str, Any]:
    tables, found = folder / f"{kind}_{rows}", dict[str, Any]()
    for seed, (split, count) in enumerate((("train", rows), ("val", VALIDATION_ROWS))):
        if not (tables / split).is_dir():
            write_table(tables / split / "table", kind, count, seed=seed, first_row=seed * 10**9)
    with TemporaryDirectory(dir=folder) as cache:
        command = [sys.executable, __file__, "--measure", kind, str(tables), cache]
        for process in ("first", "worker"):
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            found[process] = json.loads(done.stdout.splitlines()[-1])
            print(kind, rows, process, found[process], file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main()
