"""Exported metrics of a run, and its workers' lines in Ray's logs."""

import json
import re
from pathlib import Path
from typing import Any

import ray
import requests

SAMPLE = re.compile(r"ray_faceml_(\w+){(.*)} (\S+)")


def exported(run: Path) -> dict[tuple[str, str], float]:
    """Return the exported metrics of a run, by name and further label, empty without one."""
    (node,) = ray.nodes()
    page = requests.get(f"http://127.0.0.1:{node['MetricsExportPort']}/metrics", timeout=10).text
    values = {}
    for name, labels, value in SAMPLE.findall(page):
        label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if label["run"] == run.name:
            others = [label[key] for key in ("status", "rank", "node") if key in label]
            values[name, (others or [""])[0]] = float(value)
    return values


def worker_lines(run: Path) -> list[dict[str, Any]]:
    """Return the JSON log lines of a run's workers."""
    logs = Path(ray._private.worker._global_node.get_logs_dir_path())
    lines = [line for file in logs.glob("worker-*.err") for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines if json.dumps(str(run)) in line]
