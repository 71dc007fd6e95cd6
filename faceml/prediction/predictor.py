"""Prediction with a trained network on images of any size with any number of faces.

Shape letters: B images of a batch, H and W of an image.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from faceml.config import ConfigError
from faceml.images import Box, DecodedImage, RgbImage, decode_image, decode_reduced
from faceml.landmarks import FaceObservation, HeadPose, LandmarkDetector, SecondLook, select_points
from faceml.prediction.image_content import Image, as_images, image_content, read_file
from faceml.prediction.results import FacePrediction, ImagePrediction
from faceml.tables import Status
from faceml.tasks import Tasks, run_flip_test
from faceml.training import TrainedModel

Item = TypeVar("Item")


class _PreparedFace(NamedTuple):
    """A face crop, resized to uint8 of shape (3, S, S) for the network's input side S."""

    box: Box
    pixels: Tensor
    pose: HeadPose | None


class PreparedImage(NamedTuple):
    """An image and its face crops, ready for the network."""

    name: str
    status: Status
    width: int
    height: int
    faces: list[_PreparedFace]


class FacePredictor:
    """Predict the tasks of a network, head pose and embedding of the faces in images.

    Args:
        trained: The network, its preprocessing and the framing of faces in training.
        detector: Opened face detector; None uses each whole image as one face, framed as in training.
        batch_size: Faces in a batch of the network.
        device: Device of the network.
        second_look: Searches again where the detector finds no face; None does not.
        flip_test: Average the outputs for each face and its mirror image, see `faceml.tasks.flip_test`.

    Attributes:
        decode_s: Seconds spent on decoding so far.
        detect_s: Seconds spent in the detector and the network so far.

    Raises:
        ConfigError: Faces are to be detected, but the model has no framing.
    """

    def __init__(
        self,
        trained: TrainedModel,
        detector: LandmarkDetector | None = None,
        batch_size: int = 32,
        device: torch.device | str = "cpu",
        second_look: SecondLook | None = None,
        *,
        flip_test: bool = False,
    ) -> None:
        if detector is not None and trained.framing is None:
            raise ConfigError(
                "model: was trained by an earlier version of faceml, which did not store the framing of "
                "faces. Train it again, or use each whole image as one face: --set faces.kind=whole"
            )
        self._trained = trained
        self._model = trained.model.to(device)
        self._detector = detector
        self._second_look = second_look
        self._batch_size = batch_size
        self._flip_test = flip_test
        self._device = torch.device(device)
        self.decode_s = self.detect_s = 0.0

    @property
    def tasks(self) -> Tasks:
        """What the network predicts, by name."""
        return self._trained.tasks

    @property
    def embedding_dim(self) -> int:
        """Dimension of the embeddings."""
        return self._trained.model.embedding_dim

    def predict(self, images: Image | Iterable[Image]) -> list[ImagePrediction]:
        """Predict images.

        Args:
            images: One or several images: paths, URIs, encoded bytes, images of Pillow, or pixels as uint8 of
                shape (H, W, 3) in RGB, (H, W, 4) in RGBA or (H, W) in gray.

        Returns:
            One prediction for each image, in order; the status tells if a file cannot be read or decoded.

        Raises:
            ValueError: Something else is given as an image; names its position.
        """
        return list(self.stream(images))

    def stream(self, images: Image | Iterable[Image]) -> Iterator[ImagePrediction]:
        """Yield one prediction for each image, in order, as `predict`; for any number of images."""
        for chunk in _chunks(enumerate(as_images(images)), self._batch_size):
            yield from self.predict_prepared([self._prepare(image, number) for number, image in chunk])

    def detect(self, name: str, content: bytes | RgbImage | Status) -> PreparedImage:
        """Decode an image and detect its faces.

        Args:
            name: Name of the image.
            content: Encoded bytes, uint8 RGB of shape (H, W, 3), or the status of a file without content.
        """
        started_s = time.perf_counter()
        if isinstance(content, np.ndarray):
            decoded: DecodedImage | Status = DecodedImage(content, content.shape[1], content.shape[0])
        elif isinstance(content, bytes):
            # Whole images are decoded as in training, so that the predictions are the same.
            side_px = None if self._detector else self._trained.preprocessing.image_size
            decoded = decode_reduced(content, short_side_px=side_px)
        else:
            decoded = content
        decoded_s = time.perf_counter()
        self.decode_s += decoded_s - started_s
        if isinstance(decoded, str):
            return PreparedImage(name, decoded, 0, 0, [])
        pixels, width, height = decoded.pixels, decoded.width, decoded.height
        if self._detector is None:
            whole = _PreparedFace(Box(0, 0, width, height), self._trained.preprocessing.resize(pixels), None)
            return PreparedImage(name, "ok", width, height, [whole])
        found = self._detector.detect(pixels)
        if not found and self._second_look is not None:
            found = self._second_look.detect(pixels)
        faces = [self._frame(pixels, face) for face in found]
        self.detect_s += time.perf_counter() - decoded_s
        return PreparedImage(name, "ok" if faces else "no_face", width, height, faces)

    def predict_prepared(self, images: Sequence[PreparedImage]) -> list[ImagePrediction]:
        """Pass the faces of prepared images through the network; return predictions in order."""
        started_s = time.perf_counter()
        faces = self._run_network(images)
        self.detect_s += time.perf_counter() - started_s
        return [
            ImagePrediction(
                image.name,
                image.status,
                image.width,
                image.height,
                tuple(next(faces) for _ in image.faces),
            )
            for image in images
        ]

    def _prepare(self, image: Image, index: int) -> PreparedImage:
        name = str(image) if isinstance(image, str | Path) else str(index)
        return self.detect(name, image_content(image, index))

    def decode(self, place: str | Path) -> RgbImage | Status:
        """Read and decode a file; return its pixels or the status of a failure."""
        data = read_file(place)
        return decode_image(data) if isinstance(data, bytes) else data

    def _frame(self, pixels: RgbImage, face: FaceObservation) -> _PreparedFace:
        points = select_points(face.mesh, self._trained.framed_by)
        framing = self._trained.framing
        assert framing is not None  # checked in the constructor
        box = framing.box(points.astype(np.float64) * pixels.shape[1::-1])
        return _PreparedFace(box, self._trained.preprocessing.resize(box.crop(pixels)), face.pose)

    @torch.inference_mode()
    def _run_network(self, images: Sequence[PreparedImage]) -> Iterator[FacePrediction]:
        """Return the predictions of all faces of some images, in order."""
        sizes = [(image.width, image.height) for image in images for _ in image.faces]
        faces = list(chain.from_iterable(image.faces for image in images))
        predictions: list[FacePrediction] = []
        preprocessing = self._trained.preprocessing
        points = {name for task in self.tasks.values() for name in task.points}
        for batch in _chunks(zip(faces, sizes, strict=True), self._batch_size):
            pixels = torch.stack([face.pixels for face, _ in batch])
            crops = preprocessing.normalize(pixels.to(self._device))
            found = run_flip_test(self._model, crops, self.tasks) if self._flip_test else self._model(crops)
            outputs = {
                name: values.float().cpu().numpy()
                for task in self.tasks.values()
                for name, values in task.outputs(found.tasks[task.name]).items()
            }
            embeddings = found.embedding.float().cpu().numpy()
            for row, (face, size) in enumerate(batch):
                values = {
                    name: face.box.place(array[row], *size).astype(np.float32)
                    if name in points
                    else array[row]
                    for name, array in outputs.items()
                }
                box = np.array(face.box.normalize(*size).corners, dtype=np.float32)
                predictions.append(FacePrediction(box, values, embeddings[row], self.tasks, face.pose))
        return iter(predictions)


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk
