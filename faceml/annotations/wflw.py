"""Lists of WFLW: `list_98pt_rect_attr_test.txt`, `list_98pt_test.txt` and those of its training part."""

from collections.abc import Sequence

from faceml.annotations.list_files import ListFormat
from faceml.annotations.markup import Markup, PixelOrigin

WFLW_98 = Markup(
    name="WFLW",
    num_points=98,
    origin=PixelOrigin(0, "the data set does not state it"),
    landmarks={
        5: ((60, 64), (68, 72), (54,), (76,), (82,)),
        10: ((60,), (64,), (68,), (72,), (54,), (57,), (76,), (82,), (79,), (85,)),
    },
    eyes=(60, 72),
    normalizer="distance of the outer eye corners",
)
"""Wu et al. 2018, "Look at Boundary"."""


def _split(values: Sequence[str]) -> tuple[str, Sequence[str]]:
    return values[-1], values[: 2 * WFLW_98.num_points]


WFLW_LIST = ListFormat(
    WFLW_98,
    {
        207: "x and y of 98 points, 4 of the box, 6 attributes, the path",
        197: "x and y of 98 points, the path",
    },
    _split,
)
