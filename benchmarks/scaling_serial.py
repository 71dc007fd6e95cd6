"""Summary, quality and report at the end of an extraction, without Ray; the last line is one JSON object.

python benchmarks/scaling_serial.py 1000000
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from scale_tables import write_table

from faceml.config import ExtractConfig, dump_config, parse_config
from faceml.reporting import ExtractionSpeed
from faceml.runs import RunFolder
from ray_jobs.tables import extraction


def end(config: ExtractConfig, rows: int) -> dict[str, float]:
    """Return the time and memory of summary, quality and report of a synthetic table."""
    table = Path(config.output.table)
    write_table(table, rows)
    with RunFolder(config.run_folder) as run_folder:
        run_folder.renew(dump_config(config))
        before_mib, cpu_s, started_s = _peak_mib(), time.process_time(), time.monotonic()
        extraction._write_results(config, run_folder, ExtractionSpeed(), 0.0)
        return {
            "rows": rows,
            "seconds": time.monotonic() - started_s,
            "cpu_s": time.process_time() - cpu_s,
            "bytes_per_row": (_peak_mib() - before_mib) * 2**20 / rows,
            "table_bytes_per_row": sum(file.stat().st_size for file in table.iterdir()) / rows,
        }


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
