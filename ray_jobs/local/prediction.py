"""`faceml predict`: predictions of a trained model for images, without Ray."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from faceml.config import ConfigError, PredictConfig
from faceml.errors import catch_errors
from faceml.images import encode_jpeg
from faceml.page import ProgressReport
from faceml.prediction import (
    FacePredictor,
    ImagePrediction,
    InputImage,
    PredictionCounts,
    build_predictor,
    draw_predictions,
    find_images,
    named_columns,
    prediction_schema,
    write_lines,
    write_predictions,
)
from faceml.runs import refuse_run_folder
from faceml.storage import atomic_file, is_uri

logger = logging.getLogger(__name__)

JPEG_QUALITY = 90


def run(config: PredictConfig) -> PredictionCounts:
    """Predict, and write the predictions or print them.

    Raises:
        ConfigError: The model or an image does not exist or cannot be used.
    """
    if config.use_gpu and not torch.cuda.is_available():
        raise ConfigError("use_gpu: true needs a GPU, and PyTorch sees none. Set it to false.")
    output = config.output
    if output.file:
        refuse_run_folder("output.file", output.file.parent)
    if output.drawn:
        refuse_run_folder("output.drawn", output.drawn)
    images = find_images(config.data.paths, config.data.extensions, config.data.follow_links)
    if config.output.drawn:
        refuse_overwriting(images, config.output.drawn)
    predictor = build_predictor(config)
    counts = PredictionCounts(named_columns(prediction_schema(predictor.tasks, predictor.embedding_dim)))
    predictions = _predictions(predictor, images, output.drawn, counts)
    if output.file:
        write_predictions(predictions, output.file, predictor.tasks, predictor.embedding_dim)
    else:
        write_lines(predictions, sys.stdout)
    counts.log_failed()
    return counts


def _predictions(
    predictor: FacePredictor, images: Sequence[InputImage], drawn: Path | None, counts: PredictionCounts
) -> Iterator[ImagePrediction]:
    """Yield the predictions of each image; draw them as well if `drawn` is a folder."""
    with ProgressReport("predict", len(images)) as progress:
        stream = predictor.stream(image.place for image in images)
        for image, prediction in zip(images, stream, strict=True):
            if drawn and prediction.width:
                _draw(prediction, predictor, drawn / image.drawn)
            counts.add(prediction.image, prediction.status, (face.results for face in prediction.faces))
            yield prediction
            progress.advance(1)


def _draw(prediction: ImagePrediction, predictor: FacePredictor, file: Path) -> None:
    """Draw a prediction; a file that cannot be written is logged, and the others go on."""
    pixels = predictor.decode(prediction.image)
    if isinstance(pixels, str):  # deleted in the meantime
        return
    with catch_errors(ConfigError, OSError) as caught, atomic_file(file) as partial:
        partial.write_bytes(encode_jpeg(draw_predictions(pixels, prediction), JPEG_QUALITY))
    if caught.error is not None:
        logger.warning("%s: the drawn copy could not be written: %s", prediction.image, caught.message)


def refuse_overwriting(images: Sequence[InputImage], drawn: Path) -> None:
    """Refuse a folder for drawn copies in which a copy would replace one of the images.

    Raises:
        ConfigError: An image would be replaced; names it.
    """
    local = {os.path.realpath(image.place) for image in images if not is_uri(image.place)}
    for image in images:
        if os.path.realpath(drawn / image.drawn) in local:
            raise ConfigError(
                f"output.drawn: {drawn} holds {image.drawn}, which is among the images and would be replaced "
                "by its drawn copy. Choose another folder."
            )


def show(counts: PredictionCounts, console: Console) -> None:
    """Print the number of faces of each class."""
    for column, names in counts.names.items():
        table = Table(title=f"Faces by {column}", title_justify="left")
        table.add_column(column)
        table.add_column("faces", justify="right")
        for name, count in names.most_common():
            table.add_row(name, f"{count:,}")
        console.print(table)
    counted = ", ".join(f"{count:,} {status}" for status, count in counts.statuses.most_common())
    console.print(f"{counts.statuses.total():,} images: {counted}")


def run_and_show(config: PredictConfig, console: Console) -> None:
    """Predict, and print the counts unless the predictions are printed."""
    if config.output.table:
        from ray_jobs.tables import predictions  # late: it imports Ray

        counts = predictions.run(config)
    else:
        counts = run(config)
    if config.output.table or config.output.file:
        show(counts, console)
