"""Speed of `faceml extract` in comparison with MediaPipe in plain processes on all cores and on one core.

All sides run alternately on the same synthetic faces; the last line is one JSON object. The ideal is one
process for each CPU that runs MediaPipe on its share of the images, without Ray, and writes one Parquet file.
The start and stop time of Ray is measured with an empty Ray Data job; `ratio_whole_job_at_best` is the upper
bound of an extraction on Ray, with the speed of the ideal and this overhead. `fixed_s` is the time of a whole
job but for that from the start of the first image to the end of the last one. `ratio_litert` compares the CPU
time of MediaPipe's own `detect` with that of `landmarker.engine: litert`, in one process.

    python benchmarks/extraction.py --images 5000 --rounds 3
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import run_job

IMAGE_SIZE_PX = 350
Rates = dict[str, float]


def bare_loop(root: Path, output: Path, share: int, shares: int) -> None:
    """Run MediaPipe on every `shares`-th image, write JSON or Parquet, and print start and end time."""
    import cv2
    import mediapipe as mp
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from mediapipe.tasks.python import BaseOptions, vision

    from faceml.landmarks import find_model_bundle

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(find_model_bundle())),
        running_mode=vision.RunningMode.IMAGE,
    )
    names, points = [], []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        started_s = time.time()
        for path in sorted(root.rglob("*.jpg"))[share::shares]:
            image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
            faces = landmarker.detect(mp.Image(mp.ImageFormat.SRGB, image)).face_landmarks
            names.append(path.relative_to(root).as_posix())
            points.append(
                [value for i in CORNERS for value in (faces[0][i].x, faces[0][i].y)] if faces else None
            )
    if output.suffix == ".json":
        output.write_text(json.dumps(dict(zip(names, points, strict=True))))
    else:
        pq.write_table(pa.table({"image_id": names, "landmarks": points}), output)
    print(started_s, time.time())


CORNERS = (33, 133, 362, 263, 4, 2, 61, 291, 0, 17)


def bare(root: Path, work: Path, processes: int, suffix: str) -> Rates:
    """Run `bare_loop` in parallel processes."""
    started_s = time.time()
    running = [
        subprocess.Popen(
            [
                sys.executable,
                __file__,
                "--bare",
                str(share),
                str(processes),
                str(root),
                str(work / f"{share}{suffix}"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for share in range(processes)
    ]
    times = [[float(value) for value in process.communicate()[0].split()] for process in running]
    wall_s = time.time() - started_s
    images = sum(1 for _ in root.rglob("*.jpg"))
    steady_s = max(end for _, end in times) - min(start for start, _ in times)
    return {"steady": images / steady_s, "whole": images / wall_s}


def extract(root: Path, work: Path) -> Rates:
    """Run `faceml extract`."""
    started_s = time.time()
    settings = {"data.root": root, "output.table": work / "table"}
    run_job("extract", "configs/extract_landmarks.yaml", settings)
    wall_s = time.time() - started_s
    summary = json.loads((work / "table_run" / "summary.json").read_text())
    fixed_s = wall_s - summary["images"] / summary["images_per_second"]
    return {
        "steady": summary["images_per_second"],
        "whole": summary["images"] / wall_s,
        "fixed_s": fixed_s,
    }


def ray_alone(actors: int) -> Rates:
    """Run a Ray Data job whose actors do nothing, and return its duration."""
    started_s = time.time()
    subprocess.run(
        [sys.executable, __file__, "--nothing", str(actors)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return {"seconds": time.time() - started_s}


class Nothing:
    """An actor that does nothing."""

    def __call__(self, item: dict[str, int]) -> dict[str, int]:
        """Return the item."""
        return item


def ray_data_job(actors: int) -> None:
    """Start Ray and an actor pool like `faceml extract`, send each actor an item, and stop Ray."""
    import ray.data

    from ray_jobs.cluster import RayCluster, data_without_helpers

    with RayCluster(), data_without_helpers():
        items = [{"item": number} for number in range(actors)]
        pool = ray.data.ActorPoolStrategy(size=actors)
        ray.data.DataContext.get_current().enable_progress_bars = False
        done = ray.data.from_items(items).map(Nothing, compute=pool, num_cpus=1)  # type: ignore[arg-type]
        list(done.iter_rows())


def compare_engines(root: Path, turns: int) -> Rates:
    """Return the CPU time of MediaPipe and of both engines for an image, in ms, alternately on 50 images."""
    import cv2
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    from faceml.landmarks import LiteRtDetector, MediaPipeDetector, find_model_bundle

    cv2.setNumThreads(1)
    bundle = find_model_bundle()
    images = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in sorted(root.rglob("*.jpg"))[:50]]
    options = vision.FaceLandmarkerOptions(base_options=BaseOptions(model_asset_path=str(bundle)))
    with (
        vision.FaceLandmarker.create_from_options(options) as landmarker,
        MediaPipeDetector(bundle) as mediapipe,
        LiteRtDetector(bundle) as litert,
    ):
        engines: dict[str, Callable[[Any], Any]] = {
            "bare": lambda image: landmarker.detect(mp.Image(mp.ImageFormat.SRGB, image)),
            "mediapipe": mediapipe.detect,
            "litert": litert.detect,
        }
        times: dict[str, list[float]] = {engine: [] for engine in engines}
        for _ in range(turns):
            for engine, detect in engines.items():
                started_s = time.process_time()
                for image in images:
                    detect(image)
                times[engine].append((time.process_time() - started_s) / len(images) * 1000)
    return {engine: statistics.median(values) for engine, values in times.items()}


def measure(sides: dict[str, Callable[[Path], Rates]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Run each side once in every round, each time in an empty folder."""
    rates: dict[str, dict[str, list[float]]] = {side: {} for side in sides}
    for _ in range(rounds):
        for side, run in sides.items():
            with tempfile.TemporaryDirectory() as work:
                for name, rate in run(Path(work)).items():
                    rates[side].setdefault(name, []).append(rate)
            print(side, {name: round(values[-1], 1) for name, values in rates[side].items()}, flush=True)
    return rates


