"""A trained network at work on images of any size with any number of faces.

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
from faceml.images import Box, DecodedImage, DecodeLimits, RgbImage, crop, decode_image, decode_reduced
from faceml.landmarks import FaceObservation, HeadPose, LandmarkDetector, select_points
from faceml.prediction.results import FacePrediction, ImagePrediction
from faceml.storage import StorageFolder, is_uri, split_place
from faceml.tables import LandmarkSet, Status
from faceml.training import TrainedModel

Image = str | Path | bytes | RgbImage
"""The path or URI of a file, its content, or uint8 RGB of shape (H, W, 3)."""

Item = TypeVar("Item")


class _SeenFace(NamedTuple):
    """A face as the network gets it: uint8 of shape (3, S, S) for the network's side S."""

    box: Box
    square: Tensor
    pose: HeadPose | None


class SeenImage(NamedTuple):
    """An image whose faces are found, before the network has seen them."""

    name: str
    status: Status
    width: int
    height: int
    faces: list[_SeenFace]


class FacePredictor:
    """Say what a network sees in images.

    Args:
        trained: The network, its preprocessing and the framing of its training's faces.
        detector: An opened one that finds the faces; None takes each whole image for one face, framed as in
            training.
        batch_size: Faces that the network sees at once.
        device: Of the network.

    Attributes:
        decode_s: Seconds spent on decoding so far.
        detect_s: Seconds spent in the detector and the network so far.

    Raises:
        ConfigError: Faces are to be found, and the model does not say how they are framed.
    """

    def __init__(
        self,
        trained: TrainedModel,
        detector: LandmarkDetector | None = None,
        batch_size: int = 32,
        device: torch.device | str = "cpu",
    ) -> None:
        if detector is not None and trained.framing is None:
            raise ConfigError(
                "model: was trained by a faceml that did not note how faces lie in their images. Train it "
                "anew, or take each whole image for one face: --set faces.kind=whole"
            )
        self._trained = trained
        self._model = trained.model.to(device)
        self._detector = detector
        self._batch_size = batch_size
        self._device = torch.device(device)
        self.decode_s = self.detect_s = 0.0

    @property
    def landmark_set(self) -> LandmarkSet:
        """The points that it places."""
        return self._trained.landmark_set

    @property
    def embedding_dim(self) -> int:
        """Width of embeddings."""
        return self._trained.model.expression_head.in_features

    def predict(self, images: Iterable[Image]) -> list[ImagePrediction]:
        """Return what is said of each image, in their order.

        Of a file that cannot be read or decoded the status says so.
        """
        return list(self.stream(images))

    def stream(self, images: Iterable[Image]) -> Iterator[ImagePrediction]:
        """Yield what is said of each image, in their order, so that there may be any number."""
        for chunk in _chunks(enumerate(images), self._batch_size):
            yield from self.tell([self._open(image, number) for number, image in chunk])

    def look(self, name: str, content: bytes | RgbImage | Status) -> SeenImage:
        """Decode an image and find its faces.

        Args:
            name: Of the image.
            content: Encoded, or uint8 RGB of shape (H, W, 3), or why there is none.
        """
        started_s = time.perf_counter()
        if isinstance(content, np.ndarray):
            decoded: DecodedImage | Status = DecodedImage(content, content.shape[1], content.shape[0])
        elif isinstance(content, bytes):
            # Whole images are decoded as in training, so that the network says just what it said there.
            side_px = None if self._detector else self._trained.preprocessing.image_size
            decoded = decode_reduced(content, short_side_px=side_px)
        else:
            decoded = content
        decoded_s = time.perf_counter()
        self.decode_s += decoded_s - started_s
        if isinstance(decoded, str):
            return SeenImage(name, decoded, 0, 0, [])
        pixels, width, height = decoded.pixels, decoded.width, decoded.height
        if self._detector is None:
            whole = _SeenFace(Box(0, 0, width, height), self._trained.preprocessing.resize(pixels), None)
            return SeenImage(name, "ok", width, height, [whole])
        found = [self._frame(pixels, face) for face in self._detector.detect(pixels)]
        self.detect_s += time.perf_counter() - decoded_s
        return SeenImage(name, "ok" if found else "no_face", width, height, found)

    def tell(self, seen: Sequence[SeenImage]) -> list[ImagePrediction]:
        """Return what the network says of images that were looked at, in their order."""
        started_s = time.perf_counter()
        said = self._ask(seen)
        self.detect_s += time.perf_counter() - started_s
        return [
            ImagePrediction(
                image.name,
                image.status,
                image.width,
                image.height,
                tuple(next(said) for _ in image.faces),
            )
            for image in seen
        ]

    def _open(self, image: Image, number: int) -> SeenImage:
        """Look at an image in whatever form it is given."""
        name = str(image) if isinstance(image, str | Path) else str(number)
        return self.look(name, image if isinstance(image, np.ndarray) else _content(image))

    def decode(self, image: str | Path | bytes) -> RgbImage | Status:
        """Read and decode an image as it is before faces are looked for, or say why there is none."""
        data = _content(image)
        return decode_image(data) if isinstance(data, bytes) else data

    def _frame(self, pixels: RgbImage, face: FaceObservation) -> _SeenFace:
        points = select_points(face.mesh, self._trained.landmark_set)
        framing = self._trained.framing
        assert framing is not None  # refused at the start
        box = framing.box(points.astype(np.float64) * pixels.shape[1::-1])
        square = self._trained.preprocessing.resize(crop(pixels, *box))
        return _SeenFace(box, square, face.pose)

    @torch.inference_mode()
    def _ask(self, seen: Sequence[SeenImage]) -> Iterator[FacePrediction]:
        """Show the network all faces of some images, and return what it says of them in their order."""
        sizes = [(image.width, image.height) for image in seen for _ in image.faces]
        faces = list(chain.from_iterable(image.faces for image in seen))
        said: list[FacePrediction] = []
        preprocessing = self._trained.preprocessing
        for batch in _chunks(zip(faces, sizes, strict=True), self._batch_size):
            squares = torch.stack([face.square for face, _ in batch])
            outputs = self._model(preprocessing.normalize(squares.to(self._device)))
            parts = (outputs.logits.float().softmax(dim=1), outputs.landmarks, outputs.embedding)
            arrays = [values.float().cpu().numpy() for values in parts]
            for (face, size), probabilities, points, embedding in zip(batch, *arrays, strict=True):
                corners = face.box.place(np.array([[0.0, 0.0], [1.0, 1.0]]), *size).ravel()
                placed = face.box.place(points, *size).astype(np.float32)
                box = corners.astype(np.float32)
                said.append(FacePrediction(box, probabilities, placed, embedding, face.pose))
        return iter(said)


def _content(image: str | Path | bytes) -> bytes | Status:
    if isinstance(image, bytes):
        return image
    folder, name = split_place(image if is_uri(image) else Path(image).absolute())
    return StorageFolder(folder).read(name, DecodeLimits().max_bytes, follow_links=True)


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk
