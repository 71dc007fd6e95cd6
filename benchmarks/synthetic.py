"""How fast synthetic faces are drawn, and what a second process adds: one JSON object on the last line."""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from faceml.synthetic import generate_faces

FACES = 600
IMAGE_SIZE_PX = 350
ROUNDS = 3


def images_per_second(processes: int) -> float:
    """Draw, encode and write the faces once; the start of the processes counts."""
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.perf_counter()
        generate_faces(
            Path(folder) / "faces",
            "affectnet",
            {"train": FACES},
            image_size_px=IMAGE_SIZE_PX,
            processes=processes,
        )
        return FACES / (time.perf_counter() - started_s)


def main() -> None:
    """Measure in turns, one process against all CPUs, and compare medians."""
    cpus = os.cpu_count() or 1
    sides: dict[int, list[float]] = {1: [], cpus: []}
    for _ in range(ROUNDS):
        for processes, rates in sides.items():
            rates.append(images_per_second(processes))
    one, every = statistics.median(sides[1]), statistics.median(sides[cpus])
    result = {
        "name": "synthetic_faces",
        "ratio": round(every / one, 3),
        "images_per_second_all_cpus": round(every, 1),
        "images_per_second_one_process": round(one, 1),
        "cpus": cpus,
        "n": ROUNDS,
        "faces": FACES,
        "spread": {
            "all_cpus": [round(rate, 1) for rate in sorted(sides[cpus])],
            "one_process": [round(rate, 1) for rate in sorted(sides[1])],
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
