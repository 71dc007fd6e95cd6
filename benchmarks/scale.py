"""Memory and time of queries over tables of millions of rows.

Writes synthetic landmark tables without images, shard by shard, and measures in a process of its own each:

- `compare`: a listing of all images with the table, of which one in 100 has changed and one in 20 is new
- `plan`: of an extraction of all images into an empty table
- `summary`: counts of the table by status, folder and look
- `quality`: the quality report, with near-duplicates in a validation table of a twentieth of the rows
- `labels`: rows of the table with two columns of a label table

`anonymous_mib` is the peak of the process' own memory, sampled every 20 ms, `peak_mib` that of all its
memory, with mapped files and code. The slopes are those between the smallest and the largest table, per
million rows. The last line is one JSON object.

    python benchmarks/scale.py --rows 1000000 5000000 20000000
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scale_tables import (
    MODIFIED_NS,
    ROWS_OF_SHARD,
    file_bytes,
    image_names,
    write_labels,
    write_table,
)


def listing(rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the listing of all images and of one further image for each 20, some of them changed."""
    from faceml.storage import StoredFile
    from faceml.tables import image_batches

    def files() -> Iterator[StoredFile]:
        for start in range(0, rows + rows // 20, 1 << 16):
            number = np.arange(start, min(rows + rows // 20, start + (1 << 16)))
            names = image_names(number)
            changed = MODIFIED_NS + (number % 100 == 50)
            columns = names.to_pylist(), file_bytes(number).tolist(), changed.tolist()
            yield from map(StoredFile, *columns)

    return image_batches(files(), [""])


def compare(table: Path, rows: int, scratch: Path) -> None:
    """Compare a listing with the table."""
    from faceml.extraction import compare_with_table, read_table_state
    from faceml.storage import StorageFolder

    state = read_table_state(StorageFolder(table), scratch)
    diff = compare_with_table(listing(rows), state, scratch, follow_changes=False)
    assert diff.num_to_extract == rows // 20


def plan(table: Path, rows: int, scratch: Path) -> None:
    """Plan the extraction of all images."""
    from faceml.extraction import compare_with_table, read_table_state, split_into_shards, write_plan
    from faceml.storage import StorageFolder
    from faceml.tables import read_shard_schema, shard_names

    empty, written = StorageFolder(scratch / "empty"), StorageFolder(table)
    state = read_table_state(empty, scratch)
    diff = compare_with_table(listing(rows), state, scratch, follow_changes=False)
    shards = split_into_shards(diff.new, ROWS_OF_SHARD, 64)
    write_plan([("new", shards)], empty, read_shard_schema(written, shard_names(written)[0]), scratch)


def summarise(table: Path, rows: int, scratch: Path) -> None:
    """Count the rows of the table."""
    from faceml.reporting import COUNTED_COLUMNS, summarize_table
    from faceml.tables import QueryLimits, TableScan

    columns = [name for name in COUNTED_COLUMNS if name not in ("source", "face")]
    summary = summarize_table(TableScan(table, columns), rows, 1, 1, QueryLimits(spill_folder=scratch))
    assert summary.images == rows


def assess(table: Path, rows: int, scratch: Path) -> None:
    """Assess the quality of the table."""
    from faceml.quality import assess_quality
    from faceml.tables import QueryLimits

    other = str(table.parent / "val")
    found = assess_quality(table, [other], 2, 24, QueryLimits(spill_folder=scratch))
    assert found.faces == sum(1 for number in range(20) if number != 19) * rows // 20
    assert found.overlaps[0].near[1] >= rows // 20 // 200
    assert found.num_conflicts > 0


def join(table: Path, rows: int, scratch: Path) -> None:
    """Read the rows of the table with columns of a label table."""
    from faceml.tables import LabelSource, TableSelection

    labels = LabelSource(str(table.parent / "labels.parquet"))
    found = TableSelection(str(table), labels=labels).read(["folder", "valence", "arousal"])
    assert found.rows.num_rows == rows
    assert found.rows["valence"].null_count == -(-rows // 100)


MEASURES: dict[str, Callable[[Path, int, Path], None]] = {
    "compare": compare,
    "plan": plan,
    "summary": summarise,
    "quality": assess,
    "labels": join,
}


def measure(name: str, table: Path, rows: int) -> dict[str, float]:
    """Run one of the measurements in this process."""
    peak_kib, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            peak_kib.append(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(dir=table.parent) as scratch:
        MEASURES[name](table, rows, Path(scratch))
    seconds, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    done.set()
    watcher.join()
    return {
        "seconds": round(seconds, 1),
        "cpu_s": round(cpu_s, 1),
        "anonymous_mib": round(max(peak_kib) / 1024),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def slope(found: dict[int, dict[str, float]], figure: str) -> float | None:
    """Return the growth of a figure per million rows, from the smallest to the largest table."""
    few, many = min(found), max(found)
    growth = (found[many][figure] - found[few][figure]) / (many - few) * 10**6 if many > few else None
    return growth and round(growth, 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--rows-of-shard", type=int, default=ROWS_OF_SHARD)
    parser.add_argument("--folder", type=Path, default=Path("runs/scale"), help="folder of the tables")
    parser.add_argument("--measures", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    parser.add_argument("--measure", nargs=3, metavar=("NAME", "TABLE", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, table, rows = arguments.measure
        print(json.dumps(measure(name, Path(table), int(rows))))
        return
    found: dict[str, dict[int, dict[str, float]]] = {name: {} for name in arguments.measures}
    written = dict[int, float]()
    for rows in arguments.rows:
        folder = arguments.folder / f"{rows}_{arguments.rows_of_shard}"
        started_s = time.perf_counter()
        write_table(folder / "train", rows, arguments.rows_of_shard)
        written[rows] = round(time.perf_counter() - started_s, 1)
        write_table(folder / "val", rows // 20, arguments.rows_of_shard, seed=1)
        write_labels(folder / "labels.parquet", rows)
        for name in arguments.measures:
            command = [sys.executable, __file__, "--measure", name, str(folder / "train"), str(rows)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            found[name][rows] = json.loads(done.stdout.splitlines()[-1])
            print(f"{rows:,} rows, {name}: {found[name][rows]}", file=sys.stderr, flush=True)
    peaks = {rows: max(each[rows]["anonymous_mib"] for each in found.values()) for rows in arguments.rows}
    result: dict[str, Any] = {
        "name": "scale",
        "ratio": round(peaks[max(peaks)] / peaks[min(peaks)], 3),
        "anonymous_mib": [peaks[min(peaks)], peaks[max(peaks)]],
        "rows": arguments.rows,
        "written_s": written,
        "measures": found,
        "per_million_rows": {
            name: {figure: slope(each, figure) for figure in ("seconds", "cpu_s", "anonymous_mib")}
            for name, each in found.items()
        },
        "n": 1,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
