"""Accuracy on images with and without a detected face.

Shape letters: N images.
"""

import numpy as np
import numpy.typing as npt

from faceml.page import INTERVAL, DataTable, Section, percent, percent_range
from faceml.statistics import difference_of_shares, wilson_interval
from faceml.tasks.chapters.results import ImageValues


def detection_section(detected: npt.NDArray[np.bool_], accuracy: ImageValues) -> Section:
    """Compare the accuracy on images with a detected face with that on the others.

    Args:
        detected: Whether a face was detected in each of N images, of shape (N,).
        accuracy: Whether each image is classified correctly.
    """
    score, known = accuracy.score, np.isfinite(accuracy.values)
    groups = {"detected": detected & known, "not detected": ~detected & known}
    counts = {name: (int(accuracy.values[group].sum()), int(group.sum())) for name, group in groups.items()}
    text = "MediaPipe detected a face in all of these images, or in none: there is no comparison."
    if all(images for _, images in counts.values()):
        difference = difference_of_shares(counts["detected"], counts["not detected"])
        verdict = "significant" if difference.is_resolved else "not significant with this number of images"
        text = (
            "Accuracy with a detected face − accuracy without = "
            f"{score.format_difference(difference.value)} points, {INTERVAL} "
            f"{score.format_limits((difference.low, difference.high))}: {verdict}."
        )
    rows = [
        [
            name,
            f"{images:,}",
            percent(correct / images) if images else "–",
            percent_range(wilson_interval(correct, images)) if images else "–",
        ]
        for name, (correct, images) in counts.items()
    ]
    header, title = ["face", "images", "accuracy", INTERVAL], "Images by face detection of MediaPipe"
    return Section(
        title="Accuracy with and without a detected face",
        text=[text],
        tables=[DataTable(title, header, rows)],
    )
