"""Faces with their person, aligned, joined from a landmark table and its images.

Shape letters: N faces, S side of the image, px.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.preprocessing import Preprocessing
from faceml.images import ARCFACE_TEMPLATE, DecodeFailure, RgbImage, align_face, decode_image

ALIGNED_BY = 5
"""Landmarks that the template has."""


@dataclass(frozen=True)
class AlignedPreprocessing(Preprocessing):
    """Move five landmarks onto ArcFace's template, then normalise RGB as pretraining does.

    The image is decoded at its full size: how small a part of it the face is, is known by its landmarks only.
    """

    def decode(self, data: bytes) -> RgbImage | DecodeFailure:
        """Decode a file's bytes to uint8 of shape (H, W, 3), or say why there is no image."""
        return decode_image(data)

    def fingerprint(self) -> dict[str, Any]:
        """Return all of it as plain values, for a checkpoint."""
        moved = {"resize": "similarity_to_template", "template": ARCFACE_TEMPLATE.tolist()}
        decoded = {"jpeg_decode": "full", "interpolation": "bilinear_after_halving"}
        return super().fingerprint() | moved | decoded


class PersonDataset(FaceDataset):
    """Faces in the order of their `image_id`, the folder being the person.

    Images in which no face was found cannot be aligned and are left out. A sample's label is the place of
    its person in `people`; its landmarks are used up by the alignment, and it has none.

    Args:
        table: Landmark table with a folder for each person, a path or URI.
        images: The folder that was extracted, a path or URI; None reads the table's column `image_jpeg`,
            whose copies may be aligned already.
        preprocessing: Says how large the aligned square is.
        cache: Where copies are laid out for reading; the user's cache by default.

    Attributes:
        people: Names, sorted.

    Raises:
        ConfigError: No usable table, or no copies of the images.
    """

    taken = ("ok",)
    takes_aligned_copies = True

    def __init__(
        self,
        table: str | Path,
        images: str | Path | None,
        preprocessing: AlignedPreprocessing,
        cache: Path | None = None,
    ) -> None:
        self.people: list[str] = []
        super().__init__(table, images, ALIGNED_BY, preprocessing, cache)
        self._points = self.landmarks.double().numpy()
        self.landmarks = torch.zeros_like(self.landmarks)
        self.has_landmarks = torch.zeros_like(self.has_landmarks)

    def labels_of(self, rows: pa.Table, table: str) -> npt.NDArray[np.int64]:
        """Return the place of each row's folder among all, int64 of shape (N,)."""
        folders = rows["folder"].combine_chunks()
        self.people = sorted(pc.unique(folders).to_pylist())
        places: npt.NDArray[np.int64] = pc.index_in(folders, pa.array(self.people, pa.string())).to_numpy()
        return places.astype(np.int64)

    def square(self, index: int) -> Tensor:
        """Return the pixels of an aligned face, uint8 of shape (3, S, S).

        Raises:
            StoppedError: The file is no longer what was extracted; names it.
        """
        image = self.preprocessing.pixels(self.read(index), self.image_ids[index], self.table)
        if self.from_aligned_copies:
            return self.preprocessing.resize(image)
        aligned = align_face(image, self._points[index], self.preprocessing.image_size)
        return torch.from_numpy(np.ascontiguousarray(aligned.transpose(2, 0, 1)))
