"""Loading of a trained model for prediction."""

import weakref
from pathlib import Path

import torch

from faceml.config import ConfigError, DetectedFaces, Engine, PredictConfig, parse_config
from faceml.landmarks import DetectorOptions, SecondLook, build_face_detection
from faceml.prediction.predictor import FacePredictor
from faceml.runs import BEST_MODEL_FILE
from faceml.storage import is_tensor_file, place_below, split_place
from faceml.training import load_trained_model

MODEL_SUFFIX = ".pt"


def load(
    model: str | Path,
    *,
    finds_faces: bool = True,
    max_faces: int = 10,
    min_detection_confidence: float = 0.5,
    zoom_levels: int = 2,
    second_look: bool = True,
    confirm: bool = True,
    engine: Engine = "mediapipe",
    landmarker: str | Path | None = None,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    flip_test: bool = False,
) -> FacePredictor:
    """Load a trained network for prediction.

    Args:
        model: Run folder of `faceml train`, or its `best_model.pt`; a path or URI.
        finds_faces: Detect faces and crop each as in training; otherwise each whole image is used as one
            face.
        max_faces: Most faces detected in an image; 0 detects all.
        min_detection_confidence: Score from 0 to 1 below which a face is not reported.
        zoom_levels: 1 detects in the whole image; each further level also in its parts, for smaller faces.
        second_look: Search again, with a margin around the image and in its parts, where no face is found.
        confirm: Reject detected faces whose mesh and appearance are not those of a face.
        engine: Program that runs the face detector's networks; `litert` takes less time than `mediapipe`.
        landmarker: MediaPipe's `face_landmarker.task`; by default it is searched for.
        batch_size: Faces in a batch of the network.
        device: Device of the network.
        flip_test: Average the outputs for each face and its mirror image.

    Raises:
        ConfigError: The model does not exist or cannot be used, or an argument is out of its range.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size: {batch_size}: must be at least 1.")
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device: {device}: PyTorch sees no GPU. Use device='cpu'.")
    faces = {
        "kind": "detected",
        "engine": engine,
        "max_faces": max_faces,
        "min_detection_confidence": min_detection_confidence,
        "zoom_levels": zoom_levels,
        "second_look": second_look,
        "confirm": confirm,
        "model_path": None if landmarker is None else str(landmarker),
    }
    options = build_face_detection(parse_config(DetectedFaces, faces)) if finds_faces else None
    return open_predictor(model, options, batch_size, device, flip_test)


def open_predictor(
    model: str | Path,
    detector: DetectorOptions | None,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    flip_test: bool = False,
) -> FacePredictor:
    """Load a trained network and open its face detector.

    Args:
        model: Run folder of `faceml train`, or its `best_model.pt`; a path or URI.
        detector: Options of the face detector; None uses each whole image as one face.
        batch_size: Faces in a batch of the network.
        device: Device of the network.
        flip_test: Average the outputs for each face and its mirror image.

    Raises:
        ConfigError: The model does not exist or cannot be used.
    """
    trained = load_trained_model(model_file(model))
    if detector is None:
        return FacePredictor(trained, None, batch_size, device, flip_test=flip_test)
    tiled = detector.create_detector()
    second_look = SecondLook(tiled) if detector.second_look else None
    predictor = FacePredictor(trained, tiled, batch_size, device, second_look, flip_test=flip_test)
    tiled.__enter__()
    # Released with the predictor, or at the exit of the interpreter.
    weakref.finalize(predictor, tiled.__exit__, None, None, None)
    return predictor


def model_file(model: str | Path, setting: str = "model") -> str:
    """Return the location of a model's file, given the file or its run folder.

    Args:
        model: The file or the run folder, a path or URI.
        setting: Setting that names it, for the error.

    Raises:
        ConfigError: The file does not exist.
    """
    place = str(model)
    if is_tensor_file(place):
        return place
    file = place if split_place(place)[1].endswith(MODEL_SUFFIX) else place_below(place, BEST_MODEL_FILE)
    if not is_tensor_file(file):
        raise ConfigError(f"{setting}: there is no {file}. Give the run folder of a completed training.")
    return file


def build_predictor(config: PredictConfig) -> FacePredictor:
    """Build the predictor of a configuration.

    Raises:
        ConfigError: The model cannot be used.
    """
    device = "cuda" if config.use_gpu else "cpu"
    detector = build_face_detection(config.faces)
    return open_predictor(config.model, detector, config.batch_size, device, config.flip_test)
