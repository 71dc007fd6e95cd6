"""The images of a split twice: as whoever uses an export sees them, and as training saw them.

Shape letters: H and W sides of an image, S side of the network's square, px.
"""

from dataclasses import dataclass

from torch import Tensor

from faceml.config import ConfigError, SplitConfig
from faceml.datasets import AlignedPreprocessing, FaceDataset, PersonDataset, Preprocessing
from faceml.export.agreement import Images
from faceml.images import DecodeFailure, RgbImage, decode_image
from faceml.tables import LandmarkSet


@dataclass(frozen=True)
class WholeDecoding(Preprocessing):
    """Decode every image at its full size, as other decoders do."""

    def decode(self, data: bytes) -> RgbImage | DecodeFailure:
        """Decode a file's bytes to uint8 of shape (H, W, 3), or say why there is no image."""
        return decode_image(data)


class SplitImages:
    """Read images by their place in a split.

    Args:
        faces: The split.

    Attributes:
        faces: The same.
    """

    def __init__(self, faces: FaceDataset | PersonDataset) -> None:
        self.faces = faces
        self._whole = WholeDecoding(faces.preprocessing.image_size)

    def __len__(self) -> int:
        return len(self.faces)

    def decoded(self, index: int) -> Images:
        """Return what the exported graph gets, uint8 of shape (1, H, W, 3).

        The whole image at its full size; of people the aligned face.

        Raises:
            StoppedError: The file is no longer what was extracted; names it.
        """
        if isinstance(self.faces, PersonDataset):
            return self.square(index).permute(1, 2, 0).contiguous().numpy()[None]
        faces = self.faces
        return self._whole.pixels(faces.source.read(index), faces.image_ids[index], faces.table)[None]

    def square(self, index: int) -> Tensor:
        """Return what training made of it, uint8 of shape (3, S, S).

        Raises:
            StoppedError: The file is no longer what was extracted; names it.
        """
        return self.faces.square(index)


def open_split(config: SplitConfig, preprocessing: Preprocessing, landmark_set: LandmarkSet) -> SplitImages:
    """Open a split for a model.

    Args:
        config: Table and images.
        preprocessing: Of the model; says whether faces are aligned.
        landmark_set: Of the model.

    Raises:
        ConfigError: The table or its images cannot be used, or it has no image.
    """
    faces = (
        PersonDataset(config.table, config.images, preprocessing)
        if isinstance(preprocessing, AlignedPreprocessing)
        else FaceDataset(config.table, config.images, len(landmark_set), preprocessing)
    )
    if not len(faces):
        raise ConfigError(f"data.table: {config.table} has no image that could be used.")
    faces.log_left_out()
    faces.source.prepare()
    return SplitImages(faces)
