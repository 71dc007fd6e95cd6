"""The re-encoded copy of an image or face that a training reads in place of the original."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from faceml.images import RgbImage, align_face, crop, encode_jpeg, shrink
from faceml.landmarks.detector import FaceObservation
from faceml.landmarks.points import select_points
from faceml.tables import LANDMARK_SETS, Row


@dataclass(frozen=True)
class EmbedOptions:
    """How the training copy of an image is encoded.

    Attributes:
        size: Longest side in px.
        quality: JPEG quality from 1 to 100.
        crop_margin: Cut to the face and so much more on each side, as a fraction of its longer side; None
            keeps the whole image.
        align: Move the face onto ArcFace's template, `size` px wide.
    """

    size: int
    quality: int
    crop_margin: float | None = None
    align: bool = False


def bounding_box(face: FaceObservation, image: RgbImage) -> npt.NDArray[np.float64]:
    """Return x0, y0, x1, y1 of the mesh in px."""
    points = face.mesh[:, :2].astype(np.float64) * (image.shape[1], image.shape[0])
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def training_copy(image: RgbImage, faces: list[FaceObservation], embed: EmbedOptions) -> Row:
    """Return the columns `image_jpeg` and, of a crop, `crop_box` as shares of width and height.

    Args:
        image: uint8 of shape (H, W, 3), RGB.
        faces: Found in it, the largest one first.
        embed: Size, quality, and what is cut out.
    """
    if embed.align and faces:
        points = select_points(faces[0].mesh, LANDMARK_SETS[5]).astype(np.float64)
        return {"image_jpeg": encode_jpeg(align_face(image, points, embed.size), embed.quality)}
    if embed.crop_margin is None or not faces:
        return {"image_jpeg": encode_jpeg(shrink(image, embed.size), embed.quality)}
    box = bounding_box(faces[0], image)
    side = max(1, round(float(np.max(box[2:] - box[:2])) * (1 + 2 * embed.crop_margin)))
    left, top = (round(float(middle) - side / 2) for middle in (box[:2] + box[2:]) / 2)
    height, width = image.shape[:2]
    return {
        "image_jpeg": encode_jpeg(shrink(crop(image, left, top, side, side), embed.size), embed.quality),
        "crop_box": [left / width, top / height, (left + side) / width, (top + side) / height],
    }
