"""Data sets of faces with the targets of any tasks.

Shape letters: N faces.
"""

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from faceml.config import FOLDER, ConfigError
from faceml.datasets.face_rows import DETECTED, FRAMING, FURTHER, LABEL_COUNTS, LEARNED, FaceRows
from faceml.datasets.labelled_faces import LabelledFaces, named_count
from faceml.datasets.opened_rows import open_rows
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.table_rows import as_selection, copies_are_aligned
from faceml.datasets.targets import TargetReader
from faceml.images import Framing
from faceml.storage import Places
from faceml.tables import LabelCounts, TableSelection

logger = logging.getLogger(__name__)


class FaceDataset(LabelledFaces):
    """Faces with the targets of any tasks.

    Every decoded image belongs to it, except those that a task excludes. Images in which no face was found
    have no target in tasks of landmarks or head pose.

    Of a table with one row per face, every face belongs to it, cut out of its image with the margin of
    cropped copies. The folder of an image is a label of its face 0; further faces have no target of it.

    Args:
        table: Landmark table, a path or URI, or a selection of its rows with their label table.
        images: The folder that was extracted, a path or URI, or the folders by the names of their sources;
            None reads the table's column `image_jpeg`.
        num_landmarks: 5 or 10, the points by which the location of faces is known.
        preprocessing: Turns an encoded image into a square of pixels.
        tasks: What is learned from the faces.
        is_training: True for the training split, from which tasks take the classes that they find.
        cache: Folder of the unpacked copies, and of the rows of large tables; the user's cache by default.
        follow_links: Read also files outside of `images` that symbolic links lead to.

    Attributes:
        label_counts: Differences between the images and the label table; None without one.

    Raises:
        ConfigError: There is no usable table, a value cannot be a target, or images are missing.
    """

    def __init__(
        self,
        table: str | Path | TableSelection,
        images: Places | None,
        num_landmarks: int,
        preprocessing: Preprocessing,
        tasks: Sequence[TargetReader] = (),
        cache: Path | None = None,
        *,
        is_training: bool = False,
        follow_links: bool = False,
    ) -> None:
        selection = as_selection(table)
        if images is None and copies_are_aligned(selection.table):
            # Landmarks refer to the whole image, not to an aligned copy.
            raise ConfigError(
                f"{selection.table}: its copies are aligned faces (output.embed.align), for face "
                "recognition only. Name the folder that was extracted, or extract without output.embed.align."
            )
        request = FaceRows(selection, num_landmarks, tasks, images is None, is_training)
        rows = open_rows(request, cache)
        for task in tasks if is_training else ():
            task.restore(rows.facts[LEARNED][task.name])
        super().__init__(rows, selection, images, preprocessing, cache, follow_links=follow_links)
        self._has_folder_labels = any(FOLDER in task.columns for task in tasks)
        counts = rows.facts[LABEL_COUNTS]
        self.label_counts = counts and LabelCounts(
            **{name: named_count(each) for name, each in counts.items()}
        )

    @cached_property
    def has_landmarks(self) -> npt.NDArray[np.bool_]:
        """Whether a face was found in an image, bool of shape (N,)."""
        return self._rows.numbers(DETECTED)

    def log_left_out(self) -> None:
        """Log the names of the images that do not belong to the data set, or have no labels."""
        super().log_left_out()
        further = named_count(self._rows.facts[FURTHER])
        if further.number and self._has_folder_labels:
            logger.warning(
                "%d faces of images in %s have no label, because the folder is the label of face 0 only. To "
                "label the others, use a label table with a column 'face'. %s",
                further.number,
                self.table,
                further,
            )
        if self.selection.labels is not None and self.label_counts is not None:
            self.label_counts.log(str(self.selection.labels))

    def framing(self) -> Framing | None:
        """Return the location of faces in their images; None if there are no landmarks."""
        found = self._rows.facts[FRAMING]
        return None if found is None else Framing.from_plain(found)