def make_faces(folder: Path, images: int) -> Path:
    """Draw the faces, unless they exist."""
    from faceml.synthetic import generate_faces

    faces = folder / f"faces_{images}"
    if not faces.is_dir():
        partial = folder / f"faces_{images}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        generate_faces(partial, "affectnet", {"train": images}, image_size_px=IMAGE_SIZE_PX)
        partial.rename(faces)
    return faces / "train"


def main() -> None:
    """Measure all sides alternately and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--faces", type=Path, default=Path("runs/bench"), help="folder of the drawn faces")
    parser.add_argument("--seed-way", action="store_true", help="also measure one process that writes JSON")
    arguments = parser.parse_args()
    root, cpus = make_faces(arguments.faces, arguments.images), os.cpu_count() or 1
    sides: dict[str, Callable[[Path], Rates]] = {
        "faceml": lambda work: extract(root, work),
        "ideal": lambda work: bare(root, work, cpus, ".parquet"),
        "ray_alone": lambda work: ray_alone(cpus),
    }
    if arguments.seed_way:
        sides["one_process"] = lambda work: bare(root, work, 1, ".json")
    engine_ms = compare_engines(root, turns=12)
    rates = measure(sides, arguments.rounds)
    medians = {
        side: {name: statistics.median(values) for name, values in by_name.items()}
        for side, by_name in rates.items()
    }
    ours, ray_s = medians["faceml"], medians.pop("ray_alone")["seconds"]
    ideal_s = {name: arguments.images / rate for name, rate in medians["ideal"].items()}
    result = {
        "name": "extraction",
        "ratio": round(ours["steady"] / medians["ideal"]["steady"], 3),
        "ratio_whole_job": round(ours["whole"] / medians["ideal"]["whole"], 3),
        "fixed_s": round(ours.pop("fixed_s"), 2),
        "ratio_whole_job_at_best": round(ideal_s["whole"] / (ideal_s["steady"] + ray_s), 3),
        "ratio_litert": round(engine_ms["bare"] / engine_ms["litert"], 3),
        "cpu_ms_per_image": engine_ms,
        "images_per_second": medians,
        "ray_alone_s": round(ray_s, 2),
        "cpus": cpus,
        "images": arguments.images,
        "n": arguments.rounds,
        "spread": {side: {name: sorted(values) for name, values in by.items()} for side, by in rates.items()},
    }
    if arguments.seed_way:
        for name, rate in medians["one_process"].items():
            result[f"ratio_to_one_process_{name}"] = round(ours[name] / rate, 3)
    print(json.dumps(result, default=float))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare_loop(Path(sys.argv[4]), Path(sys.argv[5]), int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["--nothing"]:
        ray_data_job(int(sys.argv[2]))
    else:
        main()
