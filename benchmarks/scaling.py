"""Scaling of an extraction to 32 nodes: cost of driver, listing and object store.

Runs the real extraction, from listing to report, on a Ray cluster of local raylets with 1 CPU each. Only the
detector is replaced by one that sleeps, see `sleeping_detector.py`, so that 32 of them run on few cores. The
sleep grows with the number of nodes, so that all together process at most `--rate` images/s. The figures
show the overhead of Ray and the driver, not that of a network or a shared disk.

`fed` is the share of time in which detectors had a shard, while all of them were running; `efficiency` is
images/s over nodes × 1 / sleep, and includes contention for the cores of this machine. With actors that do
nothing (`feed`) the driver is the bottleneck. The last line is one JSON object, with an estimate of nodes and
hours, see `scaling_estimate.py`.

    python benchmarks/scaling.py --nodes 1 2 4 8 16 32 --rounds 3
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from local_nodes import LocalNodes
from measuring import medians
from scaling_estimate import Costs, estimate
from sleeping_detector import write_site

HERE = Path(__file__).parent
LEAST_SLEEP_S = 0.02
IMAGES_PER_SHARD = 50
"""Gives 32 nodes the shard rate of 500 images per shard and MediaPipe: one shard per node every 8 s."""
START_S = 4.0
"""Start time of each further detector on a busy core; images are added for detectors that wait."""
FEEDS = {"few": (8, 1000), "long": (8, 4000), "wide": (32, 1000)}
"""Numbers of actors and shards of the runs whose actors do nothing, on one node with a CPU per actor."""
SERIAL = (100_000, 500_000)

# Measured by extraction.py on two cores, extraction_memory.py and scale.py, see docs/benchmarks.md.
MEDIAPIPE_IMAGES_PER_S = 134.3 / 2
LISTED_PER_S = 5_000_000 / 27
QUERY_BYTES = (584 - 200) * 2**20 / 800_000  # from 200,000 to 1 million rows
ROW_BYTES = (1302 - 1173) * 2**20 / 15_000_000  # from 5 to 20 million rows
QUERY_GIB = 1302 / 1024 - 20_000_000 * ROW_BYTES / 2**30
TASK_BYTES = 453 * 2**20 / 20_000_000
IMAGES = (287_651, 494_414, 100_000_000)  # AffectNet, CASIA-WebFace, and a large data set
CORES_PER_NODE = 16  # as in cluster.yaml
Figures = dict[str, float]


def make_specks(folder: Path, images: int) -> None:
    """Write small distinct images of noise, which are fast to decode."""
    import cv2
    import numpy as np

    random = np.random.default_rng(0)
    for number in range(images):
        file = folder / str(number % 8) / f"{number:07}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        _, data = cv2.imencode(".jpg", random.integers(0, 256, (24, 24, 3), dtype=np.uint8))
        file.write_bytes(data.tobytes())


def sleep_s(nodes: int, rate: float) -> float:
    """Return the sleep per image with which all nodes together stay below a rate."""
    return max(LEAST_SLEEP_S, nodes / rate)


def settings_of(root: Path, folder: Path, nodes: int, images_per_shard: int) -> dict[str, Any]:
    """Return the configuration of an extraction."""
    return {
        "data": {"root": str(root)},
        "output": {"table": str(folder / "table"), "images_per_shard": images_per_shard},
        "landmarker": {"actors": nodes},
        "storage": {"shared": True},
    }


def extract(
    cluster: LocalNodes, nodes: int, specks: Path, work: Path, options: argparse.Namespace
) -> Figures:
    """Run an extraction on a number of nodes."""
    cost_s = sleep_s(nodes, options.rate)
    images = int(nodes / cost_s * (options.seconds + START_S * nodes / 2))
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        for file in sorted(specks.rglob("*.jpg"), key=lambda file: file.name)[:images]:
            link = folder / "faces" / file.relative_to(specks)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(file)
        config = settings_of(folder / "faces", folder, nodes, IMAGES_PER_SHARD)
        write_site(work, cost_s)
        driven = cluster.drive("extract", config, folder)
    figures = steady(driven["shards"], driven["samples"], nodes)
    done = sum(shard["images"] for shard in driven["shards"])
    return figures | {
        "sleep_ms": 1000 * cost_s,
        "images": done,
        "efficiency": figures["images_per_s"] * cost_s / nodes,
        "store_bytes_per_1000_images": 1000 * driven["stored"]["bytes"] / done,
        "store_objects_per_shard": driven["stored"]["objects"] / len(driven["shards"]),
        "listed_per_s": done / driven["seconds"]["list"],
        "first_image_s": min(shard["began_s"] for shard in driven["shards"]) - driven["samples"][0]["at_s"],
        "driver_peak_mib": driven["peak_mib"],
        "load": os.getloadavg()[0],
    }


def steady(shards: list[Figures], samples: list[Figures], nodes: int) -> Figures:
    """Return the rates of the period in which all detectors are running."""
    most, start_s, end_s = all_at_work(shards)
    span_s = end_s - start_s
    inside_s = [max(0.0, min(s["done_s"], end_s) - max(s["began_s"], start_s)) for s in shards]
    pace = [s["images"] / (s["done_s"] - s["began_s"]) for s in shards]
    images_per_s = sum(map(float.__mul__, inside_s, pace)) / span_s
    first = [sample for sample in samples if sample["at_s"] <= start_s][-1]
    last = next((sample for sample in samples if sample["at_s"] >= end_s), samples[-1])
    span_of_samples_s = last["at_s"] - first["at_s"]
    driver_cpu = (last["driver_s"] - first["driver_s"]) / span_of_samples_s
    return {
        "at_work_at_once": most,
        "seconds": span_s,
        "images_per_s": images_per_s,
        "shards_per_s": sum(start_s <= s["done_s"] <= end_s for s in shards) / span_s,
        "fed": sum(inside_s) / (span_s * nodes),
        "driver_cpu": driver_cpu,
        "driver_cpu_s_per_1000_images": 1000 * driver_cpu / images_per_s,
        "gcs_cpu": (last["gcs_s"] - first["gcs_s"]) / span_of_samples_s,
    }


def all_at_work(shards: list[Figures]) -> tuple[int, float, float]:
    """Return the maximum number of detectors running at once, and start and end of that period."""
    edges = sorted([(s["began_s"], 1) for s in shards] + [(s["done_s"], -1) for s in shards])
    busy = most = 0
    start_s = end_s = 0.0
    for at_s, change in edges:
        if busy == most and change < 0:
            end_s = at_s
        busy += change
        if busy > most:
            most, start_s = busy, at_s
    return most, start_s, end_s


def feed(cluster: LocalNodes, actors: int, shards: int, work: Path) -> Figures:
    """Distribute shards to actors that do nothing."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        (folder / "faces").mkdir()
        config = settings_of(folder / "faces", folder, actors, 1)
        driven = cluster.drive("feed", config, folder, "--shards", str(shards))
    start, first, last = driven["samples"][0], driven["samples"][1], driven["samples"][-1]
    count = len(driven["shards"]) - 1
    return {
        "actors": actors,
        "shards": len(driven["shards"]),
        "shards_per_s": count / (last["at_s"] - first["at_s"]),
        "driver_cpu_s_per_shard": (last["driver_s"] - first["driver_s"]) / count,
        "gcs_cpu_s_per_shard": (last["gcs_s"] - first["gcs_s"]) / count,
        "driver_cpu": (last["driver_s"] - first["driver_s"]) / (last["at_s"] - first["at_s"]),
        "start_cpu_s": first["driver_s"] - start["driver_s"],
        "store_bytes": driven["stored"]["bytes"],
        "driver_peak_mib": driven["peak_mib"],
        "load": os.getloadavg()[0],
    }


