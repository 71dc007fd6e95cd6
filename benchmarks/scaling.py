"""How an extraction scales to 32 nodes: what driver, listing and object store have to do with it.

A Ray cluster of as many raylets on this machine, 1 CPU each, and the real extraction, from the listing to the
report; only the detector is another: it sleeps, see `sleeping_detector.py`, so that 32 of them fit on few
cores. Together they are asked for `--rate` images/s at most; the sleep grows with the number of nodes. So the
figures say what Ray and the driver add to detectors, not what a network or a shared disk does.

`fed` is the share of their time in which detectors had a shard at hand, while all of them were there;
`efficiency` is images/s over nodes × 1 / sleep, and has in it, too, that the detectors' processes wait for
this machine's cores. With actors that do nothing at all (`feed`) the driver is the limit. The last line is
one JSON object, with an estimate of nodes and hours, see `scaling_estimate.py`.

    python benchmarks/scaling.py --nodes 1 2 4 8 16 32 --rounds 3
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from local_nodes import LocalNodes  # type: ignore[import-not-found]  # beside this file
from scaling_estimate import Costs, estimate  # type: ignore[import-not-found]
from sleeping_detector import write_site  # type: ignore[import-not-found]

HERE = Path(__file__).parent
LEAST_SLEEP_S = 0.02
IMAGES_PER_SHARD = 50
"""So that 32 nodes get as many shards in a second as they would of 500 images and MediaPipe: one each 8 s."""
START_S = 4.0
"""That each further detector takes to start on a busy core; there are images for those that wait."""
FEEDS = {"few": (8, 1000), "long": (8, 4000), "wide": (32, 1000)}
"""Actors that do nothing, on one node of as many logical CPUs, and shards: what grows with which of them."""
SERIAL = (("look_up", 2000), ("look_up", 20_000), ("end", 100_000), ("end", 500_000))

# Elsewhere measured, see docs/benchmarks.md: extraction on two cores; extraction_memory.py.
MEDIAPIPE_IMAGES_PER_S = 134.3 / 2
LISTED_PER_S = 5_000_000 / 24
LISTING_BYTES = 968 * 2**20 / 5_000_000
IMAGES = (287_651, 494_414, 100_000_000)  # of AffectNet, of CASIA-WebFace, and many
CORES_PER_NODE = 16  # as in cluster.yaml
Figures = dict[str, float]


def make_specks(folder: Path, images: int) -> None:
    """Write small images of noise: no two are alike, and decoding one takes next to nothing."""
    import cv2
    import numpy as np

    random = np.random.default_rng(0)
    for number in range(images):
        file = folder / str(number % 8) / f"{number:07}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        _, data = cv2.imencode(".jpg", random.integers(0, 256, (24, 24, 3), dtype=np.uint8))
        file.write_bytes(data.tobytes())


def sleep_s(nodes: int, rate: float) -> float:
    """Return the cost of an image with which so many nodes stay below a rate of all together."""
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
    """Extract on so many nodes."""
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
        noted = cluster.drive("extract", config, folder)
    figures = steady(noted["shards"], noted["looks"], nodes)
    done = sum(shard["images"] for shard in noted["shards"])
    return figures | {
        "sleep_ms": 1000 * cost_s,
        "images": done,
        "efficiency": figures["images_per_s"] * cost_s / nodes,
        "store_bytes_per_1000_images": 1000 * noted["stored"]["bytes"] / done,
        "store_objects_per_shard": noted["stored"]["objects"] / len(noted["shards"]),
        "listed_per_s": done / noted["seconds"]["list"],
        "first_image_s": min(shard["began_s"] for shard in noted["shards"]) - noted["looks"][0]["at_s"],
        "driver_peak_mib": noted["peak_mib"],
        "load": os.getloadavg()[0],
    }


def steady(shards: list[Figures], looks: list[Figures], nodes: int) -> Figures:
    """Return the rates between the moments at which all detectors are first and last at work."""
    most, start_s, end_s = all_at_work(shards)
    span_s = end_s - start_s
    inside_s = [max(0.0, min(s["done_s"], end_s) - max(s["began_s"], start_s)) for s in shards]
    pace = [s["images"] / (s["done_s"] - s["began_s"]) for s in shards]
    images_per_s = sum(map(float.__mul__, inside_s, pace)) / span_s
    first = max((look for look in looks if look["at_s"] <= start_s), key=at)
    last = min((look for look in looks if look["at_s"] >= end_s), key=at, default=looks[-1])
    driver_cpu = (last["driver_s"] - first["driver_s"]) / (at(last) - at(first))
    return {
        "at_work_at_once": most,
        "seconds": span_s,
        "images_per_s": images_per_s,
        "shards_per_s": sum(start_s <= s["done_s"] <= end_s for s in shards) / span_s,
        "fed": sum(inside_s) / (span_s * nodes),
        "driver_cpu": driver_cpu,
        "driver_cpu_s_per_1000_images": 1000 * driver_cpu / images_per_s,
        "gcs_cpu": (last["gcs_s"] - first["gcs_s"]) / (at(last) - at(first)),
    }


def all_at_work(shards: list[Figures]) -> tuple[int, float, float]:
    """Return how many detectors were at work at once, at most, and from when to when it was so many."""
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


def at(look: Figures) -> float:
    """Return when it was."""
    return look["at_s"]


def feed(cluster: LocalNodes, actors: int, shards: int, work: Path) -> Figures:
    """Hand out shards to actors that do nothing."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        (folder / "faces").mkdir()
        config = settings_of(folder / "faces", folder, actors, 1)
        noted = cluster.drive("feed", config, folder, "--shards", str(shards))
    start, first, last = noted["looks"][0], noted["looks"][1], noted["looks"][-1]
    count = len(noted["shards"]) - 1
    return {
        "actors": actors,
        "shards": len(noted["shards"]),
        "shards_per_s": count / (last["at_s"] - first["at_s"]),
        "driver_cpu_s_per_shard": (last["driver_s"] - first["driver_s"]) / count,
        "gcs_cpu_s_per_shard": (last["gcs_s"] - first["gcs_s"]) / count,
        "driver_cpu": (last["driver_s"] - first["driver_s"]) / (last["at_s"] - first["at_s"]),
        "start_cpu_s": first["driver_s"] - start["driver_s"],
        "store_bytes": noted["stored"]["bytes"],
        "driver_peak_mib": noted["peak_mib"],
        "load": os.getloadavg()[0],
    }


