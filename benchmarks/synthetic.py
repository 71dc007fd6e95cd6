"""Speed of drawing synthetic faces, in one process and on all CPUs; the last line is one JSON object."""

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
    """Return images/s of drawing, encoding and writing the faces, start of the processes included."""
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
    """Measure one process and all CPUs alternately and print the result."""
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
