"""Input and output of BlazeFace, the network that finds the faces for MediaPipe's landmark network.

Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs". For each of 896
anchors the short-range network predicts a score, a box and six points. Constants and the order of all steps
are those of MediaPipe's `face_detector_graph.cc`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from faceml.images import RgbImage

Array = npt.NDArray[np.floating[Any]]

SIDE_PX = 128
"""Side of the network's input."""
STRIDES = ((8, 2), (16, 6))
"""Distance of the anchors of each grid in px, and their number in each place."""
SAME_FACE_IOU = 0.5
"""Intersection over union above which two detections are averaged."""
WARP_STEPS = 32
"""Steps of a pixel to which OpenCV's fixed-point interpolation rounds coordinates."""
WARP_BLOCK_PX = 64
"""Columns that MediaPipe's OpenCV computes from the coordinate of the first."""


@dataclass(frozen=True)
class FaceDetection:
    """A detected face, in px of the image.

    Attributes:
        score: Confidence from 0 to 1.
        center: x and y of the middle of the box.
        size: Width and height of the box.
        points: float of shape (6, 2): eyes, nose, mouth and ears; the eye at the viewer's left is the first.
    """

    score: float
    center: tuple[float, float]
    size: tuple[float, float]
    points: Array


def anchors() -> npt.NDArray[np.float32]:
    """Return the anchors, float32 of shape (896, 2): x and y in fractions of the input, row by row."""
    grids = []
    for stride, number in STRIDES:
        places = (np.arange(SIDE_PX // stride, dtype=np.float32) + 0.5) * stride / SIDE_PX
        x, y = np.meshgrid(places, places)
        grids.append(np.stack([x.ravel(), y.ravel()], axis=1).repeat(number, axis=0))
    return np.concatenate(grids)


def letterbox(image: RgbImage) -> RgbImage:
    """Scale an image to the network's input with its aspect ratio, on black; uint8 of shape (128, 128, 3)."""
    height, width = image.shape[:2]
    scaled = cv2.remap(
        image, *_letterbox_maps(width, height), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    return np.asarray(scaled, dtype=np.uint8)


@lru_cache(maxsize=64)
def _letterbox_maps(width: int, height: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]]:
    """Return whole pixels and steps between them of the places in the image, as `cv2.remap` takes them.

    MediaPipe's `warpPerspective` rounds places to steps of a pixel. In images whose longer side is not a
    multiple of four, many lie half way between two steps, and the last bits of the matrix decide. This is the
    same arithmetic in the same order; rounding otherwise moves the landmarks by 0.16 % of the eye distance.
    """
    side = max(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    source = [(left, top + side), (left, top), (left + side, top), (left + side, top + side)]
    target = [(0, SIDE_PX), (0, 0), (SIDE_PX, 0), (SIDE_PX, SIDE_PX)]
    to_input = cv2.getPerspectiveTransform(np.array(source, np.float32), np.array(target, np.float32))
    to_image = cv2.invert(to_input)[1]
    row, column = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float64)
    block = column - column % WARP_BLOCK_PX
    x, y, depth = (
        (a * block + b * row + c) + a * (column % WARP_BLOCK_PX) for a, b, c in to_image.astype(np.float64)
    )
    in_steps = [np.rint(place * (WARP_STEPS / depth)).astype(np.int32) for place in (x, y)]
    whole = np.stack([place // WARP_STEPS for place in in_steps], axis=2).astype(np.int16)
    between = in_steps[1] % WARP_STEPS * WARP_STEPS + in_steps[0] % WARP_STEPS
    return whole, between.astype(np.uint16)


class BlazeFaceDecoder:
    """Turn the network's output into detections.

    Args:
        min_score: Score from 0 to 1 below which a detection is dropped.
        max_faces: Most detections returned.
    """

    def __init__(self, min_score: float, max_faces: int) -> None:
        self._min_logit = logit(min_score)
        self._max_faces = max_faces
        center, no_size = anchors(), np.zeros((len(anchors()), 2), np.float32)
        self._offsets = np.hstack([center, no_size, *[center] * 6])

    def decode(self, values: Array, logits: Array, width: int, height: int) -> list[FaceDetection]:
        """Return the detections with the highest scores first.

        Args:
            values: float32 of shape (896, 16): center, size and six points relative to the anchors, in px.
            logits: float32 of shape (896,): scores before the sigmoid.
            width: Width of the image in px.
            height: Its height.
        """
        kept = np.flatnonzero((logits >= self._min_logit) & (values[:, 2] > 0) & (values[:, 3] > 0))
        if not kept.size:
            return []
        scores = expit(logits[kept])
        detections = values[kept] / SIDE_PX + self._offsets[kept]
        side = max(width, height)
        origin = np.array([(width - side) / 2, (height - side) / 2])
        found = []
        for score, merged in suppress(detections, scores)[: self._max_faces]:
            pairs = merged.reshape(8, 2) * side
            center, size, points = pairs[0] + origin, pairs[1], pairs[2:] + origin
            found.append(FaceDetection(score, tuple(center.tolist()), tuple(size.tolist()), points))
        return found


def suppress(detections: Array, scores: Array) -> list[tuple[float, Array]]:
    """Average detections of the same face, weighted by their scores (BlazeFace, section 3.4).

    Args:
        detections: float of shape (n, 16), of which the first four numbers are center and size of a box.
        scores: float of shape (n,).

    Returns:
        The highest score and the average of each group, the highest scores first. A group is the best of the
        remaining detections, and those whose boxes overlap with its own.
    """
    order = np.argsort(-scores, kind="stable")
    detections, scores = detections[order], scores[order]
    half = detections[:, 2:4] / 2
    low, high = detections[:, :2] - half, detections[:, :2] + half
    areas = detections[:, 2] * detections[:, 3]
    merged = []
    while scores.size:
        shared = (np.minimum(high, high[0]) - np.maximum(low, low[0])).clip(0)
        intersections = shared[:, 0] * shared[:, 1]
        same = np.asarray(intersections > SAME_FACE_IOU * (areas + areas[0] - intersections))
        weights = scores[same]
        merged.append((float(scores[0]), weights @ detections[same] / weights.sum()))
        if same.all():
            break
        others = ~same
        detections, scores, areas = detections[others], scores[others], areas[others]
        low, high = low[others], high[others]
    return merged