def serial(what: str, number: int) -> Figures:
    """Run `scaling_serial.py`."""
    words = [sys.executable, str(HERE / "scaling_serial.py"), what, str(number)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def slope(pair: list[Figures], over: str, of: str) -> float:
    """Return by how much one figure grows with another from the first to the second."""
    return (pair[1][of] - pair[0][of]) / (pair[1][over] - pair[0][over])


def medians(rounds: list[Figures]) -> Figures:
    """Return the median of each figure."""
    return {name: round(statistics.median(each[name] for each in rounds), 5) for name in rounds[0]}


def measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Measure in rounds, each of them on a cluster that grows."""
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
                print(nodes, json.dumps(medians(curve[nodes][-1:])), flush=True)
        for name, (actors, shards) in FEEDS.items():
            with LocalNodes(actors) as cluster:
                cluster.grow_to(1)
                fed[name].append(feed(cluster, actors, shards, work))
                print(name, json.dumps(medians(fed[name][-1:])), flush=True)
    return {
        "curve": {nodes: medians(rounds) for nodes, rounds in curve.items()},
        "fed": {name: medians(rounds) for name, rounds in fed.items()},
        "spread": {
            name: {nodes: sorted(round(each[name], 3) for each in rounds) for nodes, rounds in curve.items()}
            for name in ("efficiency", "fed", "driver_cpu", "load")
        },
    }


def costs_of(measured: dict[str, Any], alone: list[Figures], nodes: list[int]) -> Costs:
    """Return what the estimate needs to know, some of it measured elsewhere."""
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
        look_up_s=slope(alone[:2], "shards", "seconds"),
        end_s=slope(alone[2:], "rows", "cpu_s"),
        listing_bytes=LISTING_BYTES,
        report_bytes=alone[3]["bytes_per_row"],
        table_bytes=alone[3]["table_bytes_per_row"],
    )


def estimates(costs: Costs) -> list[dict[str, Any]]:
    """Return the estimate of each number of images, shard size and number of nodes."""
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
    parser.add_argument("--rate", type=float, default=200.0, help="images/s of all detectors, at most")
    parser.add_argument("--seconds", type=float, default=30.0, help="of steady work")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faceml_") as folder:
        measured = measure(options, Path(folder))
    alone = [serial(what, number) for what, number in SERIAL]
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
