"""One image file to one row of the landmark table, whatever is in it."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faceml.images import DecodeLimits, RgbImage, decode_image, difference_hash, encode_jpeg, shrink
from faceml.landmarks.detector import FaceObservation, LandmarkDetector
from faceml.landmarks.points import select_points
from faceml.schema import LANDMARK_SETS, landmark_column


@dataclass(frozen=True)
class EmbedOptions:
    """How the training copy of an image is encoded: longest side in px, JPEG quality from 1 to 100."""

    max_side_px: int
    quality: int


class LandmarkExtractor:
    """Make rows of the landmark table.

    Args:
        detector: An opened detector.
        limits: What one file may cost.
        store_mesh: Add the column `mesh`.
        embed: Add the column `image_jpeg`, encoded so.
    """

    def __init__(
        self,
        detector: LandmarkDetector,
        limits: DecodeLimits | None = None,
        *,
        store_mesh: bool = False,
        embed: EmbedOptions | None = None,
    ) -> None:
        self._detector = detector
        self._limits = limits or DecodeLimits()
        self._store_mesh = store_mesh
        self._embed = embed

    def row(self, root: Path, image_id: str) -> dict[str, Any]:
        """Return the row of one image: its status, and all that is known of it.

        Args:
            root: Folder of faces.
            image_id: POSIX path below it.
        """
        row: dict[str, Any] = {"image_id": image_id, "folder": _first_folder(image_id)}
        data = _read(root / image_id)
        if data is None:
            return row | {"status": "unreadable"}
        row["content_sha256"] = hashlib.sha256(data).digest()
        image = decode_image(data, self._limits)
        if isinstance(image, str):
            return row | {"status": image}
        faces = self._detector.detect(image)
        row |= {
            "status": "ok" if faces else "no_face",
            "width": image.shape[1],
            "height": image.shape[0],
            "num_faces": len(faces),
            "dhash": difference_hash(image),
        }
        if faces:
            row |= self._face_columns(faces[0])
        if self._embed:
            row["image_jpeg"] = _training_copy(image, self._embed)
        return row

    def _face_columns(self, face: FaceObservation) -> dict[str, Any]:
        columns: dict[str, Any] = {
            landmark_column(number): select_points(face.mesh, points).ravel()
            for number, points in LANDMARK_SETS.items()
        }
        columns |= {
            "yaw_deg": face.pose.yaw_deg,
            "pitch_deg": face.pose.pitch_deg,
            "roll_deg": face.pose.roll_deg,
        }
        if self._store_mesh:
            columns["mesh"] = face.mesh.astype(np.float16).ravel()
        return columns


def _first_folder(image_id: str) -> str:
    """Return the label or the person; empty for an image that lies in the root itself."""
    folder, slash, _ = image_id.partition("/")
    return folder if slash else ""


def _read(path: Path) -> bytes | None:
    data = None
    with suppress(OSError):
        data = path.read_bytes()
    return data


def _training_copy(image: RgbImage, embed: EmbedOptions) -> bytes:
    return encode_jpeg(shrink(image, embed.max_side_px), embed.quality)
