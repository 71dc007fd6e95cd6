"""Prediction of the landmarks of annotated faces."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from faceml.annotations import AnnotatedFaces, LocatedFaces
from faceml.config import ConfigError
from faceml.prediction.predictor import FacePredictor
from faceml.prediction.results import FacePrediction, ImagePrediction
from faceml.storage import place_below
from faceml.tables import LANDMARK_SETS, LandmarkSet, convert_landmarks

Point = npt.NDArray[np.float64]


def predict_annotated_faces(
    predictor: FacePredictor,
    faces: AnnotatedFaces,
    images: str,
    on_image: Callable[[int], None] = lambda _: None,
) -> LocatedFaces:
    """Predict landmarks with a network; of several faces in an image, the nearest to the annotated one.

    Args:
        predictor: The network with its face detector.
        faces: N annotated faces.
        images: Folder of their images.
        on_image: Called with 1 after each image.

    Raises:
        ConfigError: The network predicts no landmarks that can be compared.
    """
    task, given = _landmark_task(predictor)
    names = list(dict.fromkeys(faces.images))
    stream = predictor.stream(place_below(images, *name.split("/")) for name in names)
    predictions = dict[str, ImagePrediction]()
    for name, prediction in zip(names, stream, strict=True):
        predictions[name] = prediction
        on_image(1)
    shown = [predictions[name] for name in faces.images]
    sizes = np.array([(image.width or np.nan, image.height or np.nan) for image in shown], dtype=np.float64)
    found = [
        _nearest(image.faces, task, np.array(box.center), size)
        for image, box, size in zip(shown, faces.boxes, sizes, strict=True)
    ]
    missing = np.full((len(given), 2), np.nan)
    points = np.array([face.outputs[task] if face else missing for face in found], dtype=np.float64)
    return LocatedFaces(
        landmarks=convert_landmarks(points.reshape(-1, len(given), 2), given),
        sizes_px=sizes,
        yaw_deg=np.array([face.pose.yaw_deg if face and face.pose else np.nan for face in found]),
        statuses=tuple(image.status for image in shown),
    )


def _nearest(
    faces: Sequence[FacePrediction], task: str, center_px: Point, size_px: Point
) -> FacePrediction | None:
    """Return the face whose landmarks have the nearest mean, None without faces."""
    distances = [np.linalg.norm(face.outputs[task].mean(axis=0) * size_px - center_px) for face in faces]
    return faces[int(np.argmin(distances))] if faces else None


def _landmark_task(predictor: FacePredictor) -> tuple[str, LandmarkSet]:
    """Return the name and the landmarks of the first task whose landmarks can be compared."""
    for name, task in predictor.tasks.items():
        if task.landmark_set is not None and convert_landmarks(
            np.zeros((0, len(task.landmark_set), 2)), task.landmark_set
        ):
            return name, task.landmark_set
    sets = " or ".join(map(str, LANDMARK_SETS))
    raise ConfigError(f"model: predicts none of the landmark sets of {sets} points, which annotations have.")
