"""What a process needs to know to make rows of predictions; importing no more than that needs."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faceml.config import ConfigError
from faceml.storage import StorageFolder, split_place
from faceml.tables import RowMaker

MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class PredictionSettings:
    """What a process needs to know to predict, see `faceml.tables.row_maker.RowSettings`.

    Attributes:
        root: Folder of the images, a path or URI.
        model: Place of a `best_model.pt`.
        model_sha256: Of that file; another one is refused.
        finds_faces: Look for faces; otherwise each image is taken for one face, whole.
        max_faces: Most faces looked for in an image.
        min_detection_confidence: Score from 0 to 1 below which there is no face.
        zoom_levels: See `load`.
        landmarker: A `face_landmarker.task`; None looks for it where the rows are made.
        batch_size: Faces that the network sees at once.
        device: Of the network.
        follow_links: Whether symbolic links may lead out of the folder.
        max_bytes: Of one file.
        timeout_s: Longest time that one image may take.
    """

    root: str
    model: str
    model_sha256: str
    finds_faces: bool = True
    max_faces: int = 10
    min_detection_confidence: float = 0.5
    zoom_levels: int = 2
    landmarker: Path | None = None
    batch_size: int = 32
    device: str = "cpu"
    follow_links: bool = False
    max_bytes: int = MAX_BYTES
    timeout_s: float = 30.0

    @contextmanager
    def open(self) -> Iterator[RowMaker]:
        """Open the detector and the network.

        Raises:
            ConfigError: The model is not there, or is not the one that the table is made with.
        """
        import torch

        from faceml.prediction.loading import load
        from faceml.prediction.rows import PredictionRows

        torch.set_num_threads(1)  # there is one of these processes for each core
        if file_digest(self.model) != self.model_sha256:
            raise ConfigError(
                f"model: {self.model} is no longer the file that this table is made with. Choose another "
                "output.table for another model."
            )
        yield PredictionRows(
            load(
                self.model,
                finds_faces=self.finds_faces,
                max_faces=self.max_faces,
                min_detection_confidence=self.min_detection_confidence,
                zoom_levels=self.zoom_levels,
                landmarker=self.landmarker,
                batch_size=self.batch_size,
                device=self.device,
            )
        )


def file_digest(place: str) -> str:
    """Return the SHA-256 of a file at a path or URI.

    Raises:
        ConfigError: There is no such file.
    """
    folder, name = split_place(place)
    content = StorageFolder(folder).read(name, follow_links=True)
    if not isinstance(content, bytes):
        raise ConfigError(f"{place}: there is no such file.")
    return hashlib.sha256(content).hexdigest()
