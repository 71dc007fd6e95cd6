"""Aligned faces labelled with their person, for face recognition.

Shape letters: N faces, S side of the image, px.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from faceml.config import ConfigError
from faceml.datasets.face_columns import ImageNames, has_landmarks, person_labels, seen_landmarks
from faceml.datasets.face_dataset import LabelledFaces
from faceml.datasets.image_source import ImageSource
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.table_rows import DECODED, TableRows, as_selection, copies_are_aligned, read_rows
from faceml.datasets.targets import Target
from faceml.images import ARCFACE_TEMPLATE, DecodeFailure, RgbImage, align_face, decode_reduced
from faceml.storage import Places
from faceml.tables import TableSelection, face_names, is_further_face, landmark_column

ALIGNED_BY = 5
"""Number of landmarks of the alignment template."""
POINTS = [landmark_column(ALIGNED_BY)]
"""Column of these landmarks."""
OTHER_FACES = "further faces, whose person no folder names"
IDENTITY = "identity"
"""Task of face recognition."""


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
        cache: Folder of the unpacked copies; the user's cache by default.
        with_undetected: Include images in which no face was found, aligned by the mean landmarks of all
            others, in fractions of width and height.
        follow_links: Read also files outside of `images` that symbolic links lead to.

    Attributes:
        people: Names, sorted; a label is a position among them. A name is the folder, or `source/folder` if
            the table has several sources.
        folders: Folder of each image.
        labels: Person of each face, int64 of shape (N,), the target of the task `identity`.
        undetected: Whether no face was found in an image, bool of shape (N,).

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
        selection, statuses = as_selection(table), DECODED if with_undetected else DECODED[:1]
        found = _without_others(read_rows(selection, ALIGNED_BY, statuses, from_copies=images is None))
        rows = found.rows
        self.people, labels = person_labels(rows)
        source = ImageSource(selection.table, images, rows, cache, follow_links=follow_links)
        identity = Target(torch.from_numpy(labels), torch.ones(len(labels), dtype=torch.bool))
        super().__init__(found, source, preprocessing, {IDENTITY: identity})
        self.labels = identity.values
        self.folders: Sequence[str] = ImageNames(rows["folder"])
        self.undetected = ~has_landmarks(rows)
        points = seen_landmarks(rows, POINTS).astype(np.float64)
        if images is None and copies_are_aligned(selection.table):
            points[:] = np.nan
        if self.undetected.any():
            points[self.undetected] = _average_face(rows, selection.table)  # their copies are whole images
        self._points = points

    def square(self, index: int) -> Tensor:
        """Return the pixels of an aligned face, uint8 of shape (3, S, S).

        Raises:
            StoppedError: The image has changed since extraction; names it.
        """
        image = self.pixels(index)
        points = self._points[index]
        if np.isnan(points).any():  # a copy that is aligned already
            return self.preprocessing.resize(image)
        return self.preprocessing.align(image, points)


def _without_others(found: TableRows) -> TableRows:
    """Leave out the faces of other people than the one whom a folder names."""
    others = pa.array(is_further_face(found.rows))
    names = face_names(found.rows).filter(others).to_pylist()
    left_out = found.left_out | ({OTHER_FACES: names} if names else {})
    return found._replace(rows=found.rows.filter(pc.invert(others)), left_out=left_out)


def _average_face(rows: pa.Table, table: str) -> npt.NDArray[np.float64]:
    """Return the mean landmarks of whole images, float64 of shape (5, 2).

    Raises:
        ConfigError: No image has landmarks.
    """
    whole = rows.select([name for name in rows.column_names if name != "crop_box"])
    detected = has_landmarks(rows)
    if not detected.any():
        raise ConfigError(f"{table}: no image has landmarks. Faces cannot be aligned.")
    mean: npt.NDArray[np.float64] = seen_landmarks(whole, POINTS)[detected].mean(axis=0, dtype=np.float64)
    return mean
