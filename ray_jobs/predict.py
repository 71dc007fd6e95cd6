"""`faceml predict`: what a trained model says of images. Needs no Ray."""

import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from faceml.atomic import AtomicPath
from faceml.config.config_error import ConfigError
from faceml.config.predict import DetectedFaces, PredictConfig
from faceml.datasets.labels import EXPRESSIONS
from faceml.images import encode_jpeg
from faceml.prediction.drawing import draw_predictions
from faceml.prediction.found_images import FoundImage, find_images
from faceml.prediction.prediction_files import write_lines, write_predictions
from faceml.prediction.predictor import FacePredictor, load_predictor
from faceml.prediction.results import ImagePrediction
from faceml.reporting.progress import ProgressReport

logger = logging.getLogger(__name__)

JPEG_QUALITY = 90
MOST_NAMED = 5
SEEN = ("ok", "no_face")
"""Statuses of images that were looked at."""


class Tally:
    """Count what was said, for people to see at the end."""

    def __init__(self) -> None:
        self.statuses = Counter[str]()
        self.expressions = Counter[str]()
        self._unseen: list[str] = []

    def add(self, image: str, status: str, expressions: Iterable[str]) -> None:
        """Count an image and its faces."""
        self.statuses[status] += 1
        self.expressions.update(expressions)
        if status not in SEEN and len(self._unseen) < MOST_NAMED:
            self._unseen.append(f"{image} ({status})")

    def log_unseen(self) -> None:
        """Name images that could not be read, decoded or looked at."""
        count = sum(n for status, n in self.statuses.items() if status not in SEEN)
        if count:
            more = ", …" if count > len(self._unseen) else ""
            logger.warning("%d images have no prediction: %s%s", count, ", ".join(self._unseen), more)


def run(config: PredictConfig) -> Tally:
    """Predict, and write the predictions or print them.

    Raises:
        ConfigError: The model or an image is not there, or cannot be used.
    """
    if config.use_gpu and not torch.cuda.is_available():
        raise ConfigError("use_gpu: true needs a GPU, and PyTorch sees none. Set it to false.")
    images = find_images(config.data.paths, config.data.extensions)
    predictor = open_predictor(config)
    tally, output = Tally(), config.output
    predictions = _predictions(predictor, images, output.drawn, tally)
    if output.file:
        write_predictions(predictions, output.file, len(predictor.landmark_set), predictor.embedding_dim)
    else:
        write_lines(predictions, sys.stdout)
    tally.log_unseen()
    return tally


def open_predictor(config: PredictConfig) -> FacePredictor:
    """Open the model.

    Raises:
        ConfigError: It cannot be used.
    """
    faces, device = config.faces, "cuda" if config.use_gpu else "cpu"
    if not isinstance(faces, DetectedFaces):
        return load_predictor(config.model, finds_faces=False, batch_size=config.batch_size, device=device)
    return load_predictor(
        config.model,
        max_faces=faces.max_faces,
        min_detection_confidence=faces.min_detection_confidence,
        zoom_levels=faces.zoom_levels,
        landmarker=faces.model_path,
        batch_size=config.batch_size,
        device=device,
    )


def _predictions(
    predictor: FacePredictor, images: Sequence[FoundImage], drawn: Path | None, tally: Tally
) -> Iterator[ImagePrediction]:
    """Yield what is said of each image, drawn too if there is a folder for that."""
    with ProgressReport("predict", len(images)) as progress:
        stream = predictor.stream(image.place for image in images)
        for image, prediction in zip(images, stream, strict=True):
            if drawn and prediction.width:
                _draw(prediction, predictor, drawn / image.name)
            tally.add(prediction.image, prediction.status, (face.expression for face in prediction.faces))
            yield prediction
            progress.advance(1)


def _draw(prediction: ImagePrediction, predictor: FacePredictor, file: Path) -> None:
    pixels = predictor.decode(prediction.image)
    if isinstance(pixels, str):  # gone since
        return
    if file.suffix.lower() not in (".jpg", ".jpeg"):
        file = file.with_name(f"{file.name}.jpg")
    with AtomicPath(file) as partial:
        partial.write_bytes(encode_jpeg(draw_predictions(pixels, prediction), JPEG_QUALITY))


def show(tally: Tally, console: Console) -> None:
    """Print how often each expression was seen."""
    table = Table(title="Faces by expression", title_justify="left")
    table.add_column("expression")
    table.add_column("faces", justify="right")
    for name in EXPRESSIONS:
        table.add_row(name, f"{tally.expressions[name]:,}")
    console.print(table)
    counted = ", ".join(f"{count:,} {status}" for status, count in tally.statuses.most_common())
    console.print(f"{tally.statuses.total():,} images: {counted}")


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("predict")
