"""Extraction of the rows of an image file in the landmark table."""

import hashlib
import math
import time
from collections.abc import Sequence

import numpy as np

from faceml.extraction import Row, row_without_image
from faceml.images import DecodedImage, DecodeFailure, DecodeLimits, decode_reduced, difference_hash
from faceml.landmarks.confirmed_detector import ConfirmedDetector
from faceml.landmarks.detector import FaceObservation, LandmarkDetector, select_points
from faceml.landmarks.second_look import SecondLook
from faceml.landmarks.training_copy import EmbedOptions, training_copy
from faceml.storage import StoredFile
from faceml.tables import FACE, LANDMARK_SETS, Status, landmark_column

# The face detector scales every image to 128×128 px; the landmark network sees 256×256 px of a box 1.5 times
# as long as the face (MediaPipe's model cards of BlazeFace short-range and Face Mesh V2). More pixels only
# make decoding slower.
DETECTION_SIDE_PX = 640
FACE_SIDE_PX = 192
SECOND_LOOK_SIDE_PX = 1920
"""Longer side of an image that is searched again, in parts."""


class LandmarkExtractor:
    """Extract rows of the landmark table.

    Args:
        detector: An opened detector.
        limits: Largest image that is decoded.
        second_look: Searches again where the detector finds no face; None does not.
        confirmed: The part of the detector that rejects faces, to add the column `num_rejected`; None leaves
            it out.
        reduce: Decode large JPEGs at a fraction of their size, as long as the largest face keeps 192 px.
        zoom_levels: Levels of tiles in which the detector searches, each of which needs twice the pixels.
        keep_central: Keep the face nearest to the middle of the image instead of the largest.
        all_faces: Extract a row for each face, the one to keep first; otherwise only the row of that one.
        store_mesh: Add the column `mesh`.
        embed: Encoding of the column `image_jpeg`; None leaves it out.

    Attributes:
        decode_s: Seconds spent on decoding so far.
        detect_s: Seconds spent in the detector so far.
    """

    def __init__(
        self,
        detector: LandmarkDetector,
        limits: DecodeLimits | None = None,
        *,
        second_look: SecondLook | None = None,
        confirmed: ConfirmedDetector | None = None,
        reduce: bool = False,
        zoom_levels: int = 1,
        keep_central: bool = False,
        all_faces: bool = False,
        store_mesh: bool = False,
        embed: EmbedOptions | None = None,
    ) -> None:
        self._detector = detector
        self._limits = limits or DecodeLimits()
        self._second_look = second_look
        self._confirmed = confirmed
        self._keep_central = keep_central
        self._all_faces = all_faces
        self._store_mesh = store_mesh
        self._embed = embed
        size = embed.size if embed else 0
        detection_side_px = DETECTION_SIDE_PX * 2 ** (zoom_levels - 1)
        self._long_side_px = max(detection_side_px, size) if reduce else None
        is_cut = embed is not None and (embed.align or embed.crop_margin is not None)
        self._face_side_px = max(FACE_SIDE_PX, size if is_cut else 0)
        self.decode_s = self.detect_s = 0.0

    def detect(self, file: StoredFile, data: bytes | Status) -> list[Row]:
        """Extract the rows of one image.

        Args:
            file: The file's entry in the listing.
            data: Its bytes, or the status of a file that cannot be read.

        Returns:
            One row; with `all_faces` one for each face, or one for an image without faces.
        """
        row = row_without_image(file, data) if isinstance(data, str) else row_without_image(file, "ok")
        if isinstance(data, str):
            return [row]
        row["content_sha256"] = hashlib.sha256(data).digest()
        rejected_before = self._confirmed.num_rejected if self._confirmed else 0
        observed = self._decode_and_detect(data)
        if isinstance(observed, str):
            return [row | {"status": observed}]
        image, faces = observed
        if self._confirmed:
            row["num_rejected"] = self._confirmed.num_rejected - rejected_before
        row |= {
            "status": "ok" if faces else "no_face",
            "width": image.width,
            "height": image.height,
            "num_faces": len(faces),
            "dhash": difference_hash(image.pixels),
        }
        if not faces:
            return [row | self._copy_columns(image, None)]
        return [
            row | self._face_columns(face, number) | self._copy_columns(image, face)
            for number, face in enumerate(self._kept(faces))
        ]

    def compute_rows(self, detections: Sequence[list[Row]]) -> list[list[Row]]:
        """Return the rows, which are complete after the detection."""
        return list(detections)

    def _decode_and_detect(self, data: bytes) -> tuple[DecodedImage, list[FaceObservation]] | DecodeFailure:
        """Decode and detect, and repeat it with more pixels while a face that is kept is too small."""
        long_side_px = self._long_side_px
        while True:
            started_s = time.perf_counter()
            image = decode_reduced(data, self._limits, long_side_px=long_side_px)
            decoded_s = time.perf_counter()
            self.decode_s += decoded_s - started_s
            if isinstance(image, str):
                return image
            faces = self._sorted(self._detector.detect(image.pixels))
            self.detect_s += time.perf_counter() - decoded_s
            shown_px = max(image.pixels.shape[:2])
            if not faces and self._second_look is not None:
                return self._search_again(data, image, self._second_look)
            if not faces or shown_px >= max(image.width, image.height):
                return image, faces
            width_px, height_px = image.pixels.shape[1::-1]
            face_px = min(face.box.to_px(width_px, height_px).long_side for face in self._kept(faces))
            if face_px >= self._face_side_px:
                return image, faces
            # OpenCV rounds up, so one pixel more selects the next larger size.
            long_side_px = max(shown_px + 1, round(shown_px * self._face_side_px / max(face_px, 1.0)))

    def _search_again(
        self, data: bytes, image: DecodedImage, second_look: SecondLook
    ) -> tuple[DecodedImage, list[FaceObservation]] | DecodeFailure:
        """Decode with more pixels, if the file has them, and search in other ways."""
        started_s = time.perf_counter()
        shown_px, largest_px = max(image.pixels.shape[:2]), max(image.width, image.height)
        if shown_px < min(SECOND_LOOK_SIDE_PX, largest_px):
            larger = decode_reduced(data, self._limits, long_side_px=SECOND_LOOK_SIDE_PX)
            if isinstance(larger, str):
                return larger
            image = larger
        decoded_s = time.perf_counter()
        self.decode_s += decoded_s - started_s
        faces = self._sorted(second_look.detect(image.pixels))
        self.detect_s += time.perf_counter() - decoded_s
        return image, faces

    def _sorted(self, faces: list[FaceObservation]) -> list[FaceObservation]:
        """Sort faces that are the largest first by their distance from the middle, if that one is kept."""
        if not self._keep_central:
            return faces
        return sorted(faces, key=lambda face: math.dist(face.box.center, (0.5, 0.5)))

    def _kept(self, faces: list[FaceObservation]) -> list[FaceObservation]:
        return faces if self._all_faces else faces[:1]

    def _copy_columns(self, image: DecodedImage, face: FaceObservation | None) -> Row:
        return training_copy(image.pixels, face, self._embed) if self._embed else {}

    def _face_columns(self, face: FaceObservation, number: int) -> Row:
        columns: Row = {
            landmark_column(number): select_points(face.mesh, points).ravel()
            for number, points in LANDMARK_SETS.items()
        }
        columns |= {
            "yaw_deg": face.pose.yaw_deg,
            "pitch_deg": face.pose.pitch_deg,
            "roll_deg": face.pose.roll_deg,
            "look": face.look,
        }
        if self._all_faces:
            columns |= {FACE: number, "box": face.box.corners}
        if self._store_mesh:
            columns["mesh"] = face.mesh.astype(np.float16).ravel()
        return columns
