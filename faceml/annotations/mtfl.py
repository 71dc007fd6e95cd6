"""List of MTFL: `training.txt` and `testing.txt`."""

from collections.abc import Sequence

from faceml.annotations.list_files import ListFormat
from faceml.annotations.markup import Markup, PixelOrigin

MTFL_5 = Markup(
    name="MTFL",
    num_points=5,
    origin=PixelOrigin(1, "its coordinates are those of the set CNN_FacePoint that it comes from, plus 1"),
    landmarks={5: ((0,), (1,), (2,), (3,), (4,))},
    eyes=(0, 1),
    normalizer="distance of the pupils",
)
"""Zhang et al. 2014, "Facial Landmark Detection by Deep Multi-task Learning"."""


def _split(values: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Split a line, which has the x of all points before their y, and a path of Windows."""
    x, y = values[1:6], values[6:11]
    return values[0].replace("\\", "/"), [value for point in zip(x, y, strict=True) for value in point]


MTFL_LIST = ListFormat(
    MTFL_5,
    {15: "the path, x of 5 points, y of 5 points, gender, smile, glasses, head pose"},
    _split,
)
