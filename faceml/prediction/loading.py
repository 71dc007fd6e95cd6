"""Opening a trained model for prediction."""

import weakref
from pathlib import Path

import torch

from faceml.config import ConfigError, DetectedFaces, PredictConfig
from faceml.landmarks import MediaPipeDetector, TiledDetector, find_model_bundle
from faceml.prediction.predictor import FacePredictor
from faceml.runs import BEST_MODEL_FILE
from faceml.storage import is_tensor_file, place_below
from faceml.training import load_trained_model


def load(
    model: str | Path,
    *,
    finds_faces: bool = True,
    max_faces: int = 10,
    min_detection_confidence: float = 0.5,
    zoom_levels: int = 2,
    landmarker: Path | None = None,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
) -> FacePredictor:
    """Open a trained network for use.

    Args:
        model: Run folder of `faceml train`, or its `best_model.pt`; a path or URI.
        finds_faces: Look for faces, and show each to the network as it saw faces in training; otherwise each
            image is taken for one face, whole.
        max_faces: Most faces looked for in an image.
        min_detection_confidence: Score from 0 to 1 below which there is no face.
        zoom_levels: 1 looks at each image as a whole; each one more also at its parts, for smaller faces.
        landmarker: MediaPipe's `face_landmarker.task`; by default it is looked for.
        batch_size: Faces that the network sees at once.
        device: Of the network.

    Raises:
        ConfigError: There is no such model, or it cannot be used; says why.
    """
    trained = load_trained_model(model_file(model))
    if not finds_faces:
        return FacePredictor(trained, None, batch_size, device)
    single = MediaPipeDetector(find_model_bundle(landmarker), max_faces, min_detection_confidence)
    detector = TiledDetector(single, zoom_levels, max_faces)
    predictor = FacePredictor(trained, detector, batch_size, device)
    detector.__enter__()
    # Given back with the predictor, or at the interpreter's end.
    weakref.finalize(predictor, detector.__exit__, None, None, None)
    return predictor


def model_file(model: str | Path) -> str:
    """Return the place of a model, given its own or that of its run folder.

    Raises:
        ConfigError: There is none.
    """
    place = str(model)
    file = place if place.endswith(MODEL_SUFFIX) else place_below(place, BEST_MODEL_FILE)
    if not is_tensor_file(file):
        raise ConfigError(
            f"model: there is no {file}. Name the run folder of a `faceml train` that has ended."
        )
    return file


MODEL_SUFFIX = ".pt"


def build_predictor(config: PredictConfig) -> FacePredictor:
    """Open the model.

    Raises:
        ConfigError: It cannot be used.
    """
    faces, device = config.faces, "cuda" if config.use_gpu else "cpu"
    if not isinstance(faces, DetectedFaces):
        return load(config.model, finds_faces=False, batch_size=config.batch_size, device=device)
    return load(
        config.model,
        max_faces=faces.max_faces,
        min_detection_confidence=faces.min_detection_confidence,
        zoom_levels=faces.zoom_levels,
        landmarker=faces.model_path,
        batch_size=config.batch_size,
        device=device,
    )