def serial(rows: int) -> Figures:
    """Run `scaling_serial.py`."""
    words = [sys.executable, str(HERE / "scaling_serial.py"), str(rows)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def slope(pair: list[Figures], over: str, of: str) -> float:
    """Return the slope of figure `of` over figure `over` between two measurements."""
    return (pair[1][of] - pair[0][of]) / (pair[1][over] - pair[0][over])


def measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Measure in rounds, each on a growing cluster."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(work), str(HERE.parent)])
    longest = max(n / sleep_s(n, options.rate) * (options.seconds + START_S * n / 2) for n in options.nodes)
    make_specks(work / "specks", int(longest))
    curve: dict[int, list[Figures]] = {nodes: [] for nodes in options.nodes}
    fed: dict[str, list[Figures]] = {name: [] for name in FEEDS}
    for _ in range(options.rounds):
        with LocalNodes() as cluster:
            for nodes in options.nodes:
                cluster.grow_to(nodes)
                curve[nodes].append(extract(cluster, nodes, work / "specks", work, options))
                print(nodes, json.dumps(medians(curve[nodes][-1:], 5)), flush=True)
        for name, (actors, shards) in FEEDS.items():
            with LocalNodes(actors) as cluster:
                cluster.grow_to(1)
                fed[name].append(feed(cluster, actors, shards, work))
                print(name, json.dumps(medians(fed[name][-1:], 5)), flush=True)
    return {
        "curve": {nodes: medians(rounds, 5) for nodes, rounds in curve.items()},
        "fed": {name: medians(rounds, 5) for name, rounds in fed.items()},
        "spread": {
            name: {nodes: sorted(round(each[name], 3) for each in rounds) for nodes, rounds in curve.items()}
            for name in ("efficiency", "fed", "driver_cpu", "load")
        },
    }


def costs_of(measured: dict[str, Any], alone: list[Figures], nodes: list[int]) -> Costs:
    """Return the costs for the estimate, some of them measured by other benchmarks."""
    few, long, wide = (measured["fed"][name] for name in FEEDS)
    driver_per_actor_s = max(0.0, slope([few, wide], "actors", "driver_cpu_s_per_shard"))
    return Costs(
        image_s=1 / MEDIAPIPE_IMAGES_PER_S,
        efficiency=measured["curve"][max(nodes)]["fed"],
        images_per_shard=500,
        listed_per_s=LISTED_PER_S,
        start_s=measured["curve"][min(nodes)]["first_image_s"],
        start_per_shard_s=slope([few, long], "shards", "start_cpu_s"),
        driver_s=few["driver_cpu_s_per_shard"] - few["actors"] * driver_per_actor_s,
        driver_per_detector_s=driver_per_actor_s,
        end_s=slope(alone, "rows", "cpu_s"),
        query_bytes=QUERY_BYTES,
        query_gib=QUERY_GIB,
        driver_bytes=ROW_BYTES + TASK_BYTES,
        table_bytes=alone[1]["table_bytes_per_row"],
    )


def estimates(costs: Costs) -> list[dict[str, Any]]:
    """Return an estimate for each number of images, shard size and number of nodes."""
    return [
        {"images": images, "nodes": nodes, "images_per_shard": per_shard}
        | asdict(estimate(images, nodes * CORES_PER_NODE, replace(costs, images_per_shard=per_shard)))
        for images in IMAGES
        for per_shard in (500, 5000)
        for nodes in (1, 2, 4, 8, 16, 32, 64)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--rate", type=float, default=200.0, help="maximum images/s of all detectors")
    parser.add_argument("--seconds", type=float, default=30.0, help="duration of the measured period")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faceml_") as folder:
        measured = measure(options, Path(folder))
    alone = [serial(rows) for rows in SERIAL]
    costs = costs_of(measured, alone, options.nodes)
    result = {
        "name": "scaling",
        "ratio": measured["curve"][max(options.nodes)]["efficiency"],
        **measured,
        "serial": alone,
        "costs": asdict(costs),
        "images_per_s_of_driver": {n: round(costs.images_per_s_of_driver(n)) for n in (8, 64, 256, 1024)},
        "estimates": estimates(costs),
        "cpus": os.cpu_count(),
        "n": options.rounds,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
