"""Training copies: images or face crops, re-encoded and stored in the table."""

from dataclasses import dataclass

import numpy as np

from faceml.extraction import Row
from faceml.images import RgbImage, align_face, encode_jpeg, shrink
from faceml.landmarks.detector import FaceObservation, select_points
from faceml.tables import LANDMARK_SETS


@dataclass(frozen=True)
class EmbedOptions:
    """Encoding of the training copy of an image.

    Attributes:
        size: Longest side in px.
        quality: JPEG quality from 1 to 100.
        crop_margin: Crop to the face with this margin on each side, as a fraction of its longer side; None
            keeps the whole image.
        align: Align the face to ArcFace's template, `size` px wide.
    """

    size: int
    quality: int
    crop_margin: float | None = None
    align: bool = False


def training_copy(image: RgbImage, face: FaceObservation | None, embed: EmbedOptions) -> Row:
    """Return the column `image_jpeg` and, for a crop, `crop_box` in fractions of width and height.

    Args:
        image: uint8 of shape (H, W, 3), RGB.
        face: Face to which the copy is cut; None if none was found.
        embed: Size, quality and crop.
    """
    if embed.align and face:
        points = select_points(face.mesh, LANDMARK_SETS[5]).astype(np.float64)
        return {"image_jpeg": encode_jpeg(align_face(image, points, embed.size), embed.quality)}
    if embed.crop_margin is None or not face:
        return {"image_jpeg": encode_jpeg(shrink(image, embed.size), embed.quality)}
    height, width = image.shape[:2]
    box = face.box.to_px(width, height).square(embed.crop_margin)
    return {
        "image_jpeg": encode_jpeg(shrink(box.crop(image), embed.size), embed.quality),
        "crop_box": list(box.normalize(width, height).corners),
    }
