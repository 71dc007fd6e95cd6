"""Aligned faces labelled with their person, for face recognition.

Shape letters: N faces, S side of the image, px.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from faceml.datasets.labelled_faces import LabelledFaces
from faceml.datasets.opened_rows import open_rows
from faceml.datasets.person_rows import AVERAGE, FOLDERS, IDENTITY, PEOPLE, POINTS, UNDETECTED, PersonRows
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.table_rows import as_selection, embed_settings
from faceml.images import ARCFACE_TEMPLATE, DecodeFailure, RgbImage, align_face, decode_reduced
from faceml.storage import MappedText, Places
from faceml.tables import TableSelection


@dataclass(frozen=True)
class AlignedPreprocessing(Preprocessing):
    """Align five landmarks to ArcFace's template, then normalise RGB as in pretraining.

    Images are decoded at full size, since the face may be a small part of them.
    """

    def decode(self, data: bytes, shown: float = 1.0) -> RgbImage | DecodeFailure:
        """Decode an encoded image to uint8 of shape (H, W, 3), or return the reason for failure."""
        decoded = decode_reduced(data, trusted=True)
        return decoded if isinstance(decoded, str) else decoded.pixels

    def align(self, image: RgbImage, points: npt.NDArray[np.float64]) -> Tensor:
        """Return the pixels of an aligned face, uint8 of shape (3, S, S).

        Args:
            image: uint8 of shape (H, W, 3).
            points: Landmarks of shape (5, 2), fractions of width and height.
        """
        aligned = align_face(image, points, self.image_size)
        return torch.from_numpy(np.ascontiguousarray(aligned.transpose(2, 0, 1)))

    def fingerprint(self) -> dict[str, Any]:
        """Return the preprocessing as plain values, for a checkpoint."""
        moved = {"resize": "similarity_to_template", "template": ARCFACE_TEMPLATE.tolist()}
        decoded = {"jpeg_decode": "full", "interpolation": "bilinear_after_halving"}
        return super().fingerprint() | moved | decoded


class PersonDataset(LabelledFaces):
    """Aligned faces, labelled with the person whom their folder names.

    Images in which no face was found do not belong to it, or are aligned like the average face. Of a table
    with one row per face, only face 0 of each image belongs to it: the folder names no other person.

    Args:
        table: Landmark table with a folder for each person, a path or URI, or a selection of its rows.
        images: The folder that was extracted, a path or URI, or the folders by the names of their sources;
            None reads the table's column `image_jpeg`, whose copies may be aligned already.
        preprocessing: Aligns the faces.
        cache: Folder of the unpacked copies, and of the rows of large tables; the user's cache by default.
        with_undetected: Include images in which no face was found, aligned by the mean landmarks of all
            others, in fractions of width and height.
        follow_links: Read also files outside of `images` that symbolic links lead to.

    Attributes:
        people: Names, sorted; a label is a position among them. A name is the folder, or `source/folder` if
            the table has several sources.
        folders: Folder of each image.
        copies: Settings that the table's copies were made with; None if the images are files.

    Raises:
        ConfigError: There is no usable table, images are missing, or no image at all has landmarks.
    """

    preprocessing: AlignedPreprocessing

    def __init__(
        self,
        table: str | Path | TableSelection,
        images: Places | None,
        preprocessing: AlignedPreprocessing,
        cache: Path | None = None,
        *,
        with_undetected: bool = False,
        follow_links: bool = False,
    ) -> None:
        selection = as_selection(table)
        rows = open_rows(PersonRows(selection, images is None, with_undetected), cache)
        super().__init__(rows, selection, images, preprocessing, cache, follow_links=follow_links)
        self.people: list[str] = rows.facts[PEOPLE]
        self.folders: Sequence[str] = MappedText(rows, FOLDERS)
        self.copies = embed_settings(selection.table) if images is None else None
        self._average = np.array(rows.facts[AVERAGE], dtype=np.float64)

    @cached_property
    def labels(self) -> Tensor:
        """Person of each face, int64 of shape (N,), the target of the task `identity`."""
        return self.targets[IDENTITY].values

    @property
    def undetected(self) -> npt.NDArray[np.bool_]:
        """Whether no face was found in an image, bool of shape (N,)."""
        return self._rows.numbers(UNDETECTED)

    def square(self, index: int) -> Tensor:
        """Return the pixels of an aligned face, uint8 of shape (3, S, S).

        Raises:
            StoppedError: The image has changed since extraction; names it.
        """
        image = self.pixels(index)
        points = self._rows.numbers(POINTS)[index].astype(np.float64)
        if self.undetected[index]:
            points = self._average  # its copy is the whole image
        elif self.copies and self.copies.get("align"):
            return self.preprocessing.resize(image)
        return self.preprocessing.align(image, points)
