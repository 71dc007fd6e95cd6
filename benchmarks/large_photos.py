"""Speed-up and landmark deviation of decoding large photos at a reduced size.

Synthetic faces of several sizes in JPEGs of 3000×2000 px are extracted alternately with
`landmarker.decode: full` and `reduced`; the last line is one JSON object, with a ratio for each face size.

    python benchmarks/large_photos.py
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from measuring import median_ratio

from faceml.images import decode_image, decode_reduced, encode_jpeg
from faceml.landmarks import DETECTION_SIDE_PX, LandmarkExtractor, MediaPipeDetector, find_model_bundle
from faceml.storage import StoredFile
from faceml.synthetic import generate_faces

PHOTO_PX = (2000, 3000)
CANVAS_SIDES_PX = (2000, 1400, 1000, 700)
LEFT_EYE, RIGHT_EYE = 0, 1


def take_photos(side_px: int, count: int) -> list[bytes]:
    """Draw faces of this side length, each in the centre of a blurred and noisy photo."""
    generator = np.random.default_rng(side_px)
    photos = []
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder) / "faces"
        generate_faces(faces, "affectnet", {"train": count}, image_size_px=side_px, seed=side_px)
        for path in sorted(faces.rglob("*.jpg")):
            face = np.asarray(decode_image(path.read_bytes()))
            coarse = generator.integers(60, 190, (20, 30, 3), dtype=np.uint8)
            photo = cv2.resize(coarse, PHOTO_PX[::-1], interpolation=cv2.INTER_CUBIC)
            noise = generator.normal(0, 2, (*PHOTO_PX, 3))
            top, left = (PHOTO_PX[0] - side_px) // 2, (PHOTO_PX[1] - side_px) // 2
            photo[top : top + side_px, left : left + side_px] = face
            photos.append(encode_jpeg(np.clip(photo + noise, 0, 255).astype(np.uint8), 90))
    return photos


def seconds_of_decoding(photo: bytes, long_side_px: int | None) -> float:
    """Return the time of decoding once."""
    started_s = time.perf_counter()
    decode_reduced(photo, long_side_px=long_side_px)
    return time.perf_counter() - started_s


def compare(photos: list[bytes], full: LandmarkExtractor, reduced: LandmarkExtractor) -> dict[str, float]:
    """Extract each photo in both ways, one after the other."""
    times: dict[str, list[float]] = {"full": [], "reduced": [], "decode_full": [], "decode_reduced": []}
    deviations, face_sides = [], []
    for number, photo in enumerate(photos):
        file, points = StoredFile(f"{number}.jpg", len(photo), 0), {}
        times["decode_full"].append(seconds_of_decoding(photo, None))
        times["decode_reduced"].append(seconds_of_decoding(photo, DETECTION_SIDE_PX))
        for name, extractor in (("full", full), ("reduced", reduced)):
            started_s = time.perf_counter()
            (row,) = extractor.detect(file, photo)
            times[name].append(time.perf_counter() - started_s)
            points[name] = np.asarray(row["landmarks_5"]).reshape(5, 2) * PHOTO_PX[::-1]
            mesh = np.asarray(row["mesh"], dtype=np.float64).reshape(-1, 3)[:, :2] * PHOTO_PX[::-1]
        between_eyes_px = np.linalg.norm(points["full"][LEFT_EYE] - points["full"][RIGHT_EYE])
        apart_px = np.linalg.norm(points["full"] - points["reduced"], axis=1)
        deviations.append(float(apart_px.mean() / between_eyes_px))
        face_sides.append(float(np.ptp(mesh, axis=0).max()))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "face_px": round(statistics.median(face_sides)),
        "ratio": median_ratio(times["full"], times["reduced"], 2),
        "ratio_decode": median_ratio(times["decode_full"], times["decode_reduced"], 2),
        "full_ms": round(1000 * medians["full"], 1),
        "reduced_ms": round(1000 * medians["reduced"], 1),
        "mean_deviation_of_inter_ocular": round(statistics.mean(deviations), 4),
        "largest_deviation_of_inter_ocular": round(max(deviations), 4),
    }


def main() -> None:
    """Measure each face size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=24, help="number of photos of each face size")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with MediaPipeDetector(find_model_bundle()) as detector:
        full = LandmarkExtractor(detector, store_mesh=True)
        reduced = LandmarkExtractor(detector, reduce=True, store_mesh=True)
        sizes = []
        for side_px in CANVAS_SIDES_PX:
            sizes.append(compare(take_photos(side_px, arguments.photos), full, reduced))
            print(sizes[-1], flush=True)
    result = {
        "name": "large_photos",
        "ratio": sizes[0]["ratio"],
        "n": arguments.photos,
        "by_face_size": sizes,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
