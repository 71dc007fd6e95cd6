"""Summary, quality and report at the end of an extraction, without Ray; the last line is one JSON object.

python benchmarks/scaling_serial.py 1000000
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceml.config import ExtractConfig, dump_config, parse_config
from faceml.reporting import ExtractionSpeed
from faceml.runs import CONFIG_FILE
from faceml.storage import StorageFolder, write_text
from ray_jobs.tables import build_table_schema, extraction

ROWS_PER_SHARD = 500


def end(config: ExtractConfig, rows: int) -> dict[str, float]:
    """Return what it takes to say what there is to say of a table of faces that are all different."""
    table, schema = StorageFolder(config.output.table), build_table_schema(config)
    Path(table.uri).mkdir()
    random = np.random.default_rng(0)
    for start in range(0, rows, ROWS_PER_SHARD):
        columns = _faces(random, start)
        shard = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        pq.write_table(shard, f"{table.path}/part-{start:09}.parquet", compression="zstd")
    files = Path(config.run_folder)
    write_text(files / CONFIG_FILE, dump_config(config))
    before_mib, cpu_s, started_s = _peak_mib(), time.process_time(), time.monotonic()
    extraction._write_results(config, files, ExtractionSpeed(), 0.0)
    return {
        "rows": rows,
        "seconds": time.monotonic() - started_s,
        "cpu_s": time.process_time() - cpu_s,
        "bytes_per_row": (_peak_mib() - before_mib) * 2**20 / rows,
        "table_bytes_per_row": sum(file.stat().st_size for file in Path(table.uri).iterdir()) / rows,
    }


def _faces(random: np.random.Generator, start: int) -> dict[str, Any]:
    """Return the columns of a shard, as an extraction writes them."""
    count = ROWS_PER_SHARD
    folders = [str(n % 8) for n in range(start, start + count)]
    columns: dict[str, Any] = {
        "image_id": [f"{folder}/{start + n:09}.jpg" for n, folder in enumerate(folders)],
        "folder": folders,
        "status": ["ok"] * count,
        "width": np.full(count, 350, np.int32),
        "height": np.full(count, 350, np.int32),
        "num_faces": np.ones(count, np.int8),
        "content_sha256": [random.bytes(32) for _ in range(count)],
        "dhash": random.integers(0, 2**64, count, np.uint64),
        "file_bytes": random.integers(20_000, 40_000, count),
        "modified_ns": random.integers(0, 2**60, count),
    }
    for number in (5, 10):
        points = random.normal(0.5, 0.1, (count, 2 * number)).astype(np.float32)
        columns[f"landmarks_{number}"] = list(points)
    angles = random.normal(0, 15, (3, count)).astype(np.float32)
    return columns | dict(zip(("yaw_deg", "pitch_deg", "roll_deg"), angles, strict=True))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        config = parse_config(ExtractConfig, {"data": {"root": work}, "output": {"table": f"{work}/table"}})
        print(json.dumps(end(config, arguments.rows)))


if __name__ == "__main__":
    main()
