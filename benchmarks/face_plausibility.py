"""Fit of the model of `landmarker.confirm`, and its errors on images that it has not seen.

`detect` runs the landmark detector on the images of a folder and stores the features of all detections;
with `--turned` also on mirrored, turned and cut out copies, for more of what is no face. `fit` fits the model
on the half of the files whose names have an even SHA-1, and measures it on the other half. Its last line is
one JSON object: by file and half, the numbers of detections that the model rejects, of those whose appearance
it examines, and of all.

    python benchmarks/face_plausibility.py detect FOLDER people.npz
    python benchmarks/face_plausibility.py detect FOLDER animals.npz --turned
    python benchmarks/face_plausibility.py fit --faces people.npz:1 --others animals.npz:1 --output model.npz

The number after each file is the weight of its detections. `--leave-out` names a file of lines
`image number`, detections that are not what their folder says: people beside animals, or meshes on a part
of a face.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import LogisticRegression

from faceml.images import RgbImage, decode_reduced
from faceml.landmarks import DetectorOptions, find_model_bundle
from faceml.landmarks.face_geometry import read_canonical_face
from faceml.landmarks.plausibility import MOST_DEVIATION, gradient_histograms, mesh_shape

Data = dict[str, np.ndarray]

COMPONENTS = 60
FOLDS = 4
UNUSUAL = 0.01
"""Share of real faces whose appearance is examined."""
SHAPE_REGULARITY, GRADIENT_REGULARITY = 0.03, 0.0005
IRISES = [473, 476, 475, 474, 477, 468, 471, 470, 469, 472]
LONG_SIDE_PX = 640


def mirrored_vertices() -> np.ndarray:
    """Return for each of the 478 vertices the one at the same place of the other half of the face."""
    canonical = read_canonical_face(find_model_bundle())
    distances = np.linalg.norm(canonical[:, None] * [-1, 1, 1] - canonical, axis=2)
    return np.concatenate([linear_sum_assignment(distances)[1], IRISES])


def copies(image: RgbImage) -> Iterator[RgbImage]:
    """Yield an image mirrored, turned, and parts of it."""
    height, width = image.shape[:2]
    yield np.ascontiguousarray(image[:, ::-1])
    for angle in (15, -15, 30, -30):
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 0.85)
        yield np.asarray(cv2.warpAffine(image, turn, (width, height), borderValue=(127, 127, 127)), np.uint8)
    for x, y in ((0, 0), (0.3, 0), (0, 0.3), (0.3, 0.3), (0.15, 0.15)):
        part = image[int(y * height) : int((y + 0.7) * height), int(x * width) : int((x + 0.7) * width)]
        yield np.ascontiguousarray(part)


def detect(folder: Path, output: Path, *, turned: bool) -> None:
    """Store the features of all detections in the images below a folder."""
    found: dict[str, list[object]] = {
        name: [] for name in ("image", "number", "copy", "shape", "mirrored", "histograms")
    }
    other_side = mirrored_vertices()
    with DetectorOptions(max_faces=0).create_detector() as detector:
        for path in sorted(file for file in folder.rglob("*") if file.is_file()):
            decoded = decode_reduced(path.read_bytes(), long_side_px=LONG_SIDE_PX)
            if isinstance(decoded, str):
                continue
            for copy, image in enumerate([decoded.pixels, *(copies(decoded.pixels) if turned else [])]):
                height, width = image.shape[:2]
                for number, face in enumerate(detector.detect(image)):
                    other = face.mesh[other_side] * np.array([-1, 1, 1], np.float32)
                    found["image"].append(path.name)
                    found["number"].append(number)
                    found["copy"].append(copy)
                    found["shape"].append(mesh_shape(face.mesh, width, height))
                    found["mirrored"].append(mesh_shape(other, width, height))
                    found["histograms"].append(gradient_histograms(image, face.mesh))
    arrays: dict[str, Any] = {name: np.array(values) for name, values in found.items()}
    np.savez_compressed(output, **arrays)
    print(json.dumps({"name": "face_plausibility", "detections": len(found["image"])}))


def is_odd(text: str) -> bool:
    """Return whether the SHA-1 of a text is odd, which divides the images into two halves."""
    return int(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), 16) % 2 == 1


def fold_of(text: str) -> int:
    """Return the fold of an image, independent of its half."""
    return int(hashlib.sha1(f"fold {text}".encode(), usedforsecurity=False).hexdigest(), 16) % FOLDS


def balanced(weights: np.ndarray, is_face: np.ndarray) -> np.ndarray:
    """Scale weights so that faces and others have the same sum, half of the number of rows each."""
    scaled = weights.astype(np.float64)
    for kind in (False, True):
        scaled[is_face == kind] *= len(weights) / 2 / scaled[is_face == kind].sum()
    return scaled


def fit_logistic(
    features: np.ndarray, is_face: np.ndarray, weights: np.ndarray, regularity: float
) -> tuple[np.ndarray, float]:
    """Return weights and constant of a logistic regression on standardised features."""
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    model = LogisticRegression(C=regularity, max_iter=300)
    model.fit((features - mean) / deviation, is_face, balanced(weights, is_face))
    factors = model.coef_[0] / deviation
    return factors, float(model.intercept_[0] - mean @ factors)


def shape_features(
    shapes: np.ndarray, mean: np.ndarray, components: np.ndarray, deviations: np.ndarray
) -> np.ndarray:
    """Return shape parameters, their squares and the logarithm of the residual, of shape (n, 2 K + 1)."""
    centered = shapes - mean
    along = centered @ components
    outside = np.maximum((centered**2).sum(axis=1) - (along**2).sum(axis=1), 1e-12)
    parameters = np.clip(along / deviations, -MOST_DEVIATION, MOST_DEVIATION)
    return np.column_stack([parameters, parameters**2, np.log(outside) / 2])


def fit_scores(data: Data, rows: np.ndarray) -> Data:
    """Fit the scores of shape and appearance to the detections of a mask."""
    shapes, mirrored, histograms, is_face, weights = (
        data[name][rows] for name in ("shape", "mirrored", "histograms", "is_face", "weight")
    )
    both = np.concatenate([shapes, mirrored])
    real = both[np.tile(is_face, 2)]
    mean = real.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov((real - mean).T.astype(np.float64)))
    components = vectors[:, ::-1][:, :COMPONENTS].astype(np.float16).astype(np.float32)
    deviations = np.sqrt(variances[::-1][:COMPONENTS]).astype(np.float32)
    features = shape_features(both, mean, components, deviations)
    factors, bias = fit_logistic(features, np.tile(is_face, 2), np.tile(weights, 2), SHAPE_REGULARITY)
    gradients, gradients_bias = fit_logistic(histograms, is_face, weights, GRADIENT_REGULARITY)
    return {
        "mean": mean,
        "components": components,
        "deviations": deviations,
        "linear": factors[:COMPONENTS],
        "square": factors[COMPONENTS:-1],
        "residual": factors[-1],
        "bias": np.array(bias),
        "gradients": gradients,
        "gradients_bias": np.array(gradients_bias),
    }


def scores_of(model: Data, data: Data, rows: np.ndarray) -> np.ndarray:
    """Return the scores of shape and appearance of the detections of a mask, of shape (n, 2)."""
    features = shape_features(data["shape"][rows], model["mean"], model["components"], model["deviations"])
    factors = np.concatenate([model["linear"], model["square"], [model["residual"]]])
    appearance = data["histograms"][rows] @ model["gradients"] + model["gradients_bias"]
    return np.column_stack([features @ factors + model["bias"], appearance])


def load_detections(faces: list[str], others: list[str], without: set[str]) -> Data:
    """Return the detections of feature files `PATH:WEIGHT`, with `is_face`, `weight`, `file` and `is_odd`."""
    parts: dict[str, list[np.ndarray]] = {}
    for given in [*faces, *others]:
        path, _, weight = given.rpartition(":")
        stored = np.load(path)
        named = zip(stored["image"], stored["number"], strict=True)
        kept = np.array([f"{image} {number}" not in without for image, number in named])
        rows = {name: stored[name][kept] for name in stored.files}
        rows["is_face"] = np.full(kept.sum(), given in faces)
        rows["weight"] = np.full(kept.sum(), float(weight))
        rows["file"] = np.full(kept.sum(), Path(path).stem, dtype="<U32")
        rows["is_odd"] = np.array([is_odd(image) for image in rows["image"]], dtype=bool)
        for name, values in rows.items():
            parts.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def compute_scores(data: Data, model: Data) -> np.ndarray:
    """Return the scores of all detections, none of them by a model that was fitted to the same image."""
    odd = data["is_odd"]
    folds = np.array([fold_of(image) for image in data["image"]])
    scores = np.zeros((len(odd), 2))
    scores[odd] = scores_of(model, data, odd)
    for fold in range(FOLDS):
        unseen = ~odd & (folds == fold)
        scores[unseen] = scores_of(fit_scores(data, ~odd & (folds != fold)), data, unseen)
    return scores


def fit(faces: list[str], others: list[str], leave_out: Path | None, output: Path, lost: float) -> None:
    """Fit the model, write it, and print the shares of detections that it rejects."""
    without = set(leave_out.read_text(encoding="utf-8").splitlines()) if leave_out else set()
    data = load_detections(faces, others, without)
    odd, is_face = data["is_odd"], data["is_face"]
    model = fit_scores(data, ~odd)
    scores = compute_scores(data, model)
    usual = np.quantile(scores[~odd & is_face, 0], UNUSUAL)
    unusual = scores[:, 0] < usual
    rows = unusual & ~odd
    decision = LogisticRegression().fit(scores[rows], is_face[rows], balanced(data["weight"], is_face)[rows])
    sums = scores @ decision.coef_[0]
    threshold = np.sort(sums[rows & is_face])[int(lost * (~odd & is_face).sum())]
    model |= {"usual_shape": usual, "weights": decision.coef_[0], "threshold": threshold}
    kinds = {name: np.float16 if name == "components" else np.float32 for name in model}
    arrays: dict[str, Any] = {name: np.asarray(model[name], kind) for name, kind in kinds.items()}
    np.savez_compressed(output, **arrays)
    rejected = unusual & (sums < threshold)
    shares: dict[str, dict[str, list[int]]] = {}
    for half, is_half in (("fitted", ~odd), ("unseen", odd)):
        for name in dict.fromkeys(data["file"].tolist()):
            chosen = (data["file"] == name) & is_half & (data["copy"] == 0)
            numbers = [int((kind & chosen).sum()) for kind in (rejected, unusual, chosen)]
            shares.setdefault(name, {})[half] = numbers
    print(json.dumps({"name": "face_plausibility", "rejected_examined_and_all": shares}))


def main() -> None:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    detection = steps.add_parser("detect")
    detection.add_argument("folder", type=Path)
    detection.add_argument("output", type=Path)
    detection.add_argument("--turned", action="store_true")
    fitting = steps.add_parser("fit")
    fitting.add_argument("--faces", nargs="+", required=True)
    fitting.add_argument("--others", nargs="+", required=True)
    fitting.add_argument("--leave-out", type=Path)
    fitting.add_argument("--output", type=Path, required=True)
    fitting.add_argument(
        "--lost", type=float, default=0.0005, help="share of real faces that may be rejected"
    )
    options = parser.parse_args()
    if options.step == "detect":
        detect(options.folder, options.output, turned=options.turned)
    else:
        fit(options.faces, options.others, options.leave_out, options.output, options.lost)


if __name__ == "__main__":
    main()
