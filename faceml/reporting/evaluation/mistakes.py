"""Images on which a network errs most."""

from collections.abc import Sequence

import numpy as np

from faceml.datasets import FaceDataset
from faceml.page import Tile
from faceml.tasks import TaskEvaluation


def mistake_tiles(evaluation: TaskEvaluation, faces: FaceDataset, most: int) -> Sequence[Tile]:
    """Return the images on which the network errs most in a task, the worst first.

    Args:
        evaluation: Evaluation of the task.
        faces: The images.
        most: Maximum number of tiles.

    Raises:
        StoppedError: A file has changed since its extraction; names the file.
    """
    return [
        Tile(np.ascontiguousarray(faces.square(mistake.row).permute(1, 2, 0).numpy()), mistake.caption)
        for mistake in evaluation.mistakes(most)
    ]
