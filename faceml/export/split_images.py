"""Images of a split, as input of an exported graph and as input of the training.

Shape letters: H and W sides of an image, S side of the network's square, px.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from faceml.config import ConfigError, SplitConfig
from faceml.datasets import (
    AlignedPreprocessing,
    FaceDataset,
    PersonDataset,
    Preprocessing,
    TargetReader,
)
from faceml.export.graph import Images
from faceml.images import DecodeFailure, RgbImage, decode_image
from faceml.tables import LandmarkSet, build_selection


@dataclass(frozen=True)
class WholeDecoding(Preprocessing):
    """Preprocessing that decodes every image at its full size, as other decoders do."""

    def decode(self, data: bytes, shown: float = 1.0) -> RgbImage | DecodeFailure:
        """Decode a file's bytes to uint8 of shape (H, W, 3), or return why that failed."""
        return decode_image(data)


class SplitImages:
    """Read images by their index in a split.

    Args:
        faces: Dataset of the split.

    Attributes:
        faces: The same.
    """

    def __init__(self, faces: FaceDataset | PersonDataset) -> None:
        self.faces = faces
        self._whole = WholeDecoding(faces.preprocessing.image_size)

    def __len__(self) -> int:
        return len(self.faces)

    def decoded(self, index: int) -> Images:
        """Return the input of the exported graph, uint8 of shape (1, H, W, 3).

        The aligned face for recognition, else the image at its full size, or the face's part of it.

        Raises:
            StoppedError: The file has changed since its extraction; names the file.
        """
        if isinstance(self.faces, PersonDataset):
            return self.square(index).permute(1, 2, 0).contiguous().numpy()[None]
        return self.faces.pixels(index, self._whole)[None]

    def square(self, index: int) -> Tensor:
        """Return the input of the training before normalisation, uint8 of shape (3, S, S).

        Raises:
            StoppedError: The file has changed since its extraction; names the file.
        """
        return self.faces.square(index)


def open_split(
    config: SplitConfig,
    preprocessing: Preprocessing,
    landmark_set: LandmarkSet,
    tasks: Sequence[TargetReader] = (),
) -> SplitImages:
    """Open a split for a model.

    Args:
        config: Table, images and labels.
        preprocessing: Preprocessing of the model; decides whether faces are aligned.
        landmark_set: The points by which faces are located in images.
        tasks: Tasks whose targets are read.

    Raises:
        ConfigError: The table or its images cannot be used, or it has no usable image.
    """
    selection, links = build_selection(config), config.follow_links
    faces = (
        PersonDataset(selection, config.images, preprocessing, follow_links=links)
        if isinstance(preprocessing, AlignedPreprocessing)
        else FaceDataset(
            selection, config.images, len(landmark_set), preprocessing, tasks, follow_links=links
        )
    )
    if not len(faces):
        raise ConfigError(f"data.table: {config.table} has no usable image.")
    faces.log_left_out()
    faces.source.prepare()
    return SplitImages(faces)
