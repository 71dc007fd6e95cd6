"""Exported metrics and JSON log lines of an extraction on a cluster."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from faceml.tables.sorted_rows import read_table
from tests.job import REPOSITORY
from tests.observed import exported, worker_lines


def test_extract__exports_the_counts_of_its_table_and_speaks_json_if_asked(
    cluster_environment: dict[str, str], faces: Path, tmp_path: Path
) -> None:
    root, table, run = tmp_path / "faces", tmp_path / "table", tmp_path / "observed_extraction"
    shutil.copytree(faces / "val", root)
    (root / "0" / "broken.jpg").write_bytes(b"no image")
    (root / "0" / "empty.jpg").write_bytes(b"")
    settings = (f"data.root={root}", f"output.table={table}", f"run.folder={run}", "logging.format=json")
    done = subprocess.run(
        [sys.executable, "-m", "ray_jobs.extract", "--set", "output.images_per_shard=10"]
        + ["--set", "landmarker.actors=1"]
        + [word for setting in settings for word in ("--set", setting)],
        cwd=REPOSITORY,
        env=os.environ | cluster_environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    values = exported(run)  # gauges of a driver that has ended are gone after 20 s
    assert done.returncode == 0, done.stderr
    statuses = Counter(read_table(table, ["status"])["status"].to_pylist())
    assert statuses == {"ok": 32, "undecodable": 1, "empty_file": 1}
    assert {k: n for (name, k), n in values.items() if name == "extract_images_total"} == statuses
    shards = [file.name for file in table.glob("*.parquet")]
    assert values["extract_shards_total", ""] == len(shards) >= 3
    assert values["extract_images_to_do", ""] == 0
    assert 0 < values["extract_seconds_per_image", socket.gethostname()] < 10
    summary = json.loads((run / "summary.json").read_text())
    assert values["extract_images_per_second", ""] == pytest.approx(summary["images_per_second"], rel=0.01)

    assert done.stdout.splitlines()[-1] == f"Results: {run}"
    driver_lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert any(line["message"].startswith("34 images to extract") for line in driver_lines)
    detector_lines = worker_lines(run)
    told = [re.fullmatch(r"(\S+): (\d+) images in \S+ s", line["message"]) for line in detector_lines]
    assert sorted(line[1] for line in told if line) == sorted(shards)
    assert sum(int(line[2]) for line in told if line) == 34
    for line in [*driver_lines, *detector_lines]:
        assert (line["job"], line["run"], line["node"]) == ("extract", str(run), socket.gethostname())
        assert line["level"] in ("INFO", "WARNING")
        assert line["logger"]
        time = datetime.fromisoformat(line["time"])
        assert timedelta() <= datetime.now(time.tzinfo) - time < timedelta(minutes=10)
